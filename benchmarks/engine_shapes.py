"""The graphs that the engine is measured on: {task: (needs, seconds it sleeps)}."""

from __future__ import annotations

Shape = dict[str, tuple[tuple[str, ...], float]]


def one() -> Shape:
    """One task."""
    return {"t0": ((), 0.0)}


def wide() -> Shape:
    """A hundred parallel no-ops."""
    return {f"t{n}": ((), 0.0) for n in range(100)}


def chain() -> Shape:
    """Fifty tasks, each after the one before."""
    return {f"t{n}": ((f"t{n - 1}",) if n else (), 0.0) for n in range(50)}


def diamond() -> Shape:
    """One, then two hundred, then one."""
    middle = {f"m{n}": (("first",), 0.0) for n in range(200)}
    return {"first": ((), 0.0), **middle, "last": (tuple(middle), 0.0)}


def network() -> Shape:
    """Thirty-four tasks that wait a quarter of a second, as scrapers do."""
    return {f"t{n}": ((), 0.25) for n in range(34)}


SHAPES = {"one": one, "wide": wide, "chain": chain, "diamond": diamond, "network": network}

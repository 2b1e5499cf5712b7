"""What is to be awaited."""

from __future__ import annotations

from inspect import iscoroutinefunction


def is_async(function: object) -> bool:
    """Say whether calling `function` gives something to await; an object counts by its `__call__`."""
    return iscoroutinefunction(function) or (callable(function) and iscoroutinefunction(type(function).__call__))

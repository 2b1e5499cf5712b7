"""Checks of one schedule: exactly one way of being due, and no key that this way would ignore."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.workflows import Schedule, WorkflowsFile

_WAYS = ("at", "once_between", "every")
_TICK = 60
_ONLY_WITH_EVERY = ("between", "before_first_game", "max_per_day")


def check_schedule(file: ConfigFile[WorkflowsFile], path: tuple[str, ...], schedule: Schedule) -> Iterator[Problem]:
    """Yield the problems."""
    positions, written = file.positions, file.names(*path)
    ways = [way for way in _WAYS if way in written]
    if not ways:
        yield positions.problem(path, f"a schedule has one of {', '.join(_WAYS)}", key=True)
    elif len(ways) > 1:
        told = f"a schedule has one of {', '.join(_WAYS)}; this one has {' and '.join(ways)}"
        yield positions.problem((*path, ways[1]), told, key=True)
    if schedule.every is not None and schedule.every < _TICK:
        yield positions.problem((*path, "every"), "schedules are looked at once a minute, every cannot be shorter")
    for key in _ONLY_WITH_EVERY:
        if key in written and "every" not in ways:
            yield positions.problem((*path, key), f"{key} has a meaning only together with every", key=True)
    for key in ("once_between", "between"):
        window = getattr(schedule, key)
        if window is not None and window.start == window.end:
            yield positions.problem(
                (*path, key), f"the window from {window.start:%H:%M} to {window.end:%H:%M} is empty"
            )

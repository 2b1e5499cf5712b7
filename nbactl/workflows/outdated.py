"""Finished dates outside of a request that what it changed made stale."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import GameDate
from nbactl.workflows.model import Outdated
from nbactl.workflows.units import find_unit, phase_order

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbactl.workflows.model import RunRecord
    from nbactl.workflows.planner import Planner


def wrote_something_new(run: RunRecord, before: RunRecord | None) -> bool:
    """Say whether a run left something else than the run before it, as far as their versions say."""
    earlier = {task.name: task.versions.writes for task in (before.tasks if before else ()) if task.versions}
    return any(
        task.versions is not None and task.versions.writes != earlier.get(task.name)
        for task in run.tasks
        if task.carried_from is None
    )


def find_outdated(planner: Planner, first: GameDate, done: Collection[tuple[str, GameDate]]) -> Outdated | None:
    """Return the finished phases of dates from `first` on whose inputs are not what they read, but those in `done`.

    Versions are asked for once, for all dates.
    """
    phases = {name: find_unit(name, planner.workflows) for name in phase_order(planner.workflows)}
    past = planner.history.latest_between(phases, first, GameDate(date.max), planner.source)
    others = {key: run for key, run in past.items() if key not in done and planner.is_finished(phases[key[0]], run)}
    if not others:
        return None
    judged = planner.freshness.judge(others.values(), "data")
    order = list(phases)
    stale = [
        (name, day)
        for (name, day), run in sorted(others.items(), key=lambda item: (item[0][1], order.index(item[0][0])))
        if any(found.why == "input" for found in judged.get(run.run_id, {}).values())
    ]
    if not stale:
        return None
    dates = [day for _, day in stale]
    return Outdated(
        name=_last_phase(planner, stale, past),
        first=dates[0],
        last=dates[-1],
        stale=tuple(f"{name} {day}" for name, day in stale),
    )


def _last_phase(
    planner: Planner, stale: Collection[tuple[str, GameDate]], past: Mapping[tuple[str, GameDate], RunRecord]
) -> str:
    """Return the last phase that was run for one of the dates and that reads what is stale."""
    names, dates = {name for name, _ in stale}, {day for _, day in stale}
    ran = {name for name, day in past if day in dates}
    *_, last = (
        name
        for name in phase_order(planner.workflows)
        if name in names or (name in ran and names & planner.needs(name))
    )
    return last

"""What is expected to report of each phase: in production what workflows.yaml declares, on this machine its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nbactl.core.phases.modes import MODES, ExpectedSet, HandOff, PhaseExpectation, Tier

if TYPE_CHECKING:
    from nbactl.config.workflows import Phase, WorkflowsFile
    from nbactl.core.phases.modes import Mode


def expectations(file: WorkflowsFile, target: Literal["local", "gcp"]) -> dict[str, PhaseExpectation]:
    """Return the expectation of every phase, in declared order.

    A phase without `expected` expects its tasks in every mode, the required ones as critical. So does, on `local`, a
    phase that expects names that are none of its tasks: nothing here would ever report them (invariant 10).
    """
    accepts_empty = {name for name, task in file.tasks.items() if task.no_data == "ok"}
    return {name: _expectation(name, phase, target, accepts_empty) for name, phase in file.phases.items()}


def _expectation(name: str, phase: Phase, target: str, accepts_empty: set[str]) -> PhaseExpectation:
    tasks = frozenset(use.task for use in phase.tasks)
    no_data_ok, batch = tasks & accepts_empty, phase.fan_out is not None
    sets = _declared(phase)
    named = {name for expected in sets.values() for name in expected.names}
    if not sets or (target == "local" and not named <= tasks):
        required = tuple(use.task for use in phase.tasks if use.required)
        own = ExpectedSet(required, tuple(use.task for use in phase.tasks if not use.required))
        return PhaseExpectation(
            name,
            dict.fromkeys(MODES, own),
            HandOff(all_reported=True),
            declared=False,
            tasks=tasks | named,  # in a copy of production's documents its own names are not unknown
            no_data_ok=no_data_ok,
            batch=batch,
        )
    spec = phase.hand_off
    tiers = () if spec is None else tuple(Tier(tier.after, tier.at_least) for tier in spec.tiers)
    hand_off = HandOff() if spec is None else HandOff(spec.majority, spec.majority_after or 0.0, tiers)
    return PhaseExpectation(name, sets, hand_off, tasks=tasks, no_data_ok=no_data_ok, batch=batch)


def _declared(phase: Phase) -> dict[Mode, ExpectedSet]:
    if phase.expected is None:
        return {}
    by_mode = {mode: getattr(phase.expected, mode) for mode in MODES}
    return {mode: ExpectedSet(names.critical, names.optional) for mode, names in by_mode.items()}

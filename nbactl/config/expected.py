"""What workflows.yaml expects production to report of each phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core.phases.modes import MODES, ExpectedSet, HandOff, PhaseExpectation, Tier

if TYPE_CHECKING:
    from nbactl.config.workflows import Phase, WorkflowsFile


def expectations(file: WorkflowsFile) -> dict[str, PhaseExpectation]:
    """Return the expectation of every phase, in declared order.

    A phase without `expected` expects its tasks in every mode, the required ones as critical.
    """
    return {name: _expectation(name, phase) for name, phase in file.phases.items()}


def _expectation(name: str, phase: Phase) -> PhaseExpectation:
    if phase.expected is None:
        critical = tuple(use.task for use in phase.tasks if use.required)
        tasks = ExpectedSet(critical, tuple(use.task for use in phase.tasks if not use.required))
        return PhaseExpectation(name, dict.fromkeys(MODES, tasks), declared=False)
    known = frozenset(use.task for use in phase.tasks)
    by_mode = {mode: getattr(phase.expected, mode) for mode in MODES}
    sets = {mode: ExpectedSet(names.critical, names.optional) for mode, names in by_mode.items()}
    spec = phase.hand_off
    if spec is None:
        return PhaseExpectation(name, sets, tasks=known)
    tiers = tuple(Tier(tier.after, tier.at_least) for tier in spec.tiers)
    return PhaseExpectation(name, sets, HandOff(spec.majority, tiers), tasks=known)

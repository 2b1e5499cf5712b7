"""Checks of what production expects of a phase: each name once, none misspelt, tiers that ask for less and less."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from nbactl.core._support.durations import format_duration as shown
from nbactl.core.phases.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.workflows import Phase, WorkflowsFile

_LISTS: Final = ("critical", "optional")
_ALIKE: Final = 0.9
"""From 0 to 1: so alike are a name and its misspelling at least. Names of processors resemble one another."""


def check_expected(file: ConfigFile[WorkflowsFile]) -> Iterator[Problem]:
    """Yield the problems of `expected` and `hand_off` of the phases."""
    for name, phase in file.model.phases.items():
        yield from _check_phase(file, name, phase)


def _check_phase(file: ConfigFile[WorkflowsFile], name: str, phase: Phase) -> Iterator[Problem]:
    path = ("phases", name)
    if phase.expected is None:
        if "hand_off" in file.names(*path) and "expected" not in file.names(*path):
            message = "hand_off has a meaning only together with expected"
            yield file.positions.problem((*path, "hand_off"), message, key=True)
        return
    for mode in MODES:
        yield from _check_mode(file, (*path, "expected", mode), phase)
    yield from _check_hand_off(file, (*path, "hand_off"), phase)


def _check_mode(file: ConfigFile[WorkflowsFile], path: tuple[str, ...], phase: Phase) -> Iterator[Problem]:
    names = getattr(phase.expected, path[-1])
    if not names.critical and not names.optional and set(file.names(*path)) <= set(_LISTS):
        yield file.positions.problem(path, f"nothing is expected in mode {path[-1]}: name at least one processor")
    others = {use.task for use in phase.tasks} | {
        other
        for mode in MODES
        if mode != path[-1]
        for key in _LISTS
        for other in getattr(getattr(phase.expected, mode), key)
    }
    seen: set[str] = set()
    for key in _LISTS:
        for index, name in enumerate(getattr(names, key)):
            here = (*path, key, index)
            if name in seen:
                yield file.positions.problem(here, f"'{name}' is expected twice")
            elif name not in others and (meant := get_close_matches(name, others, n=1, cutoff=_ALIKE)):
                message = f"'{name}' is in no other mode, and no task of the phase"
                yield file.positions.problem(here, message, f"Did you mean '{meant[0]}'?")
            seen.add(name)


def _check_hand_off(file: ConfigFile[WorkflowsFile], path: tuple[str, ...], phase: Phase) -> Iterator[Problem]:
    hand_off = phase.hand_off
    if hand_off is None or phase.expected is None:
        return
    if hand_off.tiers and "majority" in file.names(*path):
        yield file.positions.problem((*path, "tiers"), "a hand-off has majority or tiers, not both", key=True)
    if hand_off.majority_after is not None and "majority" not in file.names(*path):
        yield file.positions.problem((*path, "majority_after"), "there is no majority for it", key=True)
    most = max(len(names.critical) + len(names.optional) for names in vars(phase.expected).values())
    for index, tier in enumerate(hand_off.tiers):
        before = hand_off.tiers[index - 1] if index else None
        here = (*path, "tiers", index)
        if before is not None and tier.after <= before.after:
            message = f"{shown(tier.after)} is not after the tier before, which is at {shown(before.after)}"
            yield file.positions.problem((*here, "after"), message)
        if tier.at_least >= (most if before is None else before.at_least):
            wanted = f"fewer than the {most} that are expected" if before is None else f"below {before.at_least}"
            yield file.positions.problem((*here, "at_least"), f"{tier.at_least} changes nothing: it must be {wanted}")

"""The alerts of hand-offs: a fallback that was used is never silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.ports.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.core.phases.messages import PhaseTrigger


def fallback(document: PhaseDocument, trigger: PhaseTrigger) -> Alert:
    """Say that a deadline or a tier started the next phase without everything."""
    missing = _names(trigger.missing)
    return _alert(
        f"handoff_fallback/{trigger.key}",
        "warning",
        f"{trigger.phase} of {document.game_date} started without all of {document.phase}",
        f"Missing: {missing}. Started: {trigger.phase}, with data marked as partial.",
        document.game_date,
        missing=missing,
        started=trigger.phase,
        reason=trigger.reason or "",
    )


def overdue(document: PhaseDocument, missing: Iterable[str], following: str) -> Alert:
    """Say that a phase began long ago and does not lead on."""
    names = _names(missing)
    return _alert(
        f"handoff_overdue/{document.phase}/{document.game_date}",
        "critical",
        f"{document.phase} of {document.game_date} does not lead on to {following}",
        f"Missing, or reported without data: {names}. Nothing was started, and no time limit will start it.",
        document.game_date,
        missing=names,
        started="nothing",
    )


def not_published(document: PhaseDocument, following: str) -> Alert:
    """Say that a hand-off was decided, and not published in time."""
    return _alert(
        f"handoff_pending/{document.phase}/{document.game_date}",
        "warning",
        f"the start of {following} of {document.game_date} was decided, and not published in time",
        f"It is published again until the bus takes it. Started: {following}, later than it should have been.",
        document.game_date,
        started=following,
    )


def not_started(document: PhaseDocument, trigger: PhaseTrigger, again: int, budget: int) -> Alert:
    """Say that the next phase left no trace, and that its start was published again."""
    return _alert(
        f"handoff_unconfirmed/{trigger.key}/{again}",
        "warning",
        f"{trigger.phase} of {document.game_date} did not start; its message was published again ({again} of {budget})",
        f"Missing: any report or run of {trigger.phase}. Started: {trigger.phase}, again.",
        document.game_date,
        missing=trigger.phase,
        started=trigger.phase,
    )


def given_up(document: PhaseDocument, trigger: PhaseTrigger, budget: int) -> Alert:
    """Say that the next phase does not start, and that nothing will try again."""
    return _alert(
        f"handoff_given_up/{trigger.key}",
        "critical",
        f"{trigger.phase} of {document.game_date} does not start",
        f"Its message was published {budget + 1} times, and no report or run followed. Nothing tries again.",
        document.game_date,
        missing=trigger.phase,
        started="nothing",
        next_step=f"Look at its service, then: nbactl run {trigger.phase} --date {document.game_date}",
    )


def superseded(document: PhaseDocument, mode: str) -> Alert:
    """Say that a round of a date ended without a hand-off, because the round of another mode began."""
    return _alert(
        f"handoff_superseded/{document.phase}/{document.game_date}/{document.mode}",
        "warning",
        f"{document.phase} of {document.game_date} was not handed on in mode {document.mode}",
        f"Reports of mode {mode} arrive now, and are judged by that mode.",
        document.game_date,
        started="nothing",
    )


def unknown_name(phase: str, name: str, day: GameDate) -> Alert:
    """Say that a processor reported under a name that is not declared."""
    return _alert(
        f"unknown_processor/{phase}/{name}",
        "warning",
        f"{phase}: '{name}' reported, and is not a declared name",
        "It is not counted. If it is a new name, declare it in workflows.yaml; if not, correct who reports it.",
        day,
        next_step="Look: nbactl doctor",
    )


def _alert(
    key: str, severity: str, title: str, text: str, day: GameDate, *, next_step: str | None = None, **fields: str
) -> Alert:
    return Alert(
        key,
        severity,  # type: ignore[arg-type]
        title,
        text,
        {"game date": str(day), **fields},
        next_step or f"Look: nbactl status --date {day}",
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"

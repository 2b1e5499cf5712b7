"""The decision whether a phase leads to the next one, from what its document says at one moment.

It looks at the document alone, not at the message that brought it about: another program may have written into it, and
then each report looks like a duplicate (incident 2).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core.phases.modes import MODES, mode_of
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core.phases.documents import PhaseDocument, ProcessorReport
    from nbactl.core.phases.modes import Mode, PhaseExpectation

FEWEST_PREDICTIONS: Final = 10
SMALLEST_SHARE: Final = 0.8
"""Of a batch's players: with fewer of either, phase 6 is not started (production's rule)."""
FALLBACK: Final = "deadline_with_"
"""How the reason begins of a hand-off by a deadline or a tier."""


@frozen
class CompletionDeadline:
    """After `after` seconds since its first completion a phase leads on with what it has, if that is `enforced`."""

    after: float
    enforced: bool


@frozen
class HandOffDecision:
    """What follows from a phase document. `reason` says why the phase leads on, None if it does not.

    `partial`: something expected is missing, or came as partial. `lapsed` is the reason that a deadline which is not
    enforced would have given. `next_at` is when time alone may change this.
    """

    done: frozenset[str]
    missing: tuple[str, ...]
    reason: str | None
    partial: bool
    lapsed: str | None = None
    next_at: datetime | None = None


def counts(report: ProcessorReport, expectation: PhaseExpectation) -> bool:
    """Say whether a report counts: done with rows that were written, or `no_data` where the task declares it.

    A success with 0 rows, or without a number, is no proof that anything was written (invariant 15, incident 7).
    """
    if report.status == "no_data":
        return report.name in expectation.no_data_ok
    if not report.done or not report.records:
        return False
    if not expectation.batch:
        return True
    if report.players_done is None or not report.players_expected:
        share = 1.0 if report.status == "success" else 0.0
    else:
        share = report.players_done / report.players_expected
    return share >= SMALLEST_SHARE and report.records >= FEWEST_PREDICTIONS


def done_names(document: PhaseDocument, expectation: PhaseExpectation) -> frozenset[str]:
    """Return the names whose reports count."""
    return frozenset(name for name, report in document.processors.items() if counts(report, expectation))


def mode_in_force(document: PhaseDocument, now: datetime) -> Mode:
    """Return the mode by which a document is judged: the one that is noted, for midnight may pass meanwhile."""
    return document.mode or mode_of(document.game_date, now)


def was_partial(document: PhaseDocument, expectation: PhaseExpectation, now: datetime) -> bool:
    """Say whether a phase was handed on with part of its data; where another program did it, its reports say that."""
    if is_ours(document) or not document.triggered:
        return document.partial
    return decide(document, expectation, now).partial


def is_ours(document: PhaseDocument) -> bool:
    """Say whether our orchestrator decided on the hand-off that a document has."""
    return document.hand_off is not None and document.hand_off.key is not None


def begins_new_round(
    document: PhaseDocument, name: str, expectation: PhaseExpectation, now: datetime, *, handed_on: bool
) -> bool:
    """Say whether a report belongs to another round of the date than the one that the document holds.

    A date is worked on before its day, on it and after it, and each time the same document is used. A report after
    midnight belongs to the noted round as long as that one can take it. It begins the round of today's mode if only
    that mode expects it, or if the noted round was handed on and has this name already.
    """
    noted, today = document.mode, mode_of(document.game_date, now)
    if noted is None or MODES.index(today) >= MODES.index(noted):
        return False
    if name not in expectation.of(noted).names and name in expectation.of(today).names:
        return True
    return handed_on and name in done_names(document, expectation)


def decide(
    document: PhaseDocument, expectation: PhaseExpectation, now: datetime, deadline: CompletionDeadline | None = None
) -> HandOffDecision:
    """Return what follows from a document at an instant."""
    hand_off, expected = expectation.hand_off, expectation.of(mode_in_force(document, now))
    done = done_names(document, expectation)
    missing = tuple(name for name in expected.names if name not in done)
    began = document.first_completion_at or min(
        (at for name in done if (at := document.processors[name].completed_at) is not None), default=None
    )
    waited = None if began is None else (now - began).total_seconds()
    ended = document.processors.keys() - done
    reason = hand_off.reason(expected, done, waited, ended)
    lapsed = None
    there = len(expected.names) - len(missing)
    if reason is None and deadline is not None and waited is not None and waited >= deadline.after and there:
        late = f"{FALLBACK}{there}_of_{len(expected.names)}"
        reason, lapsed = (late, None) if deadline.enforced else (None, late)
    partial = bool(missing) or any(
        document.processors[name].status == "partial" for name in expected.names if name in done
    )
    next_at = None
    if reason is None and began is not None and waited is not None:
        waits = [hand_off.majority_after, *(tier.after for tier in hand_off.tiers)]
        waits += [] if deadline is None else [deadline.after]
        soonest = min((wait for wait in waits if wait > waited), default=None)
        next_at = None if soonest is None else began + timedelta(seconds=soonest)
    return HandOffDecision(done, missing, reason, partial, lapsed, next_at)

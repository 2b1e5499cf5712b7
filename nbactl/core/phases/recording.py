"""Records what the processors of a phase report, and hands the date on to the next phase.

It does what production's orchestrators between two phases do, on the same documents. docs/handoffs.md has the fields.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.phases import notices
from nbactl.core.phases.decision import begins_new_round, counts, done_names, mode_in_force
from nbactl.core.phases.documents import DONE, document_path
from nbactl.core.phases.modes import mode_of
from nbactl.core.phases.names import normalise
from nbactl.core.phases.publishing import ATTEMPTS, HandOffChange
from nbactl.core.phases.sweeping import sweep
from nbactl.errors import DataError, NotFoundError
from nbactl.frozen import frozen
from nbactl.ports.documents import DELETE_FIELD, Document, Set, Update

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.documents import PhaseDocument, ProcessorReport
    from nbactl.core.phases.handoff import HandOffs
    from nbactl.core.phases.messages import Completion
    from nbactl.core.phases.modes import PhaseExpectation
    from nbactl.core.phases.sweeping import PhaseSweep, Started
    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import Transaction

UNVERIFIED: Final = "unverified"
"""The status of a processor that reported success without rows: no program counts it."""
_PHASE: Final = re.compile(r"phase_?([1-9])(?:_\w*)?")
_KEPT: Final = ("_unknown", "_unsent")
"""The fields that belong to the date, not to a round of it."""
_MOST_UNKNOWN: Final = 20
_LONGEST_NAME: Final = 100
"""Characters of an unknown name that are kept."""


@frozen
class Recording:
    """What became of a completion. `name` is its declared name; `counted` says whether it counts towards the phase.

    `reason` says why this completion handed the date on, None if it did not; `published` whether the next phase's
    start was published at once. What was not is in the outbox.
    """

    name: str
    counted: bool
    duplicate: bool
    reason: str | None = None
    published: bool = False


class PhaseRecorder:
    """Records completions and works by the clock. `started` says whether a phase of a date began since a time."""

    def __init__(self, hand_offs: HandOffs, started: Started) -> None:
        self._hand_offs = hand_offs
        self._started = started

    def record(self, completion: Completion) -> Recording:
        """Record a completion, and hand on if the phase has what the next one needs.

        Safe to repeat, in any order. Raises DataError for a phase or a name that is not declared, or a document that
        cannot be read: none of these will pass. Everything else that it raises may.
        """
        hand_offs = self._hand_offs
        phase, day = phase_name(completion.phase), completion.game_date
        expectation = hand_offs.expectations.get(phase)
        if expectation is None:
            raise DataError(
                f"'{completion.phase}' is not a phase", next_step=f"Use one of {', '.join(hand_offs.expectations)}."
            )
        name = normalise(completion.processor, expectation.known, completion.output_table, phase=phase)
        if name is None:
            raise self._refused(phase, completion)

        def record(transaction: Transaction) -> tuple[Recording, HandOffChange]:
            return self._record(transaction, phase, name, completion)

        recording, change = hand_offs.store.transaction(record, max_attempts=ATTEMPTS)
        if change.what is not None:
            reach("phases.decided")
        published = hand_offs.publisher.finish(phase, day, change)
        return replace(recording, published=published)

    def sweep(self) -> PhaseSweep:
        """Do what is due by the clock: deadlines, tiers, hand-offs that are open, starts that left no trace.

        Any number of processes may sweep: each step is taken once. One document that fails does not hold up others.
        """
        return sweep(self._hand_offs, self._started)

    def look_again(self, phase: str, day: GameDate) -> None:
        """Have the next sweep look into a document that was not handed on, whichever program wrote it.

        Raises NotFoundError if there is none.
        """
        hand_offs, path = self._hand_offs, document_path(phase, day)

        def look(transaction: Transaction) -> None:
            stored = transaction.get(path)
            if stored is None:
                raise NotFoundError(f"there is no document {path}")
            if not hand_offs.parse(phase, day, stored).triggered:
                transaction.write(Update(path, {"_next_check_at": hand_offs.clock.now()}))

        hand_offs.store.transaction(look, max_attempts=ATTEMPTS)

    def _record(
        self, transaction: Transaction, phase: str, name: str, completion: Completion
    ) -> tuple[Recording, HandOffChange]:
        hand_offs, day = self._hand_offs, completion.game_date
        path, expectation = document_path(phase, day), hand_offs.expectations[phase]
        now = hand_offs.clock.now()
        stored = transaction.get(path)
        data: dict[str, Any] = {} if stored is None else dict(stored.data)
        document = hand_offs.parse(phase, day, stored)
        fields = {name: _report(completion, now)}
        report = _parsed(hand_offs, document, fields, now).processors[name]
        known, of_round_before = document.processors.get(name), self._of_round_before(transaction, document, name)
        duplicate = (known is not None and not _supersedes(report, known, expectation)) or (
            of_round_before is not None and _is_same(report, of_round_before)
        )
        archive: list[Set] = []
        alerts: tuple[Alert, ...] = ()
        handed_on = document.triggered or document.pending
        if not duplicate and begins_new_round(document, name, expectation, now, handed_on=handed_on):
            attempt = 1 if document.hand_off is None else document.hand_off.attempt
            archive.append(Set(_round_path(document, attempt), data))
            if not handed_on and done_names(document, expectation):
                alerts = (notices.superseded(document, mode_of(day, now)),)
            kept = {field: value for field, value in data.items() if field in _KEPT}
            data = {**kept, "_trigger": {"state": "idle", "attempt": attempt + 1}}
            document = hand_offs.parse(phase, day, Document(path, data, now, now))
        changed: dict[Any, Any] = {} if duplicate else {**fields, "_last_update": now}
        after = _parsed(hand_offs, document, {**data, **changed}, now)
        done = done_names(after, expectation)
        # What another program wrote has no mode and no beginning yet.
        changed |= {
            field: value
            for field, value in (
                ("_mode", mode_in_force(document, now)),
                ("_first_report_at", now),
                ("_first_completion_at", min(document.began_at or now, now) if done else None),
            )
            if field not in data and value is not None
        }
        after = _parsed(hand_offs, document, {**data, **changed}, now)
        if len(done) != after.completed_count:
            changed["_completed_count"] = len(done)
        change = hand_offs.advance(transaction, after, now)
        if alerts:
            change = hand_offs.noting(after, replace(change, alerts=(*alerts, *change.alerts)), now)
        written = {**changed, **change.fields}
        if archive or stored is None:
            final = {field: value for field, value in {**data, **written}.items() if value is not DELETE_FIELD}
            transaction.write(*archive, Set(path, final), *change.creates)
        elif written:
            transaction.write(Update(path, written), *change.creates)
        return Recording(name, name in done, duplicate, change.what), change

    def _of_round_before(self, transaction: Transaction, document: PhaseDocument, name: str) -> ProcessorReport | None:
        """Return what a processor reported in the round before this one, whose messages may come again."""
        if document.hand_off is None or document.hand_off.attempt == 1:
            return None
        stored = transaction.get(_round_path(document, document.hand_off.attempt - 1))
        return self._hand_offs.parse(document.phase, document.game_date, stored).processors.get(name)

    def _refused(self, phase: str, completion: Completion) -> DataError:
        """Keep an unknown name in the document, alert, and return the error (invariant 9)."""
        hand_offs, day = self._hand_offs, completion.game_date
        name = completion.processor[:_LONGEST_NAME]
        path = document_path(phase, day)

        def keep(transaction: Transaction) -> bool:
            stored, now = transaction.get(path), hand_offs.clock.now()
            data: Mapping[str, Any] = {} if stored is None else stored.data
            before = data.get("_unknown")
            unknown: dict[str, Any] = dict(before) if isinstance(before, dict) else {}
            if name in unknown or len(unknown) >= _MOST_UNKNOWN:
                return False
            unknown[name] = {**_report(completion, now), "output_table": completion.output_table}
            if stored is None:
                transaction.write(Set(path, {"_unknown": unknown}))
            else:
                transaction.write(Update(path, {"_unknown": unknown}))
            return True

        if hand_offs.store.transaction(keep, max_attempts=ATTEMPTS):
            hand_offs.alert(notices.unknown_name(phase, name, day))
        return DataError(
            f"'{name}' is not a processor of {phase}",
            cause="Neither the name nor the table that it wrote is declared. It is not counted.",
            next_step="Declare it under the phase in workflows.yaml, or correct who reports it: nbactl doctor",
        )


def phase_name(text: str) -> str:
    """Return the name of a phase in workflows.yaml: production's messages also say `phase_3_analytics`."""
    found = _PHASE.fullmatch(text)
    return text if found is None else f"phase{found[1]}"


def _report(completion: Completion, now: datetime) -> dict[str, Any]:
    """Return the map of a processor in production's shape."""
    players = {"players_done": completion.players_done, "players_expected": completion.players_expected}
    unproven = completion.status in DONE and not completion.rows
    return {
        "status": UNVERIFIED if unproven else completion.status,
        **({"reported_status": completion.status} if unproven else {}),
        "completed_at": now if completion.at is None else min(completion.at, now),
        "record_count": completion.rows,
        "execution_id": completion.execution_id,
        "correlation_id": completion.correlation_id,
        "is_incremental": completion.is_incremental,
        "entities_changed": list(completion.entities_changed),
        **{field: count for field, count in players.items() if count is not None},
    }


def _supersedes(report: ProcessorReport, known: ProcessorReport, expectation: PhaseExpectation) -> bool:
    """Say whether a report replaces the one that is there, so that any order of the two ends the same.

    What counts wins over what does not, then the later one; the same execution with the same end is a duplicate.
    """
    if _is_same(report, known):
        return False
    ranks = [
        (counts(one, expectation), one.completed_at is not None, one.completed_at or one.status)
        for one in (report, known)
    ]
    return ranks[0] > ranks[1]


def _is_same(report: ProcessorReport, known: ProcessorReport) -> bool:
    """Say whether two reports are of the same execution with the same end."""
    same = (report.execution_id, report.status, report.records) == (known.execution_id, known.status, known.records)
    return same and report.execution_id is not None


def _round_path(document: PhaseDocument, attempt: int) -> str:
    return f"{document_path(document.phase, document.game_date)}/rounds/{attempt}"


def _parsed(
    hand_offs: HandOffs, document: PhaseDocument, data: Mapping[str, Any], now: datetime
) -> PhaseDocument:  # fmt: skip
    path = document_path(document.phase, document.game_date)
    return hand_offs.parse(document.phase, document.game_date, Document(path, dict(data), now, now))

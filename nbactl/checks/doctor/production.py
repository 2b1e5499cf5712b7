"""Checks of production: the declared names against those that reported, and hand-offs that stay pending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from nbactl.checks.doctor.context import Finding
from nbactl.core._support.durations import format_duration
from nbactl.core.phases.names import normalise
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from nbactl.checks.doctor.context import CheckContext, Reports

_NAMES: Final = "reported names"
_HAND_OFFS: Final = "hand-offs"
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class NameDrift:
    """A name that is declared and was never reported, or was reported and is not declared. `phase` is None if unknown.

    `where` is where it was reported last: a phase document, or the run history.
    """

    phase: str | None
    name: str
    kind: Literal["never reported", "not declared"]
    where: str | None = None


def reported_names(context: CheckContext) -> Iterator[Finding]:
    """Compare the names that production is expected to report with those that it did report (invariant 10).

    Phase 3 once did not start for three days, because the expected set had names that nobody sends.
    """
    reports = yield from _reports(context, _NAMES)
    if reports is None:
        return
    if reports.history_problem is not None:
        message = f"the run history was not read: {reports.history_problem}"
        yield Finding(_NAMES, "warn", message, "The phase documents were compared without it.")
    if not any(document.exists for document in reports.documents.values()) and not reports.runs:
        yield Finding(_NAMES, "skipped", f"nothing was reported {_span(reports)}")
        return
    drifts = name_drift(reports)
    for phase in dict.fromkeys(drift.phase for drift in drifts):
        own = [drift for drift in drifts if drift.phase == phase]
        yield from _drift_findings(phase, own, reports)
    if not drifts:
        names = sum(len(one.names) for one in reports.expected.values() if one.declared)
        yield Finding(_NAMES, "ok", f"all {names} expected names reported {_span(reports)}, and no other")


def hand_offs(context: CheckContext) -> Iterator[Finding]:
    """Find hand-offs that were decided and are not known to be published (invariant 26)."""
    reports = yield from _reports(context, _HAND_OFFS)
    if reports is None:
        return
    now, patience = context.clock.now(), timedelta(seconds=context.hand_off_patience)
    there = [document for document in reports.documents.values() if document.exists]
    late = [one for one in there if one.pending and (one.pending_since is None or now - one.pending_since > patience)]
    for document in late:
        since = document.pending_since
        passed = "" if since is None else f" for {format_duration((now - since).total_seconds())}"
        yield Finding(
            _HAND_OFFS,
            "failed",
            f"{document.phase} {document.game_date} is pending{passed}",
            "The orchestrator decided to start the next phase, and the message is not known to be published.",
            f"Look: nbactl status --date {document.game_date}",
        )
    if not there:
        yield Finding(_HAND_OFFS, "skipped", f"no phase document {_span(reports)}")
    elif not late:
        triggered = sum(document.triggered for document in there)
        yield Finding(_HAND_OFFS, "ok", f"{triggered} of {len(there)} phases {_span(reports)} led on, none is pending")


def name_drift(reports: Reports) -> list[NameDrift]:
    """Return what differs between the expected names and the reported ones, phase by phase."""
    found: list[NameDrift] = []
    everything = frozenset().union(*(one.known for one in reports.expected.values())) | reports.tasks
    ran = {run.raw_name: run for run in reversed(reports.runs)}
    meant = {name: normalise(name, everything) for name in ran}
    for phase, expectation in reports.expected.items():
        documents = [one for (name, _), one in reports.documents.items() if name == phase]
        if expectation.declared:
            reported = {name for document in documents for name in document.processors} | set(meant.values())
            missing = sorted(expectation.names - reported)
            found += [NameDrift(phase, name, "never reported") for name in missing]
        unknown = {one.raw_name: document for document in documents for one in document.unknown}
        found += [
            NameDrift(phase, name, "not declared", f"{phase}_completion/{document.game_date}")
            for name, document in sorted(unknown.items())
        ]
    found += [
        NameDrift(None, name, "not declared", f"run history of {ran[name].game_date}")
        for name in sorted(ran)
        if meant[name] is None
    ]
    return found


def _drift_findings(phase: str | None, drifts: Iterable[NameDrift], reports: Reports) -> Iterator[Finding]:
    never = [drift.name for drift in drifts if drift.kind == "never reported"]
    other = [drift for drift in drifts if drift.kind == "not declared"]
    if never:
        yield Finding(
            _NAMES,
            "failed",
            f"{phase}: expected, but not reported {_span(reports)}: {_named(never)}",
            "The phase waits for processors that do not report.",
            f"Start them, or take them out of phases.{phase}.expected in workflows.yaml.",
        )
    if other:
        where = f"The last was in {other[-1].where}."
        place = f"phases.{phase}.expected" if phase else "tasks, or under expected of its phase,"
        yield Finding(
            _NAMES,
            "failed",
            f"{phase or 'run history'}: reported, but not declared: {_named([drift.name for drift in other])}",
            where,
            f"Correct what reports it, or declare it under {place} in workflows.yaml.",
        )


def _reports(context: CheckContext, name: str) -> Generator[Finding, None, Reports | None]:
    """Return what production reported, None with a finding where that cannot be read."""
    try:
        found = context.production()
    except NbactlError as error:
        yield Finding(name, "skipped", f"what production reported cannot be read: {error.message}", error.cause)
        return None
    if found is None:
        yield Finding(name, "skipped", "nothing was recorded here yet")
    return found


def _span(reports: Reports) -> str:
    days = sorted({day for _, day in reports.documents})
    return f"from {days[0]} to {days[-1]}" if days else "lately"


def _named(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest

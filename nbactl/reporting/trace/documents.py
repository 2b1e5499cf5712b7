"""Events from the document store: runs, phase documents, batches, messages, keys, flags and changes."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import decode_id, encode_id, is_id_of
from nbactl.core.audit.records import COLLECTION as AUDIT
from nbactl.core.completions.documents import (
    BATCHES,
    FAILED_PLAYERS,
    batch_path,
    completion_path,
    completions_of,
    listed_players,
)
from nbactl.core.dead_letters.documents import COLLECTION as DEAD_LETTERS
from nbactl.core.flags.store import flag_path, history_of
from nbactl.core.once.idempotency import COLLECTION as MESSAGES
from nbactl.core.outbox.messages import COLLECTION as OUTBOX
from nbactl.core.phases.documents import document_path, read_phases
from nbactl.errors import DataError
from nbactl.ports.documents import Filter, Order, Query
from nbactl.workflows.writing import RUNS, run_path, task_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from nbactl.core.phases.documents import ProcessorReport
    from nbactl.ports.documents import Document
    from nbactl.reporting.trace.model import Collecting, TraceSources

_MOST: Final = 50
"""How many documents of a kind are told of."""
_WHOLE: Final = 8
"""Up to how many runs of one correlation or group are told of with their tasks."""
_NAME: Final = re.compile(r"(?!\.{1,2}$|__.*__$)[^/\x00]{1,1000}")
"""What can be the name of a document."""
_OLD_KEYS: Final = "pubsub_deduplication"
"""The keys of production's own programs."""


def seeds(sources: TraceSources, found: Collecting, text: str) -> None:
    """Find the documents that `text` names: by their path, or as a correlation id or a group of runs."""
    store = sources.documents
    plain = _NAME.fullmatch(text) is not None
    paths = {
        "run": run_path(text) if plain else None,
        "batch": batch_path(text),
        "message": f"{OUTBOX}/{encode_id(text)}",
        "message key": f"{MESSAGES}/{encode_id(text)}",
        "message of production": f"{_OLD_KEYS}/{text}" if plain else None,
        "dead letter": f"{DEAD_LETTERS}/{text}" if plain else None,
        "flag": flag_path(text) if plain else None,
        "change": f"{AUDIT}/{text}" if plain else None,
    }
    asked = {kind: path for kind, path in paths.items() if path is not None}
    for kind, document in zip(asked, store.get_all(list(asked.values())), strict=True):
        if document is not None:
            found.kinds[kind] = None
            _tell(sources, found, kind, document)
    for document in store.query(Query(OUTBOX, (Filter("message_id", "==", text),), limit=_MOST)):
        found.kinds["message"] = None
        _tell(sources, found, "message", document)
    if text in sources.flags and "flag" not in found.kinds:
        found.kinds["flag"] = None
        found.add(None, "flags.yaml", f"{text} is declared, and was never set")
    for kind, field in (("correlation id", "correlation_id"), ("group of runs", "group")):
        runs = list(store.query(Query(RUNS, (Filter(field, "==", text),), limit=_MOST)))
        if runs:
            found.kinds[kind] = None
            tell_runs(sources, found, runs, whole=len(runs) <= _WHOLE)
    found.looked_at += [RUNS, BATCHES, OUTBOX, MESSAGES, _OLD_KEYS, DEAD_LETTERS, "flags", AUDIT]


def related(sources: TraceSources, found: Collecting) -> None:
    """Tell of what has the ids that were found: further runs, batches, messages and reports of phases."""
    store = sources.documents
    for correlation in sorted(one for one in found.ids if not is_id_of("run", one))[:_MOST]:
        by_id = (Filter("correlation_id", "==", correlation),)
        tell_runs(sources, found, store.query(Query(RUNS, by_id, limit=_MOST)), whole=False)
        for batch in store.query(Query(BATCHES, by_id, limit=_MOST)):
            tell_batch(sources, found, batch)
        carried = (Filter(("attributes", "correlation_id"), "==", correlation),)
        for message in store.query(Query(OUTBOX, carried, limit=_MOST)):
            _tell(sources, found, "message", message)
    days = [GameDate(date.fromisoformat(day)) for day in sorted(found.dates)[:_MOST]]
    reports(sources, found, days, found.ids)


def reports(sources: TraceSources, found: Collecting, days: Sequence[GameDate], ids: Collection[str]) -> bool:
    """Tell of the reports in phase documents of these dates that name one of the ids; returns whether one does."""
    known = False
    if days and sources.processors:
        for (phase, day), document in read_phases(sources.documents, sources.processors, days).items():
            for report in (*document.processors.values(), *document.unknown):
                if {report.execution_id, report.correlation_id} & set(ids):
                    known = True
                    tell_report(found, phase, day, report)
        found.looked_at.append(f"phase documents of {days[0]} to {days[-1]}")
    return known


def tell_report(found: Collecting, phase: str, day: GameDate, report: ProcessorReport) -> None:
    """Tell of a report in a phase document."""
    status = report.status or "without a status"
    found.add(report.completed_at, document_path(phase, day), f"{report.raw_name} reported {status}")


def tell_runs(sources: TraceSources, found: Collecting, documents: Iterable[Document], *, whole: bool) -> None:
    """Tell of runs, of `whole` ones with their tasks."""
    new = [document for document in documents if found.is_new(document.path)]
    if new and not whole:
        found.not_looked_at.append(f"tasks of {len(new)} further runs: nbactl trace {new[0].id}")
    for document in new:
        data = _data(document, found)
        found.ids |= {text for text in (document.id, data.get("correlation_id")) if isinstance(text, str)}
        if whole:
            found.runs.add(document.id)
        if whole and _is_day(data.get("game_date")):
            found.dates.add(data["game_date"])
        name = f"{data.get('name')} {data.get('game_date')}"
        found.add(data.get("started_at"), document.path, f"{name} started on {data.get('target')}")
        if data.get("finished_at") is not None:
            why = f": {data['reason']}" if data.get("reason") else ""
            found.add(data["finished_at"], document.path, f"{name} {data.get('status')}{why}", 3)
        if not whole:
            continue
        names = data.get("task_order")
        order = [task for task in names if isinstance(task, str) and task] if isinstance(names, list) else []
        for task in sources.documents.get_all([task_path(document.id, task) for task in order]):
            if task is not None:
                _tell_task(found, task)


def _tell_task(found: Collecting, document: Document) -> None:
    data = _data(document, found)
    name = data.get("name")
    if data.get("carried_from"):
        found.add(None, document.path, f"{name} was taken over from {data['carried_from']}")
        return
    if data.get("started_at") is not None:
        found.add(data["started_at"], document.path, f"{name} started", 1)
    if data.get("finished_at") is not None:
        rows = f", {data['rows']:,} rows" if isinstance(data.get("rows"), int) else ""
        error = data.get("error")
        why = f": {error.get('message')}" if isinstance(error, dict) else ""
        found.add(data["finished_at"], document.path, f"{name} {data.get('status')}{rows}{why}", 2)


def tell_batch(sources: TraceSources, found: Collecting, document: Document, player: str | None = None) -> bool:
    """Tell of a batch, or of one player in it; returns whether it knows the player."""
    data = _data(document, found)
    batch = decode_id(document.id)
    if found.is_new(document.path):
        expected = data.get("expected_players")
        found.add(
            data.get("start_time"), document.path, f"batch of {data.get('game_date')} started: {expected} players"
        )
        if data.get("is_complete") is True:
            found.add(data.get("completion_time"), document.path, "batch complete", 3)
        if isinstance(data.get("correlation_id"), str):
            found.ids.add(data["correlation_id"])
    if player is None:
        done = sources.documents.count(Query(completions_of(batch)))
        found.add(None, completions_of(batch), f"{done:,} players have completed")
        return True
    completion, key = sources.documents.get_all(
        [completion_path(batch, player), f"{MESSAGES}/{encode_id(f'predict/{batch}/{player}')}"]
    )
    if key is not None:
        _tell(sources, found, "message key", key)
    failed = player in (data.get(FAILED_PLAYERS) or ())
    by_array = player in listed_players(document)
    if completion is not None:
        inner = _data(completion, found)
        found.add(inner.get("completed_at"), completion.path, f"{inner.get('predictions_count')} predictions", 2)
    elif by_array:
        found.add(None, document.path, "completed, by the array of the batch")
    if failed:
        found.add(None, document.path, "failed, by the array of the batch")
    return key is not None or completion is not None or by_array or failed


def _tell(sources: TraceSources, found: Collecting, kind: str, document: Document) -> None:
    if kind == "run":
        tell_runs(sources, found, [document], whole=True)
    elif kind == "batch":
        tell_batch(sources, found, document)
    elif kind == "flag":
        _tell_flag(sources, found, document)
    elif found.is_new(document.path):
        data = _data(document, found)
        _TELLERS.get(kind, _tell_old_key)(found, document, data)


def _tell_message(found: Collecting, document: Document, data: dict[str, Any]) -> None:
    found.add(data.get("created_at"), document.path, f"message for {data.get('topic')} committed")
    if data.get("published_at") is not None:
        found.add(data["published_at"], document.path, f"published after {data.get('attempts')} attempts", 1)
    else:
        last = f": {data['last_error']}" if data.get("last_error") else ""
        found.add(None, document.path, f"not published yet{last}", 1)
    attributes = data.get("attributes")
    if isinstance(attributes, dict) and isinstance(attributes.get("correlation_id"), str):
        found.ids.add(attributes["correlation_id"])


def _tell_key(found: Collecting, document: Document, data: dict[str, Any]) -> None:
    what = "work done once" if data.get("state") == "done" else f"{data.get('state')} by {data.get('owner')}"
    found.add(data.get("processed_at"), document.path, f"{what} under the key {decode_id(document.id)}", 1)


def _tell_old_key(found: Collecting, document: Document, data: dict[str, Any]) -> None:
    found.add(data.get("processed_at"), document.path, "seen by a program of production")


def _tell_letter(found: Collecting, document: Document, data: dict[str, Any]) -> None:
    found.add(data.get("published_at"), document.path, f"published to {data.get('topic')}")
    found.add(data.get("saved_at"), document.path, f"saved as a dead letter of {data.get('subscription')}", 1)


def _tell_change(found: Collecting, document: Document, data: dict[str, Any]) -> None:
    touches = ", ".join(map(str, data.get("touches") or ()))
    why = f": {data['reason']}" if data.get("reason") else ""
    found.add(data.get("at"), document.path, f"{data.get('by')} {data.get('action')} {touches}{why}")
    if data.get("finished_at") is not None:
        found.add(data["finished_at"], document.path, f"{data.get('action')} {data.get('outcome')}", 1)


_TELLERS: Final = {
    "message": _tell_message,
    "message key": _tell_key,
    "dead letter": _tell_letter,
    "change": _tell_change,
}


def _tell_flag(sources: TraceSources, found: Collecting, document: Document) -> None:
    newest = Query(history_of(document.id), order=(Order("version", descending=True),), limit=_MOST)
    for entry in sources.documents.query(newest):
        data = _data(entry, found)
        on = f"{data.get('percent'):g} %" if data.get("enabled") is True else "off"
        why = f": {data['reason']}" if data.get("reason") else ""
        found.add(data.get("updated_at"), entry.path, f"{data.get('updated_by')} set it to {on}{why}")


def _data(document: Document, found: Collecting) -> dict[str, Any]:
    try:
        return document.data
    except DataError as error:
        found.add(document.update_time, document.path, error.message)
        return {}


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False

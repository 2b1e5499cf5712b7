"""Traces: of anything that has an id, and of a player on a date."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import decode_id
from nbactl.core.completions.documents import BATCHES
from nbactl.core.once.idempotency import COLLECTION as MESSAGES
from nbactl.core.phases.documents import read_phases
from nbactl.errors import NotFoundError
from nbactl.pipeline.lookup import plain_name
from nbactl.ports.documents import Filter, Order, Query
from nbactl.reporting.trace import documents, lines, rows
from nbactl.reporting.trace.model import Collecting
from nbactl.reporting.trace.rows import GRADES
from nbactl.workflows.writing import RUNS, task_path

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.reporting.trace.model import Trace, TraceSources

_RUNS_OF_A_DATE: Final = 200
_DAYS: Final = 7
"""Within how many days reports of phases are looked for by an id that nothing else knows."""
_BATCHES: Final = 20
_NEAR: Final = 5
_LONGEST: Final = 1_000
_ALIKE: Final = 0.66
_KNOWN: Final = 2_000
"""How many ids of runs and batches near names are looked for in, of runs the newest."""
_ELSEWHERE: Final = ("messages on their way in the bus",)


def trace_id(sources: TraceSources, text: str, now: datetime) -> Trace:
    """Return what is known about a run, correlation id, batch, message key, flag, change or decision.

    Raises NotFoundError with near names, UnavailableError if the document store does not answer.
    """
    if len(text.encode(errors="replace")) > _LONGEST:
        raise NotFoundError("nothing is known about that", cause=f"No id is longer than {_LONGEST:,} bytes.")
    found = Collecting()
    documents.seeds(sources, found, text)
    week = list(GameDate.of(now).plus(-_DAYS).until(GameDate.of(now).plus(1)))
    if documents.reports(sources, found, week, {text}):
        found.kinds.setdefault("correlation id", None)
        found.ids.add(text)
    found.look("logs of production", lambda: rows.logged(sources, found, text, now))
    found.look("executions and decisions", lambda: rows.decisions(sources, found, sorted({text, *found.runs}), now))
    found.look("logs of services", lambda: lines.lines_of_ids(sources, found, text, now))
    if not found.events:
        raise _unknown(sources, found, text)
    documents.related(sources, found)
    for run_id in sorted(found.runs):
        found.look(f"the log of {run_id}", partial(rows.log_lines, sources, found, run_id))
    return found.trace(text, _ELSEWHERE)


def trace_player(sources: TraceSources, player: str, day: GameDate) -> Trace:
    """Return what is known about a player on a date: raw record, rows, features, message, prediction, export, grade.

    `player` is a player_lookup, or a name. Raises NotFoundError with near names if nothing is known.
    """
    lookup = plain_name(player)
    found = Collecting()
    found.kinds["player on a date"] = None
    found.look("raw files of this machine", lambda: rows.raw_records(sources, found, lookup, day.day))
    if not sources.local:
        found.not_looked_at.append("raw files of production's scrapers: they are in Cloud Storage")
    found.look("records in quarantine", lambda: rows.refused_records(sources, found, lookup, day.day))
    made = _made(sources, day)
    for table in rows.player_tables():
        found.look(table.name, partial(rows.player_rows, sources, found, table, (lookup, day.day), made))
    known = bool(found.events)
    of_date = Query(BATCHES, (Filter("game_date", "==", str(day)),), limit=_BATCHES)
    for batch in sources.documents.query(of_date):
        known = documents.tell_batch(sources, found, batch, lookup) or known
    known = _reports(sources, found, lookup, day) or known
    found.looked_at += [BATCHES, MESSAGES, "phase documents"]
    if not known:
        raise _unknown_player(sources, lookup, day)
    found.look("logs of services", lambda: lines.lines_of_player(sources, found, lookup, day.day))
    found.look("exported file", lambda: rows.exported(sources, found, lookup, day.day))
    return found.trace(f"{lookup}@{day}", _ELSEWHERE)


def _made(sources: TraceSources, day: GameDate) -> dict[str, tuple[datetime | None, str]]:
    """Return by table when and by which run its rows of a date were written last; grades come a date later."""
    tables: dict[str, tuple[datetime | None, str]] = {}
    for of_day in (day, day.plus(1)):
        newest = Query(
            RUNS,
            (Filter("game_date", "==", str(of_day)),),
            (Order("started_at", descending=True),),
            limit=_RUNS_OF_A_DATE,
        )
        paths = [
            task_path(run.id, task)
            for run in sources.documents.query(newest)
            for task in run.data.get("task_order", ())
            if task in sources.tables and (sources.tables[task] == GRADES) is (of_day > day)
        ]
        for task in sources.documents.get_all(paths):
            if task is not None and task.data.get("status") in ("succeeded", "no_data"):
                made = task.data.get("finished_at"), task.data.get("carried_from") or str(task.data.get("run_id"))
                tables.setdefault(sources.tables[task.id], made)
    return tables


def _reports(sources: TraceSources, found: Collecting, player: str, day: GameDate) -> bool:
    """Tell of reports in phase documents that name the player among what changed."""
    known = False
    for (phase, _), document in read_phases(sources.documents, sources.processors, [day]).items():
        for report in document.processors.values():
            if player in report.entities_changed:
                known = True
                documents.tell_report(found, phase, day, report)
    return known


def _unknown(sources: TraceSources, found: Collecting, text: str) -> NotFoundError:
    store = sources.documents
    runs = [run.id for run in store.query(Query(RUNS, order=(Order("started_at", descending=True),), limit=_KNOWN))]
    batches = [decode_id(one) for one in islice(store.list_ids(BATCHES), _KNOWN)]
    names = [*runs, *batches, *sources.flags]
    near = [name for name in names if name.startswith((text, f"run-{text}"))][:_NEAR]
    near = near or get_close_matches(text, names, n=_NEAR, cutoff=_ALIKE)
    unread = f" Not looked at: {'; '.join(found.not_looked_at)}." if found.not_looked_at else ""
    return NotFoundError(
        f"nothing is known about '{text}'",
        cause=f"It is no run, correlation id, group, batch, message or its key, flag, change or decision.{unread} "
        f"Reports of phases were looked for in {_DAYS} days.",
        next_step=f"Near: {', '.join(near)}" if near else "A player of a date is written PLAYER@DATE.",
        details={"near": near},
    )


def _unknown_player(sources: TraceSources, player: str, day: GameDate) -> NotFoundError:
    known = rows.players_of(sources, day.day)
    near = (
        get_close_matches(player, known, n=_NEAR, cutoff=_ALIKE) or [name for name in known if player in name][:_NEAR]
    )
    if not known:
        cause = f"No player of {day} is in the warehouse."
        next_step = f"nbactl status --date {day}"
    else:
        cause = f"{len(known)} players of {day} are in the warehouse."
        next_step = f"Near: {', '.join(near)}" if near else f"nbactl tables show {rows.PLAYERS} --date {day}"
    return NotFoundError(
        f"nothing is known about '{player}' on {day}", cause=cause, next_step=next_step, details={"near": near}
    )

"""`nbactl report` on this machine."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.bootstrap import Container
from nbactl.bootstrap.indexes import INDEXES
from nbactl.bootstrap.reporting import make_report_sources
from nbactl.config.settings import load_settings
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.audit.entry import AuditEntry
from nbactl.core.audit.entry import Change as AuditChange
from nbactl.core.audit.records import fields_of
from nbactl.core.flags.store import Change, FlagStore
from nbactl.core.observe.daily_counts import DUPLICATES, DailyCounts, duplicates_counted
from nbactl.core.observe.events import Event
from nbactl.outputs.model import Grid
from nbactl.ports.documents import Create, Update
from nbactl.reporting import runs as report_runs
from nbactl.reporting.conditions import Finding, observe
from nbactl.reporting.report import length_text, make_report
from nbactl.workflows.writing import run_document, run_path, task_document, task_path
from tests.docs.test_contract import COMMANDS, names
from tests.kit.run_records import run as a_run
from tests.kit.run_records import task as a_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from nbactl.workflows.model import RunRecord, TaskRecord
    from tests.integration.cli.conftest import Nbactl

NOW = datetime.now(UTC)
KEYS = set(names(COMMANDS["nbactl report"][1]))


@pytest.fixture
def store(nbactl: Nbactl) -> Iterator[DocumentStore]:
    path = nbactl.directory / ".nbactl" / "documents.db"
    path.parent.mkdir()
    with closing(SqliteDocuments(path, clock=SystemClock(), busy_timeout=5.0, indexes=INDEXES)) as made:
        yield made


def a_phase(number: int, ago: timedelta, seconds: float, *tasks: TaskRecord, status: str = "succeeded") -> RunRecord:
    at = NOW - ago
    return a_run(
        *tasks or (a_task("player_game_summary", "succeeded", 0, 1),),
        run_id=f"run-{number:014d}",
        started_at=at,
        finished_at=at + timedelta(seconds=seconds),
        game_date=GameDate.of(at),
        status=status,
    )


def put(store: DocumentStore, *runs: RunRecord) -> None:
    for run in runs:
        tasks = [Create(task_path(run.run_id, task.name), task_document(run, task)) for task in run.tasks]
        store.commit([Create(run_path(run.run_id), run_document(run)), *tasks])


def day(number: float) -> timedelta:
    return timedelta(days=number)


def test_an_empty_store_is_4_and_says_what_to_do(nbactl: Nbactl) -> None:
    done = nbactl("report", "-o", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["error"]["code"]) == (4, "not_found")
    assert document["error"]["next"] == "Run something: nbactl run daily"
    assert not (nbactl.directory / ".nbactl").exists()


def test_a_quiet_time_says_when_something_ran_last(nbactl: Nbactl, store: DocumentStore) -> None:
    put(store, a_phase(1, day(9), 30))
    done = nbactl("report", "-o", "json")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 4
    assert error["next"] == "Look further back: nbactl report --since 14d"
    assert nbactl("report", "--since", "14d").returncode == 0


def filled(store: DocumentStore) -> None:
    """A week with a bad run, and a faster month before."""
    put(store, *(a_phase(number, day(10 + number), 20) for number in range(10)))
    put(store, *(a_phase(20 + number, day(number / 2 + 0.1), 30 + number) for number in range(4)))
    bad = (
        a_task("odds", "failed", 0, 1, attempts=3, error={"type": "E", "message": "no \x1b[2Janswer\nmore"}),
        a_task("injuries", "succeeded", 0, 1, attempts=2),
        a_task("schedule", "succeeded", 0, 1, carried_from="run-0"),
    )
    put(store, a_phase(30, day(1), 5, *bad, status="failed"))
    FlagStore(store, SystemClock()).change(
        [Change("ENABLE_QUERY_CACHING", 0, 50.0, True, "s", 1, None)], by="ana@host", reason="trial"  # noqa: FBT003
    )  # fmt: skip
    observe(store, Finding("late_outputs", "2024-01-15", "critical", "2 outputs are late", day(1)), NOW)
    repair = AuditEntry("audit-1", NOW, "heal", AuditChange("heal.outbox", ("outbox/x",)), "done", NOW)
    by_hand = replace(repair, entry_id="audit-2", by="ana@host", change=AuditChange("flags.set", ("query_caching",)))
    store.commit([Create(f"audit/{entry.entry_id}", fields_of(entry)) for entry in (repair, by_hand)])
    hook = duplicates_counted(counts := DailyCounts(DUPLICATES, lambda: store, SystemClock()))
    for kind in ("idempotency.replayed", "idempotency.replayed", "completions.duplicate", "idempotency.done"):
        hook(Event(kind, "x"))
    counts.flush()


def test_the_numbers_of_a_week(nbactl: Nbactl, store: DocumentStore) -> None:
    filled(store)
    done = nbactl("report", "-o", "json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    assert data.keys() >= KEYS
    [phase] = data["phases"]
    assert (phase["runs"], phase["median_s"], phase["p95_s"], phase["failed"]) == (4, 31.5, 33.0, 1)
    assert phase["baseline"] == {"runs": 10, "median_s": 20.0, "p95_s": 20.0}
    assert phase["change"] == pytest.approx(0.575)
    tasks = {task["name"]: task for task in data["tasks"]}
    assert tasks["odds"] | {"last_error": None} == {
        "name": "odds", "runs": 1, "attempts": 3, "retries": 2, "failed": 1, "error_rate": 1.0, "last_error": None,
    }  # fmt: skip
    assert (tasks["injuries"]["error_rate"], tasks["injuries"]["retries"]) == (0.5, 1)
    assert "schedule" not in tasks  # an earlier run did it
    assert data["reliability"]["runs"] == 5
    assert data["cost"]["known"] is False
    assert "has no history of jobs" in data["cost"]["reason"]
    assert data["duplicates"] == {"caught": 3, "messages": 2, "completions": 1}
    assert [(change["key"], change["percent"], change["by"]) for change in data["flags"]] == [
        ("ENABLE_QUERY_CACHING", 50.0, "ana@host")
    ]
    assert [(one["rule"], one["subject"], one["open"]) for one in data["incidents"]] == [
        ("late_outputs", "2024-01-15", True)
    ]
    assert [(one["action"], one["touches"], one["outcome"]) for one in data["healed"]] == [
        ("heal.outbox", ["outbox/x"], "done")
    ]
    assert len(data["nights"]) == 7


def test_text_fits_80_columns_and_controls_are_shown(nbactl: Nbactl, store: DocumentStore) -> None:
    filled(store)
    done = nbactl("report", env={"COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    assert "no \\x1b[2Janswer" in done.stdout
    sentences = done.stdout.partition("Durations")[0]
    assert max(map(len, sentences.splitlines())) <= 80
    assert "Duplicates   2 messages, 1 completions caught" in sentences


def test_the_page_is_written_and_named(nbactl: Nbactl, store: DocumentStore) -> None:
    filled(store)
    done = nbactl("report", "--html", "week.html", "-o", "json")
    assert json.loads(done.stdout)["data"]["file"] == str(nbactl.directory.resolve() / "week.html")
    assert "ENABLE_QUERY_CACHING" in (nbactl.directory / "week.html").read_text()


def test_the_number_of_queries_does_not_depend_on_how_many_runs_there_are(
    tmp_path: Path, nbactl: Nbactl, store: DocumentStore
) -> None:
    counted: list[Counter[str]] = []
    for number in (3, 60):
        put(store, *(a_phase(1000 * number + one, day(one / 10), 30) for one in range(number)))
        events: Counter[str] = Counter()
        given = {"state_dir": str(nbactl.directory / ".nbactl")}
        settings = load_settings(given, {}, tmp_path)

        def count(event: Event, events: Counter[str] = events) -> None:
            events[event.kind] += 1

        with Container(settings, hook=count, environ={}) as app:
            sources = replace(make_report_sources(app), grid=lambda *_: Grid((), {}, NOW))
            make_report(sources, day(7), app.clock.now())
        counted.append(events)
    assert counted[0] == counted[1]
    assert sum(counted[0].values()) <= 12


def test_more_runs_than_are_read_are_said(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_runs, "MOST_RUNS", 3)
    put(store, *(a_phase(number, day(number / 10), 30) for number in range(5)))
    ran = report_runs.read_runs(store, NOW - day(7), NOW + day(1))
    assert [run.run_id[-1] for run in ran.runs] == ["0", "1", "2"]
    assert ran.warnings[0].startswith("only the newest 3 runs were read: those since ")


def test_a_damaged_run_is_said_and_hides_no_other(store: DocumentStore) -> None:
    put(store, *(a_phase(number, day(number / 10), 30) for number in range(3)))
    store.commit([Update(run_path(f"run-{1:014d}"), {"game_date": "soon", "task_order": "x"})])
    ran = report_runs.read_runs(store, NOW - day(7), NOW + day(1))
    assert len(ran.runs) == 2
    assert ran.warnings == ("1 run of the ledger cannot be read and are not counted",)


def test_lengths_are_written_as_since_takes_them() -> None:
    lengths = [timedelta(days=7), timedelta(hours=36), timedelta(minutes=90), timedelta(seconds=1)]
    assert [length_text(length) for length in lengths] == ["7d", "36h", "90m", "1m"]


def test_a_time_that_is_too_long_is_refused(nbactl: Nbactl) -> None:
    assert nbactl("report", "--since", "181d").returncode == 2

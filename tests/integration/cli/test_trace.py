"""`nbactl trace`: a player from the raw record to the grade, and whatever has an id."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.main import main
from nbactl.cli.trace.command import trace
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import encode_id
from nbactl.core.flags.store import Change, FlagStore
from nbactl.errors import NotFoundError, UsageError
from nbactl.ports.documents import Set, Update
from nbactl.ports.warehouse import Rows
from nbactl.warehouse.tables import ensure_tables
from nbactl.workflows.writing import run_document, run_path, task_document, task_path
from tests.docs.test_contract import COMMANDS, names
from tests.kit.league import League
from tests.kit.run_records import run as a_run
from tests.kit.run_records import task as a_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.warehouse import Warehouse
    from nbactl.reporting.trace.model import Trace

DAYS = [date(2025, 1, day) for day in (10, 11, 12, 13, 14)]
LAST, GRADED = DAYS[-1], DAYS[-2]
PLAYER = "samplechia"
PLAYER_ON = f"{PLAYER}@{GRADED}"
AT = datetime(2025, 1, 15, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def league(tmp_path_factory: pytest.TempPathFactory) -> League:
    """Five nights, of which the last two were worked on by all phases."""
    league = League(tmp_path_factory.mktemp("league"), {day: 20 + day.day for day in DAYS})
    league.run("daily", days=[GRADED, LAST])
    return league


def test_a_player_is_followed_from_the_raw_record_to_the_grade(league: League) -> None:
    with league.open() as app:
        found = trace(app, f"Sample CHI A@{GRADED}")
        graded_by = app.ledger.latest("phase6", GameDate(LAST), app.source.key)
    assert found.subject == f"{PLAYER}@{GRADED}"
    said = [(event.where.rpartition("/")[2], event.what) for event in found.events]
    [raw] = [what for where, what in said if where == f"{GRADED}.jsonl"]
    assert raw.startswith("raw record from logs.csv:")
    places = [where for where, _ in said]
    order = [
        f"{GRADED}.jsonl", "nba_raw.player_boxscores", "nba_analytics.player_game_summary",
        "nba_precompute.ml_feature_store", "nba_predictions.player_prop_predictions", f"{GRADED}.json",
        "nba_predictions.prediction_accuracy",
    ]  # fmt: skip
    assert sorted(order, key=places.index) == order
    assert all(event.at is not None for event in found.events)
    assert [event.at for event in found.events] == sorted(event.at for event in found.events if event.at)
    [summary] = [what for where, what in said if where == "nba_analytics.player_game_summary"]
    assert summary.startswith("row (minutes 48, points 35), written by run-")
    assert graded_by is not None
    grades = [what for where, what in said if where == "nba_predictions.prediction_accuracy"]
    assert grades
    assert all(what.endswith(f"written by {graded_by.run_id}") for what in grades)
    assert any("exported: " in what for _, what in said)
    assert "messages on their way in the bus" in found.not_looked_at
    assert "nba_raw.injuries" in " ".join((*found.absent, *found.not_looked_at))


def test_the_batch_of_a_player_is_part_of_it(league: League) -> None:
    batch = {
        "game_date": str(LAST), "start_time": AT, "expected_players": 2, "correlation_id": "cor-9",
        "completed_players": [], "failed_players": [], "is_complete": False,
    }  # fmt: skip
    with league.open() as app:
        app.documents.commit(
            [
                Set("prediction_batches/b1", batch),
                Set(f"prediction_batches/b1/completions/{PLAYER}", {"completed_at": AT, "predictions_count": 3}),
                Set(f"message_dedup/{encode_id(f'predict/b1/{PLAYER}')}", {"state": "done", "processed_at": AT}),
            ]
        )
        found = trace(app, f"{PLAYER}@{LAST}")
        app.documents.commit([Update("prediction_batches/b1", {"game_date": "2020-01-01"})])
    said = {event.what for event in found.events}
    assert {"3 predictions", f"work done once under the key predict/b1/{PLAYER}"} <= said


def test_an_unknown_player_is_4_with_near_names(league: League) -> None:
    with league.open() as app:
        with pytest.raises(NotFoundError) as unknown:
            trace(app, f"samplechix@{LAST}")
        assert unknown.value.exit_code == 4
        assert PLAYER in unknown.value.details["near"]
        with pytest.raises(NotFoundError, match="nothing is known about 'samplechia' on 2024-02-01"):
            trace(app, f"{PLAYER}@2024-02-01")
        with pytest.raises(UsageError):
            trace(app, f"{PLAYER}@someday")


def test_a_run_is_told_with_its_tasks_log_and_the_runs_beside_it(league: League) -> None:
    with league.open() as app:
        last = app.ledger.find("last")
        found = trace(app, "last")
        assert found.kinds == ("run",)
        own = [event.what for event in found.events if event.where.startswith(run_path(last.run_id))]
        assert own[0] == f"{last.name} {LAST} started on local"
        assert {f"{task.name} started" for task in last.tasks} <= set(own)
        others = {event.where for event in found.events} - {
            event.where for event in found.events if last.run_id in event.where
        }
        assert all(where.count("/") == 1 for where in others)  # further runs without their tasks
        by_correlation = trace(app, last.correlation_id)
        assert by_correlation.kinds == ("correlation id",)
        with pytest.raises(NotFoundError) as unknown:
            trace(app, last.run_id[:-2])
        assert last.run_id in unknown.value.details["near"]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Container]:
    given = {"state_dir": str(tmp_path / "state")}
    with Container(load_settings(given, {}, tmp_path), environ={}) as made:
        yield made


def put(warehouse: Warehouse, table: str, row: dict[str, Any]) -> None:
    ensure_tables(warehouse, (table,))
    warehouse.load(table, Rows(tuple(row), [tuple(row.values())]), timeout=30)


def whats(found: Trace) -> list[str]:
    return [event.what for event in found.events]


def test_everything_of_a_correlation_is_joined(app: Container) -> None:
    task = a_task("odds", "failed", 0, 1, error={"message": "no answer"})
    run = a_run(task, correlation_id="cor-7")
    hostile = {"topic": "t", "created_at": AT, "attributes": {"correlation_id": "cor-7"}, "attempts": 2}
    app.documents.commit(
        [
            Set(run_path(run.run_id), run_document(run)),
            Set(task_path(run.run_id, "odds"), task_document(run, task)),
            Set("outbox/m-1", {**hostile, "published_at": AT + timedelta(seconds=2), "message_id": "msg-7"}),
            Set("prediction_batches/b-7", {"correlation_id": "cor-7", "game_date": "2024-01-15", "start_time": AT}),
            Set(
                "phase3_completion/2024-01-15",
                {"player_game_summary": {"status": "success", "completed_at": AT, "correlation_id": "cor-7"}},
            ),
        ]
    )
    found = trace(app, "cor-7")
    assert {
        "odds failed: no answer",
        "message for t committed",
        "published after 2 attempts",
        "batch of 2024-01-15 started: None players",
        "player_game_summary reported success",
    } <= set(whats(found))
    assert trace(app, "m-1").kinds == trace(app, "msg-7").kinds == ("message",)  # by its key, and by its id
    assert "odds failed: no answer" not in whats(trace(app, "m-1"))  # a further run is told in short
    assert "phase3 2024-01-15 succeeded" in whats(trace(app, "m-1"))
    assert any("executions and decisions" in text for text in found.not_looked_at)


def test_keys_flags_changes_and_letters(app: Container) -> None:
    FlagStore(app.documents, app.clock).change(
        [Change("query_caching", 0, 50.0, True, "s", 1, None)], by="ana@host", reason="trial"  # noqa: FBT003
    )  # fmt: skip
    key = "phase3/2024-01-15/1"
    app.documents.commit(
        [
            Set(f"message_dedup/{encode_id(key)}", {"state": "claimed", "owner": "h:1"}),
            Set("pubsub_deduplication/77", {"processed_at": AT}),
            Set("dead_letters/msg-1", {"topic": "t", "subscription": "s", "published_at": AT, "saved_at": AT}),
            Set(
                "audit/audit-1", {"at": AT, "by": "ana@host", "action": "flags.set", "touches": ["x"], "reason": "why"}
            ),
        ]
    )
    assert whats(trace(app, "parallel_config")) == ["parallel_config is declared, and was never set"]
    assert whats(trace(app, "query_caching")) == ["ana@host set it to 50 %: trial"]
    assert whats(trace(app, key)) == [f"claimed by h:1 under the key {key}"]
    assert whats(trace(app, "77")) == ["seen by a program of production"]
    assert whats(trace(app, "msg-1")) == ["published to t", "saved as a dead letter of s"]
    assert whats(trace(app, "audit-1")) == ["ana@host flags.set x: why"]


def test_damaged_documents_are_told_as_they_are(app: Container) -> None:
    odd: dict[str, Any] = {"task_order": 7, "game_date": "soon", "started_at": "noon", "correlation_id": 5}
    app.documents.commit([Set("runs/run-x", odd), Set("prediction_batches/b", {"failed_players": None})])
    assert whats(trace(app, "run-x")) == ["None soon started on None"]
    assert whats(trace(app, "b"))


@pytest.mark.parametrize("text", [".", "..", "__x__", "a/b/c", "x" * 3000, "\x1b[2J", "-"])
def test_what_can_be_no_id_is_unknown(app: Container, text: str) -> None:
    with pytest.raises(NotFoundError):
        trace(app, text)


def test_decisions_and_executions_are_joined(app: Container) -> None:
    names = ("nba_orchestration.workflow_decisions", "nba_orchestration.workflow_executions")
    now = app.clock.now()
    put(
        app.warehouse,
        names[0],
        {"decision_id": "d-1", "decision_time": now, "workflow_name": "w", "action": "RUN", "reason": "due",
          "game_date": GameDate.of(now).day},
    )  # fmt: skip
    put(
        app.warehouse,
        names[1],
        {"execution_id": "e-1", "execution_time": now, "workflow_name": "w", "decision_id": "d-1", "status": "failed",
          "error_message": "no answer"},
    )  # fmt: skip
    for text in ("d-1", "e-1"):
        found = trace(app, text)
        assert set(whats(found)) == {f"RUN w for {GameDate.of(now)}: due", "execution of w failed: no answer"}
        assert set(found.kinds) == {"decision", "execution"}


def test_the_command_line(league: League, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(league.folder)
    place = ("--state-dir", str(league.state), "--source", f"path:{league.folder}")
    assert main(["trace", PLAYER_ON, *place]) == 0
    text = capsys.readouterr()
    assert "nba_predictions.prediction_accuracy" in text.out
    assert "Not looked at: messages on their way in the bus" in text.err
    assert main(["trace", PLAYER_ON, *place, "-o", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["data"]) == set(names(COMMANDS["nbactl trace"][1]))
    assert main(["trace", "nothing-like-it", *place]) == 4

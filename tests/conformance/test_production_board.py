"""The board of a date that production worked on, on every document store (invariant 29)."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.cli.main import main
from nbactl.cli.status.view import board as board_view
from nbactl.cli.status.view import show_board
from nbactl.config.expected import expectations
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core._support.gamedate import GameDate
from nbactl.core.lease.leases import Leases
from nbactl.core.phases.history import PROCESSOR_RUNS
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock
from nbactl.workflows.board import Board, Boards, PhaseLine, merged
from nbactl.workflows.freshness import Freshness, NoVersions
from nbactl.workflows.ledger import Ledger
from nbactl.workflows.production import Production, ProductionBoard
from nbactl.workflows.settling import Settling
from tests.kit.production import (
    DAY,
    NIGHT,
    PHASE2,
    PHASE3,
    PHASE4,
    RUN_HISTORY,
    finished_night,
    pending,
    phase_document,
    put,
    put_rows,
    report,
    run_row,
    triggered,
)
from tests.kit.run_records import run, task
from tests.kit.shown import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import Warehouse
    from nbactl.workflows.model import RunRecord
    from tests.kit.engines import Engine

DATE = GameDate(date.fromisoformat(DAY))
WORKFLOWS = load_config(shipped_config_dir()).workflows
SOON = NIGHT + timedelta(minutes=8)
LATER = NIGHT + timedelta(hours=5)


def no_warehouse() -> Warehouse:
    raise UnavailableError("BigQuery does not answer")


def production(store: DocumentStore, warehouse: Warehouse | None = None, *, local: bool = False) -> Production:
    return Production(
        expectations(WORKFLOWS, "gcp"),
        documents=lambda: store,
        warehouse=no_warehouse if warehouse is None else lambda: warehouse,
        clock=FakeClock(NIGHT),
        patience=600.0,
        history_timeout=30.0,
        history_ttl=60.0,
        history_only_with_documents=local,
    )


def drawn(store: DocumentStore, *runs: RunRecord, now: datetime = SOON, of: Production | None = None) -> Board:
    clock = FakeClock(now)
    leases = Leases(store, clock, is_dead=lambda _: False)
    ledger = Ledger(store, clock, is_dead=lambda _: False)
    for one in runs:
        ledger.start(one, supersedes=None)
    freshness = Freshness(WORKFLOWS, "gcp", NoVersions, Settling(clock, 28 * 3600.0))
    boards = Boards(WORKFLOWS, {}, ledger, "gcp", leases.held, freshness, of or production(store))
    return boards.draw(DATE, "sample", now)


def line(board: Board, name: str) -> PhaseLine:
    return next(phase for phase in board.phases if phase.name == name)


def own_run(status: str, at: datetime, names: tuple[str, ...] = PHASE3, state: str = "failed") -> RunRecord:
    tasks = [task(name, state, 0, 1) for name in names]
    record = run(*tasks, run_id="run-own", name="phase3", status=status, started_at=at, finished_at=at)
    return replace(record, game_date=DATE, lease=f"phase3/{DAY}", correlation_id="corr-own")


def of_production(board: Board) -> ProductionBoard:
    assert board.production is not None
    return board.production


def test_inv_29_a_night_that_production_did_is_not_missing(store: DocumentStore) -> None:
    put(store, finished_night())
    board = drawn(store)
    states = {phase.name: (phase.state, phase.by) for phase in board.phases}
    assert states["phase2"] == states["phase3"] == states["phase4"] == ("succeeded", "orchestrator")
    assert (states["phase1"], states["phase5"]) == (("unrecorded", None), ("missing", None))
    assert line(board, "phase2").waits_for == ()
    assert line(board, "phase3").done == (
        "player_game_summary",
        "upcoming_player_game_context",
        *PHASE3[1:3],
        PHASE3[4],
    )
    assert line(board, "phase5").waits_for == ()
    assert not board.wrong
    assert of_production(board).mode == "overnight"
    text = terminal(lambda console: show_board(console, board), verbosity=1)
    assert "by orchestrator; next phase started 06:05:00" in " ".join(text.split())
    assert "team_offense_game_summary     success      120  06:01:00   orchestrator" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_phase_that_lacks_an_optional_processor_is_partial_and_a_critical_one_incomplete(
    store: DocumentStore,
) -> None:
    put(
        store,
        {
            f"phase2_completion/{DAY}": phase_document(PHASE2[:3], **triggered()),
            f"phase3_completion/{DAY}": phase_document(PHASE3[1:]),
        },
    )
    board = drawn(store)
    assert line(board, "phase4").waits_for == ("phase3",)
    assert line(board, "phase2").state == "partial"
    assert line(board, "phase2").missing == PHASE2[3:]
    incomplete = line(board, "phase3")
    assert (incomplete.state, incomplete.missing) == ("incomplete", ("player_game_summary",))
    assert incomplete.production is not None
    assert incomplete.production.critical_missing == ("player_game_summary",)
    assert board.outdated
    view = board_view(board)
    assert view.exit_code == 3
    assert view.error is not None
    assert view.error.cause == "critical missing: player_game_summary"


def test_inv_09_unknown_names_do_not_complete_a_phase(store: DocumentStore) -> None:
    names = ["player_game_sumary", *PHASE3[1:]]
    put(store, {f"phase3_completion/{DAY}": phase_document(names)})
    board = drawn(store)
    assert line(board, "phase3").state == "incomplete"
    text = terminal(lambda console: show_board(console, board))
    assert "not counted, unknown names: player_game_sumary" in " ".join(text.split())


def test_a_hand_off_that_stays_pending_is_late(store: DocumentStore) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3, **pending(minute=5))})
    fresh = line(drawn(store, now=NIGHT + timedelta(minutes=15)), "phase3")
    assert fresh.production is not None
    assert (fresh.production.hand_off, fresh.production.late, fresh.wrong) == ("pending", None, False)
    board = drawn(store, now=NIGHT + timedelta(minutes=16))
    assert line(board, "phase3").wrong
    view = board_view(board)
    assert view.exit_code == 1
    assert view.error is not None
    assert view.error.message == f"{DAY}: 1 late (phase3)"
    assert view.error.next_step == f"Start phase4: nbactl run phase4 --date {DAY}"


def test_a_complete_phase_of_which_nobody_decided_is_late(store: DocumentStore) -> None:
    """Somebody else put the reports in, and each looked like a duplicate to the orchestrator."""
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3)})
    report_ = line(drawn(store, now=NIGHT + timedelta(minutes=14)), "phase3").production
    assert report_ is not None
    assert (report_.hand_off, report_.since, report_.late) == ("due", NIGHT + timedelta(minutes=4), None)
    late = line(drawn(store, now=NIGHT + timedelta(minutes=15)), "phase3").production
    assert late is not None
    assert late.late == ("hand-off due", NIGHT + timedelta(minutes=4))


@pytest.mark.parametrize(
    ("names", "minutes", "found"),
    [
        (PHASE4, 5, "due"),
        (PHASE4[1:], 29, "open"),
        (PHASE4[1:], 30, "due"),
        (PHASE4[3:], 239, "open"),
        (PHASE4[3:], 240, "due"),
        (PHASE4[:4], 300, "open"),
    ],
)
def test_tiers_of_a_hand_off_are_those_of_the_clock(
    store: DocumentStore, names: tuple[str, ...], minutes: int, found: str
) -> None:
    put(store, {f"phase4_completion/{DAY}": phase_document(names)})
    report_ = line(drawn(store, now=NIGHT + timedelta(minutes=minutes)), "phase4").production
    assert report_ is not None
    assert report_.hand_off == found


def test_a_hand_off_that_a_tier_allows_is_due_since_that_tier(store: DocumentStore) -> None:
    put(store, {f"phase4_completion/{DAY}": phase_document(PHASE4[1:])})
    report_ = line(drawn(store, now=NIGHT + timedelta(minutes=31)), "phase4").production
    assert report_ is not None
    assert (report_.hand_off, report_.since, report_.late) == ("due", NIGHT + timedelta(minutes=30), None)


def test_the_next_tier_is_shown_and_the_last_one_without_a_critical_processor_is_late(store: DocumentStore) -> None:
    put(store, {f"phase4_completion/{DAY}": phase_document(PHASE4[:4])})
    board = drawn(store, now=NIGHT + timedelta(minutes=10))
    text = terminal(lambda console: show_board(console, board))
    assert "4 of 5 in 20m" in text
    report_ = line(drawn(store, now=LATER), "phase4").production
    assert report_ is not None
    assert report_.late == ("critical missing", NIGHT + timedelta(hours=4))


def test_the_mode_decides_what_is_expected(store: DocumentStore) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(["upcoming_player_game_context"], mode="same_day")})
    for now, mode, state in (
        (datetime(2025, 1, 14, 22, tzinfo=UTC), "tomorrow", "partial"),
        (datetime(2025, 1, 15, 16, tzinfo=UTC), "same_day", "partial"),
        (datetime(2025, 1, 16, 5, tzinfo=UTC), "overnight", "incomplete"),
    ):
        board = drawn(store, now=now)
        assert (of_production(board).mode, line(board, "phase3").state) == (mode, state)


def test_whose_a_report_is_follows_from_the_ids_that_it_names(store: DocumentStore) -> None:
    document = phase_document(PHASE3, **triggered())
    document["player_game_summary"]["correlation_id"] = "corr-own"
    document["team_offense_game_summary"] = {"status": "success"}
    put(store, {f"phase3_completion/{DAY}": document})
    found = line(drawn(store, own_run("failed", NIGHT)), "phase3").production
    assert found is not None
    whose = {one.name: one.whose for one in found.processors}
    assert whose["player_game_summary"] == "nbactl"
    assert whose["team_offense_game_summary"] == "unknown"
    assert whose["team_defense_game_summary"] == "orchestrator"
    assert found.whose == "orchestrator"


def test_a_failure_that_production_made_good_since_is_none_any_more(store: DocumentStore) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3, **triggered())})
    board = drawn(store, own_run("failed", NIGHT - timedelta(hours=1)))
    assert (line(board, "phase3").state, line(board, "phase3").by) == ("succeeded", "orchestrator")
    assert (board.wrong, board.failed) == (False, ())


@pytest.mark.parametrize(
    ("gone", "since", "state"), [(False, 1, "succeeded"), (True, 1, "stale"), (False, -1, "stale")]
)
def test_what_services_did_again_since_is_theirs_and_not_stale(
    store: DocumentStore, gone: bool, since: int, state: str
) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3, **triggered())})
    mine = own_run("succeeded", NIGHT - timedelta(hours=since), state="succeeded")
    ours = line(drawn(store, mine, now=LATER), "phase3")
    found = merged(replace(ours, state="stale", reason="not what this run wrote", gone=gone), ours.production)
    assert found.state == state


def test_a_run_of_a_part_of_the_phase_is_ours_beside_the_newest_one(store: DocumentStore) -> None:
    document = phase_document(PHASE3, **triggered())
    for name, of in zip(PHASE3, itertools.cycle(["run-own", "run-earlier"]), strict=False):
        document[name] |= {"execution_id": of, "correlation_id": of}
    put(store, {f"phase3_completion/{DAY}": document})
    earlier = replace(own_run("succeeded", NIGHT - timedelta(hours=2)), run_id="run-earlier")
    found = line(drawn(store, earlier, own_run("succeeded", NIGHT - timedelta(hours=1))), "phase3").production
    assert found is not None
    assert found.whose == "nbactl"


def test_a_date_without_games_is_done(store: DocumentStore) -> None:
    document = phase_document(PHASE3, **triggered())
    for name in PHASE3:
        document[name] |= {"status": "no_data", "record_count": 0}
    put(store, {f"phase3_completion/{DAY}": document})
    shown = line(drawn(store), "phase3")
    assert (shown.state, shown.missing, shown.reason) == ("succeeded", (), None)


def test_the_head_of_the_board_fits_a_terminal(store: DocumentStore) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3, **triggered())})
    board = replace(drawn(store), target="local", source_origin="last run")
    text = terminal(lambda console: show_board(console, board))
    assert "mode overnight" in " ".join(text.split())
    assert max(map(len, text.splitlines()[:2])) <= 80


def test_a_failure_after_what_production_did_remains(store: DocumentStore) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3, **triggered())})
    board = drawn(store, own_run("failed", NIGHT + timedelta(hours=1)), now=LATER)
    assert (line(board, "phase3").state, line(board, "phase3").by) == ("failed", "nbactl")
    assert line(board, "phase3").production is not None
    assert board.wrong


def test_a_processor_that_failed_says_so(store: DocumentStore) -> None:
    document = {**phase_document(PHASE3[1:]), "player_game_summary": report("failed")}
    put(store, {f"phase3_completion/{DAY}": document})
    board = drawn(store)
    assert (line(board, "phase3").state, line(board, "phase3").failed) == ("failed", ("player_game_summary",))
    assert board.wrong


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = DuckDbWarehouse(tmp_path / "h.duckdb", clock=FakeClock(NIGHT), lock_wait=5.0, holder="test")
    with closing(warehouse):
        yield warehouse


def test_the_history_says_why_a_processor_is_missing(store: DocumentStore, history: Warehouse) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3[2:])})
    rows = [
        run_row("AsyncPlayerGameSummaryProcessor", status="failed", errors="no column x\x1b[2J"),
        run_row("player_game_summary", minute=-9),
        run_row("TeamOffenseGameSummaryProcessor"),
    ]
    put_rows(history, PROCESSOR_RUNS, RUN_HISTORY, rows)
    board = drawn(store, of=production(store, history))
    assert line(board, "phase3").state == "failed"
    assert of_production(board).warnings == ()
    text = " ".join(terminal(lambda console: show_board(console, board)).split())
    assert "player_game_summary failed 2025-01-16 06:00:00 EST: no column x\\x1b[2J" in text
    assert "team_offense_game_summary ran 2025-01-16 06:00:00 EST (success), but did not report" in text


def test_a_phase_that_has_no_phase_document_in_production_lacks_no_report(
    store: DocumentStore, history: Warehouse
) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3[1:])})
    put_rows(history, PROCESSOR_RUNS, RUN_HISTORY, [run_row("schedule")])
    board = drawn(store, of=production(store, history))
    assert line(board, "phase1").production is None
    assert "did not report" not in terminal(lambda console: show_board(console, board))


def test_a_history_that_cannot_be_read_is_a_warning_and_no_more(store: DocumentStore, history: Warehouse) -> None:
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3[1:])})
    down = drawn(store)
    assert of_production(down).warnings == ("the run history was not read: BigQuery does not answer",)
    assert board_view(down).warnings == of_production(down).warnings
    assert line(down, "phase3").state == "incomplete"
    (absent,) = of_production(drawn(store, of=production(store, history))).warnings
    assert "processor_run_history" in absent
    assert of_production(drawn(store, of=production(store, history, local=True))).warnings == ()  # `up` writes none
    put_rows(history, PROCESSOR_RUNS, {"processor_name": "STRING", "data_date": "DATE"}, [])
    (narrow,) = of_production(drawn(store, of=production(store, history))).warnings
    assert narrow == "the run history was not read: nba_reference.processor_run_history has no column status"


def test_the_history_is_not_asked_where_nothing_is_open_and_once_a_minute_where_something_is(
    store: DocumentStore,
) -> None:
    asked: list[int] = []

    def ask() -> Warehouse:
        asked.append(1)
        raise UnavailableError("down")

    reader = production(store)
    reader._warehouse = ask
    put(store, finished_night())
    reader.read(DATE, SOON)
    assert asked == []
    put(store, {f"phase3_completion/{DAY}": phase_document(PHASE3[1:])})
    for seconds in (0, 30, 59, 60, 61):
        assert reader.read(DATE, SOON + timedelta(seconds=seconds)).warnings
    assert len(asked) == 2


def test_the_locks_of_other_programs_are_on_the_board_until_they_expire(store: DocumentStore) -> None:
    put(
        store,
        {
            "processing_locks/a": {"expires_at": SOON + timedelta(minutes=1), "owner": "worker-1"},
            "processing_locks/b": {"expires_at": SOON, "owner": "worker-2"},
        },
    )
    board = drawn(store)
    assert [lock.name for lock in of_production(board).locks] == ["processing_locks/a"]
    text = terminal(lambda console: show_board(console, board))
    assert "worker-1" in text
    assert "worker-2" not in text


def test_a_board_of_damaged_and_hostile_documents_is_shown(store: DocumentStore) -> None:
    put(
        store,
        {
            f"phase2_completion/{DAY}": dict.fromkeys([f"x{n}" for n in range(50)], "y"),
            f"phase3_completion/{DAY}": {"\x1b[2Jplayer": report(), "_triggered": "yes", "_first_completion_at": 5},
            f"phase4_completion/{DAY}": {"player_daily_cache": report(completed_at="2025-01-16T11:00:00")},
        },
    )
    board = drawn(store)
    assert [line(board, name).state for name in ("phase2", "phase3", "phase4")] == ["missing", "missing", "incomplete"]
    text = terminal(lambda console: show_board(console, board))
    assert "\x1b[2J" not in text
    assert "and 45 more" in text
    assert json.dumps(board_view(board).data, default=str)


def test_inv_29_status_shows_it_to_a_person_and_to_a_program(
    engine: Engine, store: DocumentStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, finished_night())
    put(store, {f"phase4_completion/{DAY}": phase_document(PHASE4, **pending())})
    for name, value in engine.environment().items():
        monkeypatch.setenv(name, value)

    def nbactl(*words: str) -> tuple[int, Any]:
        code = main([*words, *engine.arguments()])
        out = capsys.readouterr().out
        return code, json.loads(out) if "json" in words else out

    code, document = nbactl("status", "--date", DAY, "-o", "json")
    assert code == 1
    phases = {phase["name"]: phase for phase in document["data"]["phases"]}
    assert {phases[name]["state"] for name in ("phase2", "phase3", "phase4")} == {"succeeded"}
    assert phases["phase3"]["by"] == "orchestrator"
    assert phases["phase4"]["production"]["hand_off"]["state"] == "pending"
    assert document["data"]["mode"] == "overnight"
    code, text = nbactl("status", "--date", DAY)
    assert code == 1
    assert "hand-off pending since 2025-01-16 06:05:00 EST" in " ".join(text.split())
    code, document = nbactl("status", "--date", "tomorrow", "-o", "json")
    assert (code, document["data"]["mode"]) == (0, "tomorrow")

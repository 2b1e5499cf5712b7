"""Production's documents in Firestore and its history in BigQuery, as commands show them on target gcp."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.history import PROCESSOR_RUNS
from nbactl.testing import bigquery_server, emulator_documents
from tests.kit.bigquery import LOCATION, bigquery_warehouse
from tests.kit.production import PHASE3, RUN_HISTORY, finished_night, phase_document, put, put_rows, run_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from nbactl.testing.bigquery.server import BigQueryServer

Nbactl = Callable[..., tuple[int, Any, str]]
NOW = datetime.now(UTC)
PROJECT = f"test-{uuid.uuid4().hex[:20]}"
YESTERDAY = str(GameDate.of(NOW).plus(-1))


@pytest.fixture(scope="module")
def bigquery() -> Iterator[BigQueryServer]:
    """The history of yesterday: a processor that failed."""
    with bigquery_server(project=PROJECT, location=LOCATION) as server:
        row = run_row("AsyncPlayerGameSummaryProcessor", day=YESTERDAY, status="failed", errors="no such column")
        with closing(bigquery_warehouse(server.address, project=PROJECT)) as warehouse:
            put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, [row | {"started_at": NOW - timedelta(hours=1)}])
        yield server


@pytest.fixture
def place(
    tmp_path: Path,
    firestore_address: str,
    bigquery: BigQueryServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[DocumentStore, Nbactl]]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery.address)

    def nbactl(*words: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main([*words, "--target", "gcp", "--project", PROJECT, "--state-dir", str(tmp_path)])
        captured = capsys.readouterr()
        out: Any = captured.out
        return code, json.loads(out) if "json" in words else out, captured.err

    with closing(emulator_documents(firestore_address, PROJECT)) as store:
        put(store, finished_night(YESTERDAY))
        put(store, {f"phase3_completion/{YESTERDAY}": phase_document(PHASE3[1:])})
        yield store, nbactl


def test_inv_29_the_board_joins_documents_and_history(place: tuple[DocumentStore, Nbactl]) -> None:
    _, nbactl = place
    code, document, _ = nbactl("status", "--date", YESTERDAY, "-o", "json")
    phase3 = next(phase for phase in document["data"]["phases"] if phase["name"] == "phase3")
    assert (code, phase3["state"], phase3["failed"]) == (1, "failed", ["player_game_summary"])
    assert phase3["production"]["processors"][0]["last_run"]["errors"] == "no such column"
    assert document["warnings"] == []
    _, text, _ = nbactl("status", "--date", YESTERDAY)
    assert "no such column" in text
    assert text.startswith(f"{YESTERDAY}  on gcp, at ")  # services have sources of their own
    _, text, _ = nbactl("status", "--date", "yesterday", "--source", "sample")
    assert text.startswith(f"{YESTERDAY}  sample on gcp, at ")


def test_the_runs_of_production_are_listed_and_shown_by_default(place: tuple[DocumentStore, Nbactl]) -> None:
    _, nbactl = place
    _, document, _ = nbactl("runs", "list", "-o", "json")
    assert [(run["run_id"], run["status"], run["origin"]) for run in document["data"]["runs"]] == [
        ("AsyncPlayerGameSummaryProcessor-0", "failed", "production"),
    ]  # fmt: skip
    code, text, _ = nbactl("runs", "show", "AsyncPlayerGameSummaryProcessor-0")
    assert code == 0
    assert "no such column" in text
    assert nbactl("runs", "show", "nobody")[0] == 4


def test_doctor_reads_both(place: tuple[DocumentStore, Nbactl]) -> None:
    _, nbactl = place
    _, document, _ = nbactl("doctor", "-o", "json")
    names = [check for check in document["data"]["checks"] if check["name"] == "reported names"]
    assert [(check["status"], check["message"].partition(" from")[0]) for check in names] == [
        ("ok", "all 15 expected names reported"),
    ]  # fmt: skip


def test_a_warehouse_that_hangs_holds_the_board_up_for_its_own_limit_only(
    place: tuple[DocumentStore, Nbactl], bigquery: BigQueryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, nbactl = place
    monkeypatch.setenv("NBACTL_TIMEOUT_STATUS_HISTORY", "1s")
    bigquery.delay("processor_run_history", 6.0)
    code, document, _ = nbactl("status", "--date", YESTERDAY, "-o", "json")
    phase3 = next(phase for phase in document["data"]["phases"] if phase["name"] == "phase3")
    assert (code, phase3["state"]) == (3, "incomplete")
    (warning,) = document["warnings"]
    assert warning.startswith("the run history was not read: ")

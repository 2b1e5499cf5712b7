"""Commands beside 100,000 runs read as much as they show; beside an empty or an older store they say what is there."""

from __future__ import annotations

import json
import shlex
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite import documents
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.cli.app import build
from nbactl.cli.frame import walk
from nbactl.cli.main import main
from nbactl.core._support.clock import SystemClock
from nbactl.core.flags.store import Change, FlagStore, fields_of, flag_path, history_of
from nbactl.core.lease.leases import Leases
from nbactl.ports.documents import Create, Set
from nbactl.workflows.ledger import Ledger
from tests.kit.many_runs import fill, open_store
from tests.kit.run_records import run, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS = 100_000
STAYS = ("serve", "up")
"""Commands that end when they are stopped."""
JUDGES = ("expect", "validate", "services")
"""Commands that find something missing where nothing has run."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 runs, 400 moves of a flag, a lease for each of 600 dates of which two are held, published messages."""
    state = tmp_path_factory.mktemp("many") / "state"
    fill(state, RUNS)
    clock = SystemClock()
    with closing(open_store(state)) as store:
        change = Change("query_caching", 0, 5, enabled=True, salt="s", hash_version=1, stage=None)
        [moved] = FlagStore(store, clock).change([change], by="ann", reason=None)
        moves = [replace(moved, version=version) for version in range(2, 401)]
        history = [Create(f"{history_of('query_caching')}/{move.version}", fields_of(move)) for move in moves]
        store.commit([*history, Set(flag_path("query_caching"), fields_of(moves[-1]))])
        free = {"owner": None, "token": 1, "expires_at": clock.now()}
        for start in (0, 300):
            store.commit([Create(f"leases/phase1%2F{index}", free) for index in range(start, start + 300)])
        leases = Leases(store, clock)
        for name in ("phase2/2024-01-01", "phase2/2024-01-02"):
            leases.acquire(name, "elsewhere:boot:1:1:x", 600.0)
        sent = {"state": "published", "expires_at": clock.now()}
        store.commit([Create(f"outbox/{index}", sent) for index in range(400)])
    return state


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read of the file since it was last cleared: documents, and ids of them."""
    found: list[str] = []

    def counted(name: str) -> None:
        read = getattr(documents, name)

        def count(*arguments: Any) -> Any:
            found.append(name)
            return read(*arguments)

        monkeypatch.setattr(documents, name, count)

    counted("row_document")
    counted("read_document")
    list_ids = SqliteDocuments.list_ids

    def ids(self: SqliteDocuments, collection: str) -> Iterator[str]:
        for identifier in list_ids(self, collection):
            found.append(identifier)
            yield identifier

    monkeypatch.setattr(SqliteDocuments, "list_ids", ids)
    return found


@pytest.mark.parametrize(
    ("line", "most"),
    [
        ("runs list", 240),  # twenty groups of six without their tasks, and the first of each by the index
        ("runs list --status failed", 60),
        ("runs list --status interrupted", 10),
        ("runs list --name phase3 --limit 50", 160),
        ("runs show last", 60),  # a group of six
        ("runs show run-0old00050000", 20),
        ("runs show 0old0005000", 60),
        ("runs show group-500", 60),
        ("status", 700),  # 300 of all and 300 of the date
        ("run phase3 --date 2024-10-10 --dry-run", 120),
        ("schedule show", 20),
        ("schedule tick --dry-run", 40),
        ("flags list", 20),
        ("flags show query_caching", 20),
        ("flags history query_caching --limit 20", 21),
        ("leases list", 10),
        ("outbox list", 5),
        ("batches list", 5),
        ("dlq list", 5),
        ("breakers list", 20),
        ("migrate list", 10),
        ("doctor", 1_000),
    ],
)
def test_a_command_beside_100_000_runs_reads_what_it_shows(
    many: Path, reads: list[str], capsys: pytest.CaptureFixture[str], line: str, most: int
) -> None:
    code = main([*shlex.split(line), "--state-dir", str(many)])
    captured = capsys.readouterr()
    assert code in ((2,) if line.endswith("0old0005000") else (0, 1, 3)), captured.err
    assert len(reads) <= most


def test_a_page_of_the_history_has_as_many_entries_as_are_asked_for(
    many: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["flags", "history", "query_caching", "--limit", "20", "--state-dir", str(many), "-o", "json"])
    history = json.loads(capsys.readouterr().out)["data"]["history"]
    assert [entry["version"] for entry in history] == list(range(400, 380, -1))


READING = [
    example
    for command, _ in walk(build())
    if not any(parameter.name == "dry_run" for parameter in command.params)
    for example in getattr(command, "examples", ())[:1]
    if shlex.split(example)[1] not in STAYS and "<(" not in example and "--target gcp" not in example
    if not example.endswith("services diff") and not example.endswith("env diff")  # these are about gcp
]
"""An example of each command that changes nothing and needs no project."""


def old_store(state: Path) -> None:
    """Leave a store of the first version, without indexes, with a run in it."""
    state.mkdir(parents=True)
    clock = SystemClock()
    with closing(SqliteDocuments(state / "documents.db", clock=clock, busy_timeout=20.0)) as store:
        record = run(task("player_game_summary", "succeeded", 0, 1, rows=7))
        Ledger(store, clock, is_dead=lambda _: True).start(record, supersedes=None)
    with closing(sqlite3.connect(state / "documents.db")) as connection:
        connection.execute("PRAGMA user_version = 1")


def test_every_reading_command_answers_on_an_empty_store_and_on_one_of_an_older_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    old_store(tmp_path / "old")
    answers = {}
    for example in READING:
        for state in ("empty", "old"):
            code = main([*shlex.split(example.partition(" || ")[0])[1:], "--state-dir", state])
            captured = capsys.readouterr()
            answers[example, state] = code
            judges = shlex.split(example)[1] in JUDGES
            assert code in ((0, 1, 4) if judges else (0, 3, 4)), (example, captured.err)
            assert captured.out or captured.err, f"{example} says nothing"
            assert (code in (1, 4)) == ("error: " in captured.err), (example, captured.err)
            assert "Traceback" not in captured.err
    differing = {example for example in READING if answers[example, "empty"] != answers[example, "old"]}
    assert {line.removeprefix("nbactl ").partition(" --")[0] for line in differing} <= {
        "runs show last",
        "runs gantt last",
        "trace last",
    }
    assert not (tmp_path / "empty" / "documents.db").exists(), "who only reads makes no store"
    with closing(sqlite3.connect(tmp_path / "old" / "documents.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,), "who only reads changes none"


def test_the_first_write_brings_an_older_store_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old_store(tmp_path / "old")
    with closing(sqlite3.connect(tmp_path / "old" / "documents.db")) as connection, connection:
        connection.execute("CREATE INDEX runs_by_started_at ON documents (collection, id) WHERE collection = 'runs'")
    assert main(["flags", "set", "query_caching", "--percent", "5", "--state-dir", str(tmp_path / "old")]) == 0
    with closing(sqlite3.connect(tmp_path / "old" / "documents.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert "runs_by_started_at_and_id" in names
    assert "runs_by_started_at" not in names, "the index of before costs every write and serves none"
    capsys.readouterr()
    assert main(["runs", "list", "--state-dir", str(tmp_path / "old"), "-o", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["data"]["runs"]) == 1

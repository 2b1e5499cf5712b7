"""Tables of the loopback BigQuery server, with the records of their changes in Firestore's emulator."""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from nbactl.testing import bigquery_server
from nbactl.warehouse.apply import work
from nbactl.warehouse.plan import changes
from tests.integration.cli.conftest import environment
from tests.kit.bigquery import LOCATION, bigquery_warehouse
from tests.kit.called import call_nbactl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    from nbactl.testing.bigquery.server import BigQueryServer

PROJECT = f"test-{uuid.uuid4().hex[:20]}"
FIRST = date(2024, 1, 1)


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)["data"]

    @property
    def error(self) -> Any:
        return json.loads(self.out)["error"]


class Place:
    """A folder, a warehouse, and the command line between them; tables of a test have names of their own."""

    def __init__(self, folder: Path, server: BigQueryServer, warehouse: BigQueryWarehouse, firestore: str) -> None:
        self.folder = folder
        self.server = server
        self.warehouse = warehouse
        self.firestore = firestore
        self.table = f"d.t{uuid.uuid4().hex[:8]}"
        self._env = {"BIGQUERY_EMULATOR_HOST": server.address, "FIRESTORE_EMULATOR_HOST": firestore}

    def call(self, *words: str, faults: str = "", project: str = PROJECT, region: str = LOCATION) -> Done:
        """Run `nbactl bq` on gcp, in a process of its own if it is to be killed."""
        place = ["--target", "gcp", "--project", project, "--region", region, "--state-dir", str(self.folder / "s")]
        env = environment(self._env | ({"NBACTL_FAULTS": faults} if faults else {}))
        done = call_nbactl(["bq", *words, *place], cwd=self.folder, env=env)
        return Done(done.returncode, done.stdout, done.stderr)

    def create(self, ddl: str, *rows: str) -> None:
        """Create the table by DDL in which `{t}` is its name, and insert rows of SQL values."""
        self.warehouse.apply_ddl([ddl.format(t=self.table)], timeout=30)
        if rows:
            self.write(f"INSERT INTO `{self.table}` VALUES {', '.join(rows)}")

    def write(self, sql: str) -> None:
        """Change rows, as another program does."""
        self.warehouse.run_dml([sql], timeout=30)

    def declare(self, ddl: str) -> None:
        """Declare the table by DDL."""
        (self.folder / "t.sql").write_text(ddl.format(t=self.table))

    def plan(self, *words: str, out: str = "plan.json") -> Any:
        """Plan the declared table into a file."""
        done = self.call("plan", self.table, "--schema", "t.sql", "--out", out, "-o", "json", *words)
        assert done.code == 0, done.err
        return done.data

    def apply(self, *words: str, faults: str = "") -> Done:
        """Apply plan.json."""
        return self.call("apply", "plan.json", "--yes", *words, faults=faults)

    def left(self) -> list[tuple[str, str]]:
        """What a plan finds afterwards."""
        tables = self.plan(out="left.json")["tables"]
        return [(change["kind"], change["how"]) for table in tables for change in table["changes"]]

    def rows(self, columns: str = "*", where: str = "") -> list[tuple[Any, ...]]:
        """The rows of the table, sorted."""
        found = self.warehouse.query(f"SELECT {columns} FROM `{self.table}` {where}", timeout=30).rows
        return sorted(found, key=str)

    def tables(self) -> set[str]:
        """The tables whose names have that of the table in them, those of nbactl among them."""
        name = self.table.partition(".")[2]
        return {table.replace(name, "t") for _, table in self.server.store.tables if name in table}


@pytest.fixture(scope="session")
def bigquery() -> Iterator[BigQueryServer]:
    with bigquery_server(project=PROJECT, location=LOCATION) as server:
        server.store.create_dataset("d", {})
        server.limits.metadata_updates = 1_000
        yield server


@pytest.fixture
def place(bigquery: BigQueryServer, firestore_address: str, tmp_path: Path) -> Iterator[Place]:
    with closing(bigquery_warehouse(bigquery.address, project=PROJECT)) as warehouse:
        yield Place(tmp_path, bigquery, warehouse, firestore_address)


@pytest.fixture(autouse=True)
def no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not wait for a quota that the server does not have."""
    monkeypatch.setattr(work, "UPDATES", 1_000)


@pytest.fixture
def low_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan rewrites partitions of a few rows."""
    monkeypatch.setattr(changes, "GAINS_FROM", 1)


def days(count: int, per_day: int) -> list[str]:
    """Return rows of day, team and n."""
    return [
        f"(DATE '{FIRST + timedelta(days=day)}', 'T{n % 3}', {day * per_day + n})"
        for day in range(count)
        for n in range(per_day)
    ]


@pytest.fixture
def writing() -> Iterator[Callable[[Callable[[int], None]], list[int]]]:
    """Run a writer in a thread until the test ends, or the list is cleared of its first item; gives what it wrote."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(write: Callable[[int], None]) -> list[int]:
        written: list[int] = []

        def run() -> None:
            number = 1_000_000
            while not stop.wait(0.2):
                write(number)
                written.append(number)
                number += 1

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return written

    yield start
    stop.set()
    for thread in threads:
        thread.join(30)

"""A process that works with a warehouse file, for tests of several processes at once.

`python -m tests.kit.warehouse_process PATH LOCK_WAIT VERB…` prints `ready`, does the verb and prints one JSON line.
With NBACTL_HELD_AT it prints `held` when it reaches that fault point, and waits there for a line on standard input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.errors import NbactlError
from nbactl.ports.warehouse import Column, Rows, TableSchema
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock

TABLE = TableSchema(
    "nba_test.lines", (Column("day", "DATE", required=True), Column("batch", "INT64"), Column("n", "INT64")), "day"
)
FIRST = date(2024, 1, 1)
ROWS = 50


_HELD_AT = "NBACTL_HELD_AT"
_started: list[subprocess.Popen[str]] = []


def open_warehouse(
    path: Path, lock_wait: float = 20.0, holder: str = "run run-test", *, clock: Clock | None = None
) -> DuckDbWarehouse:
    return DuckDbWarehouse(path, clock=clock or SystemClock(), lock_wait=lock_wait, holder=holder)


def write(warehouse: DuckDbWarehouse, day: int, batch: int) -> int:
    """Replace one day by ROWS rows of one batch."""
    when = FIRST + timedelta(days=day)
    rows = Rows(("day", "batch", "n"), [(when, batch, n) for n in range(ROWS)])
    return warehouse.replace_partitions(TABLE.name, [when], rows, timeout=20.0).rows


def batches(warehouse: DuckDbWarehouse) -> list[tuple[Any, ...]]:
    """Return (day, batch, rows) of what is there."""
    sql = "SELECT DATE_DIFF(day, DATE '2024-01-01', DAY) AS d, batch, COUNT(*) AS n FROM nba_test.lines GROUP BY 1, 2"
    return sorted(warehouse.query(sql, timeout=20.0).rows)


def start(path: Path, lock_wait: float, *verb: object, fault: str = "", held_at: str = "") -> subprocess.Popen[str]:
    """Start such a process and return once it is about to do the verb, or is held at the fault point `held_at`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.kit.warehouse_process", str(path), str(lock_wait), *map(str, verb)],
        cwd=ROOT,
        env={**os.environ, "NBACTL_FAULTS": fault, _HELD_AT: held_at},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    _started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    if held_at:
        assert process.stdout.readline() == "held\n"
    return process


def release(process: subprocess.Popen[str]) -> None:
    """Let a process that is held go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def end_all() -> None:
    """Kill the processes that are left, and close their pipes."""
    while _started:
        with _started.pop() as process:
            process.kill()


def outcome(process: subprocess.Popen[str]) -> Any:
    """Wait for the process and return what it printed."""
    printed, _ = process.communicate(timeout=60)
    return json.loads(printed)


def ended(process: subprocess.Popen[str]) -> int:
    """Wait for the process and return its exit status."""
    process.communicate(timeout=60)
    return process.returncode


def _hold() -> None:
    print("held", flush=True)  # noqa: T201
    sys.stdin.readline()


def main(path: str, lock_wait: str, verb: str, *arguments: str) -> None:
    """Do one verb."""
    faults.arm_from_environment(os.environ.get("NBACTL_FAULTS", ""))
    if point := os.environ.get(_HELD_AT):
        faults.arm(point, _hold)
    warehouse = open_warehouse(Path(path), float(lock_wait), f"run run-{verb}")
    print("ready", flush=True)  # noqa: T201
    numbers = [int(argument) for argument in arguments]
    said: Any = None
    try:
        if verb == "write":
            said = write(warehouse, *numbers)
        elif verb == "write_many":
            day, times = numbers
            said = [write(warehouse, day, batch) for batch in range(times)]
        elif verb == "read_many":
            said = [batches(warehouse) for _ in range(numbers[0])]
    except NbactlError as error:
        said = {"code": error.code, "exit_code": error.exit_code, "cause": error.cause, "message": error.message}
    warehouse.close()
    print(json.dumps(said, default=str), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

"""No naive datetime and no literal timeout in nbactl: durations come from timeouts.yaml (invariants 14, 18)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nbactl

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(nbactl.__file__).parent
WAITS = {"sleep", "sleep_async", "wait", "join", "acquire", "wait_for", "result", "advance"}
"""Calls whose first argument is how long they wait."""
LIMITS = {
    "timeout",
    "deadline",
    "busy_timeout",
    "connect_timeout",
    "read_timeout",
    "max_wait",
    "grace",
    "join_timeout",
    "delivery_timeout",
}
EPOCH_READERS = {"fromtimestamp": 2, "now": 1}
"""How many arguments make the result aware."""
ALLOWED = {
    # How soon is looked again for something that tells nobody when it happens; no call's limit depends on it.
    "adapters/duckdb/warehouse.py: self._done.wait(_AGAIN)",
    "adapters/duckdb/file.py: self._changed.wait(_WATCH)",
    "adapters/duckdb/file.py: self._clock.sleep(_FOREIGN_PAUSE)",
    "adapters/sqlite/connections.py: self._clock.sleep(_CREATION_PAUSE)",
    "adapters/localbus/schema.py: time.sleep(_CREATION_PAUSE)",
    # After how long an idle thread ends; no call waits for it.
    "core/_support/aio.py: self._turn.acquire(timeout=_IDLE)",
    # A part of a call whose limit is in force already.
    (
        "adapters/bigquery/warehouse.py: self._calls.job(JobCall(load, self._wait), policy=self._calls.writes, "
        "timeout=_NO_LIMIT)"
    ),
    (
        "adapters/bigquery/warehouse.py: self._calls.request(lambda client: client.create_table(table, exists_ok=True, "
        "retry=NO_RETRY, timeout=None), timeout=_NO_LIMIT)"
    ),
    "adapters/bigquery/warehouse.py: self._run(sql, config, finish, timeout=_NO_LIMIT, writes=True, key=key)",
    # A turn of the event loop is no duration.
    "workflows/loop.py: asyncio.sleep(0)",
    "testing/clock.py: asyncio.sleep(0)",
    "testing/proxy.py: asyncio.sleep(0)",
    # Helpers of tests have no timeouts.yaml.
    "testing/bigquery/job.py: self.done.wait(_AGAIN)",
    "testing/bigquery/jobs.py: made.done.wait(_LOOK_AGAIN)",
    "testing/bigquery/jobs.py: time.sleep(_LOOK_AGAIN)",
    "testing/bigquery/transactions.py: self._condition.wait(_LOOK_AGAIN)",
    "testing/emulators.py: time.sleep(_LOOK_AGAIN)",
    "testing/emulators.py: http.client.HTTPConnection('127.0.0.1', port, timeout=1.0)",
    "testing/emulators.py: http.client.HTTPConnection('127.0.0.1', port, timeout=_START_SECONDS)",
    "testing/stores.py: SqliteDocuments(':memory:', clock=clock or FakeClock(), busy_timeout=_BUSY_TIMEOUT)",
    "testing/stores.py: LocalBus(':memory:', clock=clock, ids=SequentialIds(), busy_timeout=_BUSY_TIMEOUT)",
}


def findings(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and node.value is not None
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if name in {"utcnow", "utcfromtimestamp"}:
            yield ast.unparse(node)
        if name in EPOCH_READERS and "datetime" in ast.unparse(node.func) and len(given) < EPOCH_READERS[name]:
            yield ast.unparse(node)
        waited = [keyword.value for keyword in node.keywords if keyword.arg in LIMITS]
        if name in WAITS and isinstance(node.func, ast.Attribute):
            waited += node.args[:1]
        if any(is_number(value, constants) for value in waited):
            yield ast.unparse(node)


def is_number(value: ast.expr, constants: dict[str, ast.expr]) -> bool:
    """Say whether an expression is a number that stands in the code, here or as a constant of the module."""
    if isinstance(value, ast.Name) and value.id in constants:
        value = constants[value.id]
    if isinstance(value, (ast.BinOp, ast.UnaryOp)):
        return all(is_number(part, constants) for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr))
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def test_inv_14_inv_18_no_naive_datetime_and_no_literal_timeout() -> None:
    found = {
        f"{name}: {text}"
        for path in PACKAGE.rglob("*.py")
        for name in [path.relative_to(PACKAGE).as_posix()]
        for text in findings(path.read_text())
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now()",
        "datetime.datetime.now()",
        "datetime.utcnow()",
        "datetime.fromtimestamp(0)",
        "client.get(url, timeout=30)",
        "connect(timeout=-1.5)",
        "LIMIT = 30\nclient.get(url, timeout=LIMIT)",
        "client.get(url, timeout=2 * 60)",
        "time.sleep(0.5)",
        "lock.acquire(5)",
        "LIMIT: Final = 5\nevent.wait(LIMIT)",
        "run(deadline=60)",
    ],
)
def test_what_is_forbidden_is_found(line: str) -> None:
    assert len(list(findings(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(UTC)",
        "datetime.fromtimestamp(record.created, UTC)",
        "datetime.now(tz=UTC)",
        "clock.now()",
        "client.get(url, timeout=timeouts['http.request'])",
        "event.wait(pause())",
        "lock.acquire(timeout=left)",
        "', '.join(names)",
        "thread.join()",
        "run(timeout=None)",
    ],
)
def test_what_is_right_is_not_found(line: str) -> None:
    assert list(findings(line)) == []

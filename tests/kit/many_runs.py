"""A store with as many runs as years of nights leave, made by one statement."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.bootstrap.indexes import INDEXES
from nbactl.core._support.clock import SystemClock
from nbactl.ports.documents import Create

if TYPE_CHECKING:
    from pathlib import Path

_FILL = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)
INSERT INTO documents
SELECT 'runs', printf('run-0old%08d', i), json_object(
    'run_id', printf('run-0old%08d', i), 'name', 'phase' || (i % 6 + 1), 'kind', 'phase',
    'game_date', date('2024-09-01', '+' || (i / 600) || ' days'), 'source', 'sample', 'target', 'local',
    'status', iif(i % 20 = 0, 'failed', 'succeeded'),
    'started_at', char(1, 3) || strftime('%Y-%m-%dT%H:%M:%S', '2024-09-01', '+' || i || ' minutes') || '.000000+00:00',
    'finished_at', NULL, 'correlation_id', 'c', 'owner', 'host:boot:1:1:x', 'lease', 'x', 'resumed_from', NULL,
    'group', printf('group-%d', i / 6), 'mode', 'parallel', 'reason', NULL,
    'task_order', json(iif(i >= ?, '["a"]', '[]'))), 1, 1
FROM n
"""
_TASKS = """
WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)
INSERT INTO documents
SELECT printf('runs/run-0old%08d/tasks', i), 'a', json_object(
    'name', 'a', 'required', json('true'), 'status', 'succeeded', 'attempt', 1, 'started_at', NULL, 'finished_at', NULL,
    'rows', 1, 'error', NULL, 'reason', NULL, 'carried_from', NULL, 'detail', json('{}')), 1, 1
FROM n
"""
_WITH_TASKS = 2_000


def open_store(state: Path) -> SqliteDocuments:
    """Open the store of a state directory."""
    state.mkdir(parents=True, exist_ok=True)
    return SqliteDocuments(state / "documents.db", clock=SystemClock(), busy_timeout=20.0, indexes=INDEXES)


def fill(state: Path, runs: int) -> None:
    """Add runs, six phases of a date in turn, a hundred times over before the next date; the newest have a task."""
    with closing(open_store(state)) as store:
        store.commit([Create("seed/1", {})])  # makes the tables and the indexes
    with closing(sqlite3.connect(state / "documents.db")) as connection, connection:
        begin = max(0, runs - _WITH_TASKS)
        connection.execute(_FILL, (runs, begin))
        connection.execute(_TASKS, (begin, runs))

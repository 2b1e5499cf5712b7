"""INSERT, DELETE, UPDATE, MERGE and TRUNCATE TABLE: what they did, and to which partitions.

https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.adapters.duckdb.sql.context import Query
from nbactl.adapters.duckdb.sql.dml import DOUBLE_MATCH, KINDS, compile_change, double_matches, target
from nbactl.adapters.duckdb.sql.types import identifier, text
from nbactl.errors import DataError
from nbactl.testing.bigquery import clustering, partitions
from nbactl.testing.bigquery.errors import invalid_query, of_translation
from nbactl.testing.bigquery.store import ALL

if TYPE_CHECKING:
    from sqlglot import exp

    from nbactl.testing.bigquery.session import Session


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows a statement inserted, updated and deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def affected(self) -> int:
        """Rows in all."""
        return self.inserted + self.updated + self.deleted


def changed_table(tree: exp.Expr) -> exp.Table:
    """Return the table that a statement changes. Raises ApiError."""
    try:
        return target(tree)
    except DataError as error:
        raise of_translation(error) from error


def run(session: Session, tree: exp.Expr, sql: str) -> tuple[Counts, set[str]]:
    """Run a statement in the session's transaction; returns what it did, and the ids of the partitions it changed.

    Raises ApiError, and errors of the engine.
    """
    node = changed_table(tree)
    columns = session.columns_of(f"{node.db}.{node.name}")
    name = f"{identifier(node.db)}.{identifier(node.name)}"
    kind = KINDS[type(tree)]
    table = session.store.tables.get((node.db, node.name))
    also = clustering.rewriting(table)
    compiled, ctx = session.compiling(
        sql, lambda ctx, scope: Query(compile_change(ctx, tree, scope, name, columns, also=also), ())
    )
    if tree.args.get("using") is not None or tree.args.get("from_") is not None:
        doubles, doubles_ctx = session.compiling(
            sql, lambda ctx, scope: Query(double_matches(ctx, tree, scope, name, columns) or "", ())
        )
        if doubles.sql and session.cursor.execute(doubles.sql, session.bound(doubles_ctx)).fetchone() is not None:
            raise invalid_query(DOUBLE_MATCH)
    partition = text(ALL) if table is None or kind == "MERGE" else partitions.id_sql(table)
    action = "merge_action" if kind == "MERGE" else text(_ACTIONS[kind])
    session.cursor.execute(f"{compiled.sql} RETURNING {action}, {partition}", session.bound(ctx))
    rows = session.cursor.fetchall()
    actions = [str(action) for action, _ in rows]
    counts = Counts(actions.count("INSERT"), actions.count("UPDATE"), actions.count("DELETE"))
    return counts, {partition for _, partition in rows}


_ACTIONS: Final = {"INSERT": "INSERT", "UPDATE": "UPDATE", "DELETE": "DELETE", "TRUNCATE_TABLE": "DELETE"}

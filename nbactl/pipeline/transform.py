"""The processors that are one SQL statement each: phases 3 and 4."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from nbactl.pipeline.emptiness import why_empty
from nbactl.ports.compute import TaskOutcome
from nbactl.ports.warehouse import Select

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from nbactl.pipeline.processor import Services
    from nbactl.ports.compute import TaskContext

_INCLUDE = "-- with:"
_TABLE = re.compile(r"\bnba_\w+\.\w+")
"""What a statement reads. An optional task that did not run has left its table unmade."""


@cache
def table_sql(table: str) -> str:
    """Return the statement that computes a date's partition of `table`; its one parameter is `@game_date`.

    A file names the common table expressions that it uses on a line `-- with: a, b`; they are the files of
    `sql/common/`, which may name others.
    """
    sql = _folder().joinpath(f"{table}.sql").read_text(encoding="utf-8")
    common: dict[str, str] = {}
    _add_common(sql, common)
    expressions = ",\n".join(f"{name} AS (\n{text})" for name, text in common.items())
    return f"WITH {expressions}\n{sql}" if common else sql


def transform(services: Services, context: TaskContext) -> TaskOutcome:
    """Replace the game date's partition of the table that the processor is named after by what its SQL computes."""
    call = context.call
    table = str(call.work.target)
    sql = table_sql(table)
    services.ensure_tables(table, *sorted(set(_TABLE.findall(sql))))
    rows = services.warehouse().replace_partitions(
        table,
        [call.game_date],
        Select(sql, {"game_date": call.game_date}),
        fence=context.fence,
        timeout=services.timeouts["warehouse.query_large"],
        labels=call.labels,
    )
    return TaskOutcome(rows, {} if rows else {"reason": why_empty(services, context, table)})


def _add_common(sql: str, common: dict[str, str]) -> None:
    """Add the expressions that `sql` names to `common`, each after those that it needs itself."""
    for line in sql.splitlines():
        if line.startswith(_INCLUDE):
            for name in line.removeprefix(_INCLUDE).replace(" ", "").split(","):
                if name not in common:
                    text = _folder().joinpath("common", f"{name}.sql").read_text(encoding="utf-8")
                    _add_common(text, common)
                    common[name] = text


def _folder() -> Traversable:
    return files("nbactl.pipeline") / "sql"

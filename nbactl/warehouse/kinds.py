"""The kinds of queries, by the tables that they read: each has a time to live of its own in the cache of results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

QueryKind = Literal["decisions", "logs", "other"]
KINDS: Final[tuple[QueryKind, ...]] = get_args(QueryKind)
_LOGS: Final = ("_log", "_logs", "_history", "_executions")
_DECISIONS: Final = ("_decisions",)
_NAME: Final = re.compile(r"[a-z]\w*(?=$|[^\w])", re.IGNORECASE)


def kind_of(tables: Iterable[str]) -> QueryKind:
    """Return the kind of a query that reads these tables, `dataset.table`; one that reads logs too is of logs."""
    names = [table.lower() for table in tables]
    if any(name.endswith(_LOGS) for name in names):
        return "logs"
    return "decisions" if any(name.endswith(_DECISIONS) for name in names) else "other"


def kind_of_text(sql: str) -> QueryKind:
    """Return the kind of a query by the names in its text, which is not parsed: columns may be taken for tables."""
    return kind_of(_NAME.findall(sql))

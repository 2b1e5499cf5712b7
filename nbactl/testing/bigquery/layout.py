"""What a table can be partitioned and clustered by.

https://cloud.google.com/bigquery/docs/partitioned-tables and
https://cloud.google.com/bigquery/docs/clustered-tables#limitations
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.ports.column_types import CLUSTERABLE
from nbactl.testing.bigquery.errors import ApiError

if TYPE_CHECKING:
    from nbactl.testing.bigquery.store import Table

KEY_COLUMNS: Final = 4
"""Columns that a table can be clustered by."""


def check(table: Table) -> None:
    """Raise ApiError if a table is partitioned or clustered by a column that it lacks or that cannot be."""
    kinds = {name.lower(): kind for name, kind in table.columns}
    partitioning = table.resource.get("timePartitioning")
    if partitioning is not None:
        partitioning.setdefault("type", "DAY")
        column = partitioning.get("field")
        if column is None:
            raise ApiError("notImplemented", "The test server partitions by a column only: name a field")
        if column.lower() not in kinds:
            raise ApiError("invalid", f"The field specified for partitioning cannot be found in the schema: {column}")
        if kinds[column.lower()].kind not in ("DATE", "DATETIME", "TIMESTAMP"):
            raise ApiError(
                "invalid",
                f"The field specified for partitioning must be of type DATE, DATETIME or TIMESTAMP: {column}",
            )
    clustering = (table.resource.get("clustering") or {}).get("fields", ())
    if len(clustering) > KEY_COLUMNS:
        raise ApiError("invalid", f"Too many fields specified for clustering: at most {KEY_COLUMNS}")
    for column in clustering:
        kind = kinds.get(column.lower())
        if kind is None:
            raise ApiError("invalid", f"The field specified for clustering cannot be found in the schema: {column}")
        if kind.kind not in CLUSTERABLE:
            raise ApiError("invalid", f"Field {column} has type {kind}, which is not supported for clustering")

"""The OPTIONS of tables and datasets.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#table_option_list
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.testing.bigquery.errors import invalid_query
from nbactl.testing.bigquery.store import millis

if TYPE_CHECKING:
    from nbactl.testing.bigquery.session import Session

DAY_MS: Final = 86_400_000


def given(session: Session, tree: exp.Expr) -> dict[str, Any]:
    """Return the options of a table or dataset by name. Raises ApiError."""
    found: dict[str, Any] = {}
    for option in tree.find_all(exp.Property):
        if option.find_ancestor(exp.ColumnDef) is not None or not isinstance(option.args.get("value"), exp.Expression):
            continue
        if isinstance(option, (exp.TemporaryProperty, exp.LikeProperty, exp.LocationProperty)):
            continue
        name, value = option.name.lower(), option.args["value"]
        if name == "labels":
            pairs = [[part.name for part in pair.expressions] for pair in value.expressions]
            found[name] = dict(pairs)
        else:
            _, found[name] = session.value(value.sql("bigquery"))
    return found


def resource(options: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return what options change in a table's resource, which is `now`; None takes a thing away. Raises ApiError."""
    names = {"description": "description", "friendly_name": "friendlyName", "labels": "labels"}
    names["require_partition_filter"] = "requirePartitionFilter"
    found = {names[key]: value for key, value in options.items() if key in names}
    if "expiration_timestamp" in options:
        at = options["expiration_timestamp"]
        found["expirationTime"] = millis(at.replace(tzinfo=UTC)) if at is not None else None
    if "partition_expiration_days" in options:
        partitioning = now.get("timePartitioning")
        if not partitioning:
            raise invalid_query("partition_expiration_days cannot be set of a table that is not partitioned")
        days = options["partition_expiration_days"]
        kept = {key: value for key, value in partitioning.items() if key != "expirationMs"}
        found["timePartitioning"] = kept if days is None else {**kept, "expirationMs": str(int(float(days) * DAY_MS))}
    if odd := sorted(
        options.keys()
        - names.keys()
        - {"expiration_timestamp", "partition_expiration_days", "default_table_expiration_days"}
    ):
        raise invalid_query(f"Unknown option: {odd[0]}")
    return found

"""The methods of tables: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.testing.bigquery import clustering, layout, names, partitions, schema
from nbactl.testing.bigquery.errors import ApiError
from nbactl.testing.bigquery.store import millis

if TYPE_CHECKING:
    from nbactl.testing.bigquery.http import Request
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.store import Store, Table

_SET: Final = (
    "friendlyName", "description", "labels", "expirationTime", "timePartitioning", "clustering", "view",
    "requirePartitionFilter", "encryptionConfiguration", "defaultCollation", "maxStaleness", "resourceTags",
)  # fmt: skip
_LACKING: Final = {"rangePartitioning", "externalDataConfiguration", "materializedView", "tableConstraints"}


def resource(store: Store, table: Table, *, counted: bool = True) -> dict[str, Any]:
    """Return a table as the REST API answers it. `numRows` and `numBytes` leave out what is in the streaming buffer.

    https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table
    """
    dataset, name = table.name
    answer: dict[str, Any] = {
        "kind": "bigquery#table",
        "etag": table.etag,
        "id": f"{store.project}:{dataset}.{name}",
        "selfLink": f"https://bigquery.googleapis.com/bigquery/v2/projects/{store.project}/datasets/{dataset}/tables/{name}",
        "tableReference": {"projectId": store.project, "datasetId": dataset, "tableId": name},
        "type": table.kind,
        "location": store.datasets[dataset].location,
        "creationTime": millis(table.created),
        "lastModifiedTime": millis(table.modified),
        **{key: value for key, value in table.resource.items() if value is not None},
        "schema": {"fields": table.fields},
    }
    if table.resource.get("requirePartitionFilter") and table.resource.get("timePartitioning"):
        answer["timePartitioning"] = {**table.resource["timePartitioning"], "requirePartitionFilter": True}
    if counted and not table.is_view:
        with store.cursor() as cursor:
            rows, size = partitions.totals(cursor, table)
        waiting = min(table.buffered(store.clock.now()), rows)
        answer |= {"numRows": str(rows - waiting), "numBytes": str(size), "numLongTermBytes": "0"}
        answer |= {"numTotalLogicalBytes": str(size), "numActiveLogicalBytes": str(size)}
        if waiting:
            answer["streamingBuffer"] = {
                "estimatedRows": str(waiting),
                "estimatedBytes": str(size // max(rows, 1) * waiting),
                "oldestEntryTime": millis(table.streamed[0]),
            }
    return answer


def insert(store: Store, request: Request, dataset: str) -> dict[str, Any]:
    """Create a table or view: 409 duplicate if it is there."""
    body = request.json
    name = (body.get("tableReference") or {}).get("tableId", "")
    if not re.fullmatch(r"[\w\- ]{1,1024}", name):
        raise ApiError("invalid", f'Invalid table ID "{name}".')
    kept = {key: value for key, value in body.items() if key in _SET}
    fields = (body.get("schema") or {}).get("fields", [])
    if lacking := sorted(_LACKING & body.keys()):
        raise ApiError("notImplemented", f"The test server does not know {lacking[0]} of a table")
    if "view" in kept:
        raise ApiError("notImplemented", "The test server creates views by CREATE VIEW only")
    return resource(store, store.create_table((dataset, name), fields, kept))


def get(store: Store, _: Request, dataset: str, name: str) -> dict[str, Any]:
    """Return a table."""
    return resource(store, store.table((dataset, name.partition("$")[0])))


def patch(store: Store, limits: Limits, request: Request, dataset: str, name: str) -> dict[str, Any]:
    """Change what is given of a table; with If-Match only if its etag is that one.

    Columns can be added and made nullable, not dropped or changed:
    https://cloud.google.com/bigquery/docs/managing-table-schemas
    """
    with store.lock:
        table = store.table((dataset, name))
        if request.if_match not in (None, "*", table.etag):
            raise ApiError("conditionNotMet", "Precondition check failed.")
        limits.metadata_update(table)
        body = request.json
        if body.keys() & {"schema", "clustering", "timePartitioning"}:
            store.check_writable(table)
        _check_partitioning(store, table, body)
        given = (body.get("schema") or {}).get("fields")
        fields = table.fields if given is None else schema.normalized(given)
        wanted: dict[str, Any] = {**table.resource, **{key: body[key] for key in _SET if key in body}}
        layout.check(replace(table, fields=fields, resource=wanted))
        names.check_labels(wanted.get("labels") or {})
        if given is not None:
            _change_schema(store, table, fields)
        key = clustering.key_of(table)
        table.resource = wanted
        clustering.change(store, table, key)
        store.touch(table)
        return resource(store, table)


def _check_partitioning(store: Store, table: Table, body: dict[str, Any]) -> None:
    now, wanted = table.resource.get("timePartitioning"), body.get("timePartitioning")
    if "timePartitioning" in body and (now or {}).get("field") != (wanted or {}).get("field"):
        full = f"{store.project}:{'.'.join(table.name)}"
        raise ApiError("invalid", f"Cannot change partitioning spec for a partitioned/clustered table: {full}")


def _change_schema(store: Store, table: Table, fields: list[schema.Field]) -> None:
    name = f"{store.project}:{'.'.join(table.name)}"
    wanted = {field["name"].lower(): field for field in fields}
    for now in table.fields:
        field = wanted.pop(now["name"].lower(), None)
        mismatch = f"Provided Schema does not match Table {name}."
        if field is None:
            raise ApiError("invalid", f"{mismatch} Field {now['name']} is missing in new schema")
        if schema.type_of(field) != schema.type_of(now):
            raise ApiError(
                "invalid", f"{mismatch} Field {now['name']} has changed type from {now['type']} to {field['type']}"
            )
        if now["mode"] == "NULLABLE" and field["mode"] == "REQUIRED":
            raise ApiError("invalid", f"{mismatch} Field {now['name']} has changed mode from NULLABLE to REQUIRED")
        if now["mode"] == "REQUIRED" and field["mode"] == "NULLABLE":
            with store.cursor() as cursor:
                cursor.execute(f'ALTER TABLE {table.sql} ALTER COLUMN "{now["name"]}" DROP NOT NULL')
        now.update(field)
    store.add_fields(table, wanted.values())


def delete(store: Store, _request: Request, dataset: str, name: str) -> dict[str, Any]:
    """Drop a table or view, or with a decorator the rows of a partition."""
    whole, _, partition = name.partition("$")
    table = store.table((dataset, whole))
    if not partition:
        store.drop_table(table)
        return {}
    store.check_writable(table)
    with store.lock, store.cursor() as cursor:
        partitions.empty(cursor, table, partition)
        store.touch(table, [partition])
    return {}


def listed(store: Store, request: Request, dataset: str) -> dict[str, Any]:
    """Return a page of the tables of a dataset, without those that have expired."""
    with store.lock:
        store.dataset(dataset)
        names = sorted(name for name in store.tables if name[0] == dataset)
        names = [name for name in names if store.exists(name)]
        page, token = request.page(names)
        shown = [
            {key: value for key, value in resource(store, store.tables[name], counted=False).items() if key in _LISTED}
            for name in page
        ]
    return {"kind": "bigquery#tableList", "tables": shown, "totalItems": len(names), **token}


_LISTED: Final = (
    "id", "tableReference", "type", "creationTime", "expirationTime", "timePartitioning", "clustering", "labels",
    "friendlyName", "requirePartitionFilter",
)  # fmt: skip

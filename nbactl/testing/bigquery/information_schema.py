"""INFORMATION_SCHEMA: its views are made as temporary tables of the session that asks for them.

https://cloud.google.com/bigquery/docs/information-schema-intro
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.testing.bigquery import partitions, schema
from nbactl.testing.bigquery.errors import ApiError, not_found
from nbactl.testing.bigquery.literals import literal
from nbactl.testing.bigquery.store import ALL
from nbactl.warehouse.sql.normalized import normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlglot import exp

    from nbactl.testing.bigquery.job import Job
    from nbactl.testing.bigquery.session import Session
    from nbactl.testing.bigquery.store import Table

Rows = list[tuple[Any, ...]]
PREFIX: Final = "_information_schema_"
"""What the names of the temporary tables begin with."""


def _column(written: str) -> schema.Field:
    name, kind = written.split(":", 1)
    return {"name": name, "type": kind, "mode": "NULLABLE"}


def _columns(*written: str) -> list[schema.Field]:
    return schema.normalized([_column(one) for one in written])


_TABLES: Final = _columns(
    "table_catalog:STRING", "table_schema:STRING", "table_name:STRING", "table_type:STRING",
    "is_insertable_into:STRING", "is_typed:STRING", "creation_time:TIMESTAMP", "base_table_catalog:STRING",
    "base_table_schema:STRING",
    "base_table_name:STRING", "snapshot_time_ms:TIMESTAMP", "ddl:STRING",
)  # fmt: skip
_COLUMNS: Final = _columns(
    "table_catalog:STRING", "table_schema:STRING", "table_name:STRING", "column_name:STRING", "ordinal_position:INT64",
    "is_nullable:STRING", "data_type:STRING", "is_partitioning_column:STRING", "clustering_ordinal_position:INT64",
    "column_default:STRING",
)  # fmt: skip
_FIELD_PATHS: Final = _columns(
    "table_catalog:STRING", "table_schema:STRING", "table_name:STRING", "column_name:STRING", "field_path:STRING",
    "data_type:STRING", "description:STRING",
)  # fmt: skip
_VIEW_TEXTS: Final = _columns(
    "table_catalog:STRING", "table_schema:STRING", "table_name:STRING", "view_definition:STRING",
    "check_option:STRING", "use_standard_sql:STRING",
)  # fmt: skip
_OPTIONS: Final = _columns(
    "table_catalog:STRING", "table_schema:STRING", "table_name:STRING", "option_name:STRING", "option_type:STRING",
    "option_value:STRING",
)  # fmt: skip
_PARTITIONS: Final = _columns(
    "table_catalog:STRING", "table_schema:STRING", "table_name:STRING", "partition_id:STRING", "total_rows:INT64",
    "total_logical_bytes:INT64", "total_billable_bytes:INT64", "last_modified_time:TIMESTAMP", "storage_tier:STRING",
)  # fmt: skip
_JOBS: Final = [
    *_columns(
        "creation_time:TIMESTAMP", "project_id:STRING", "user_email:STRING", "job_id:STRING", "job_type:STRING",
        "statement_type:STRING", "priority:STRING", "start_time:TIMESTAMP", "end_time:TIMESTAMP", "query:STRING",
        "state:STRING", "total_bytes_processed:INT64", "total_bytes_billed:INT64", "total_slot_ms:INT64",
        "cache_hit:BOOL", "parent_job_id:STRING", "transaction_id:STRING",
    ),
    *schema.normalized(
        [
            {"name": "labels", "type": "STRUCT", "mode": "REPEATED", "fields": _columns("key:STRING", "value:STRING")},
            {
                "name": "error_result", "type": "STRUCT",
                "fields": _columns("reason:STRING", "location:STRING", "debug_info:STRING", "message:STRING"),
            },
            {
                "name": "destination_table", "type": "STRUCT",
                "fields": _columns("project_id:STRING", "dataset_id:STRING", "table_id:STRING"),
            },
            {
                "name": "referenced_tables", "type": "STRUCT", "mode": "REPEATED",
                "fields": _columns("project_id:STRING", "dataset_id:STRING", "table_id:STRING"),
            },
            {
                "name": "dml_statistics", "type": "STRUCT",
                "fields": _columns("inserted_row_count:INT64", "deleted_row_count:INT64", "updated_row_count:INT64"),
            },
            {
                "name": "query_info", "type": "STRUCT",
                "fields": [
                    *_columns("resource_warning:STRING"),
                    {"name": "query_hashes", "type": "STRUCT", "fields": _columns("normalized_literals:STRING")},
                ],
            },
        ]
    ),
]  # fmt: skip


def materialize(session: Session, node: exp.Table) -> str:
    """Make a view of INFORMATION_SCHEMA as a temporary table; returns its name. Raises ApiError."""
    view = node.name.upper().removeprefix("INFORMATION_SCHEMA.")
    project = session.store.project
    if node.catalog and node.catalog != project:
        raise ApiError(
            "accessDenied", f"Access Denied: Project {node.catalog}: User does not have permission to query it."
        )
    build = _VIEWS.get(view)
    if build is None:
        raise not_found("Table", f"{project}:{node.db or node.catalog}.{node.name}", session.location)
    fields, rows = build(session, node.db)
    name = f"{PREFIX}{len(session.temporary)}"
    columns = ", ".join(schema.declared(field) for field in fields)
    session.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    kinds = [schema.type_of(field) for field in fields]
    for start in range(0, len(rows), _BATCH):
        listed = ", ".join(
            "(" + ", ".join(literal(value, kind) for value, kind in zip(row, kinds, strict=True)) + ")"
            for row in rows[start : start + _BATCH]
        )
        session.cursor.execute(f"INSERT INTO temp.{name} VALUES {listed}")
    session.temporary[name] = fields
    return name


_BATCH: Final = 200


def _of(session: Session, qualifier: str) -> list[Table]:
    """Return the tables of a dataset, or of a region written region-us-west2."""
    store = session.store
    with store.lock:
        region = _region(qualifier)
        if region is None:
            store.dataset(qualifier, session.location)
        names = [
            name
            for name in sorted(store.tables)
            if (name[0] == qualifier if region is None else store.datasets[name[0]].location.lower() == region)
        ]
        return [store.tables[name] for name in names if store.exists(name)]


def _region(qualifier: str) -> str | None:
    return qualifier.lower().removeprefix("region-") if qualifier.lower().startswith("region-") else None


def _tables(session: Session, qualifier: str) -> tuple[list[schema.Field], Rows]:
    """https://cloud.google.com/bigquery/docs/information-schema-tables."""
    project = session.store.project
    rows: Rows = []
    for table in _of(session, qualifier):
        made = table.resource.get("snapshotDefinition") or table.resource.get("cloneDefinition") or {}
        base = made.get("baseTableReference") or {}
        at = next((datetime.fromisoformat(made[key]) for key in ("snapshotTime", "cloneTime") if key in made), None)
        kind = "CLONE" if "cloneDefinition" in table.resource else _TYPES.get(table.kind, table.kind)
        rows.append(
            (
                project, *table.name, kind, "YES" if table.kind == "TABLE" else "NO", "NO", table.created,
                base.get("projectId"), base.get("datasetId"), base.get("tableId"), at, None,
            )
        )  # fmt: skip
    return _TABLES, rows


_TYPES: Final = {"TABLE": "BASE TABLE"}


def _all_columns(session: Session, qualifier: str) -> tuple[list[schema.Field], Rows]:
    project = session.store.project
    rows: Rows = []
    for table in _of(session, qualifier):
        clustered = [name.lower() for name in (table.resource.get("clustering") or {}).get("fields", ())]
        partitioned = (table.partition_field or "").lower()
        for position, field in enumerate(table.fields, 1):
            name = field["name"]
            at = clustered.index(name.lower()) + 1 if name.lower() in clustered else None
            rows.append(
                (
                    project, *table.name, name, position, "NO" if field["mode"] == "REQUIRED" else "YES",
                    schema.standard_name(field), "YES" if name.lower() == partitioned else "NO", at, "NULL",
                )
            )  # fmt: skip
    return _COLUMNS, rows


def _view_texts(session: Session, qualifier: str) -> tuple[list[schema.Field], Rows]:
    """https://cloud.google.com/bigquery/docs/information-schema-views."""
    return _VIEW_TEXTS, [
        (session.store.project, *table.name, table.resource["view"]["query"], None, "YES")
        for table in _of(session, qualifier)
        if table.is_view
    ]


def _field_paths(session: Session, qualifier: str) -> tuple[list[schema.Field], Rows]:
    """https://cloud.google.com/bigquery/docs/information-schema-column-field-paths."""
    project = session.store.project
    return _FIELD_PATHS, [
        (project, *table.name, column["name"], path, schema.standard_name(field), field.get("description"))
        for table in _of(session, qualifier)
        for column in table.fields
        for path, field in _paths(column, column["name"])
    ]


def _paths(field: schema.Field, path: str) -> Iterator[tuple[str, schema.Field]]:
    yield path, field
    for part in field.get("fields", ()):
        yield from _paths(part, f"{path}.{part['name']}")


def _options(session: Session, qualifier: str) -> tuple[list[schema.Field], Rows]:
    """https://cloud.google.com/bigquery/docs/information-schema-table-options."""
    project = session.store.project
    rows: Rows = []
    for table in _of(session, qualifier):
        own = table.resource
        expiration = (own.get("timePartitioning") or {}).get("expirationMs")
        options = (
            ("description", "STRING", json.dumps(own["description"]) if own.get("description") else None),
            ("friendly_name", "STRING", json.dumps(own["friendlyName"]) if own.get("friendlyName") else None),
            ("partition_expiration_days", "FLOAT64", str(int(expiration) / 86_400_000) if expiration else None),
            ("require_partition_filter", "BOOL", "true" if own.get("requirePartitionFilter") else None),
        )
        rows += [(project, *table.name, *option) for option in options if option[2] is not None]
    return _OPTIONS, rows


def _all_partitions(session: Session, qualifier: str) -> tuple[list[schema.Field], Rows]:
    project = session.store.project
    rows: Rows = []
    with session.store.cursor() as cursor:
        for table in _of(session, qualifier):
            if table.is_view or not table.fields:
                continue
            for part in partitions.of(cursor, table):
                size = sum(part.bytes.values())
                own = None if part.id == partitions.WHOLE else part.id
                at = table.partitions.get(part.id) or table.partitions.get(ALL, table.created)
                rows.append((project, *table.name, own, part.rows, size, size, at, "ACTIVE"))
    return _PARTITIONS, rows


def _jobs(session: Session, qualifier: str) -> tuple[list[schema.Field], Rows]:
    """Jobs of a region, as they are now; a job that is asked for without its region is not found."""
    region = _region(qualifier)
    if region is None:
        raise ApiError(
            "invalidQuery", "INFORMATION_SCHEMA.JOBS must be qualified with a region: `region-us`.INFORMATION_SCHEMA"
        )
    session.access.check_project("bigquery.jobs.listAll")
    project = session.store.project
    jobs = [job for job in session.jobs() if job.location.lower() == region and not job.configuration.get("dryRun")]
    return _JOBS, [_job(project, job) for job in jobs]


def _job(project: str, job: Job) -> tuple[Any, ...]:
    slots = int(((job.ended or job.created) - (job.started or job.created)).total_seconds() * 1000)
    error = job.error
    target = job.target
    if target is None and job.statement == "SELECT":  # https://cloud.google.com/bigquery/docs/cached-results
        target = (f"_{hashlib.sha256(job.user.encode()).hexdigest()[:40]}", f"anon{job.id}")
    proto = (
        None if error is None else {**dict.fromkeys(("reason", "location", "debug_info", "message")), **error.proto()}
    )
    counts = job.counts
    references = [] if job.cache_hit else job.references  # "Only populated for query jobs that are not cache hits"
    return (
        job.created, project, job.user, job.id, job.type, job.statement, "INTERACTIVE", job.started, job.ended,
        job.sql or None, job.state, job.bytes_processed if job.type == "QUERY" else None,
        job.bytes_billed if job.type == "QUERY" else None, max(1, slots) if job.bytes_processed else slots,
        job.cache_hit if job.type == "QUERY" else None, job.parent, job.details.get("transaction"),
        [{"key": key, "value": value} for key, value in job.labels.items()],
        proto,
        None if target is None else {"project_id": project, "dataset_id": target[0], "table_id": target[1]},
        [{"project_id": project, "dataset_id": dataset, "table_id": table} for dataset, table in references],
        None if counts is None else {
            "inserted_row_count": counts.inserted, "deleted_row_count": counts.deleted,
            "updated_row_count": counts.updated,
        },
        {"resource_warning": None, "query_hashes": {"normalized_literals": _hash(job)}},
    )  # fmt: skip


def _hash(job: Job) -> str | None:
    """Return the hash of a query: of successful ones that are not cache hits."""
    if job.type != "QUERY" or job.state != "DONE" or job.error is not None or job.cache_hit:
        return None
    return hashlib.sha256(normalized(job.sql).encode()).hexdigest()


_VIEWS: Final[dict[str, Callable[[Session, str], tuple[list[schema.Field], Rows]]]] = {
    "TABLES": _tables,
    "COLUMNS": _all_columns,
    "COLUMN_FIELD_PATHS": _field_paths,
    "PARTITIONS": _all_partitions,
    "TABLE_OPTIONS": _options,
    "VIEWS": _view_texts,
    "JOBS": _jobs,
    "JOBS_BY_PROJECT": _jobs,
    "JOBS_BY_USER": _jobs,
}

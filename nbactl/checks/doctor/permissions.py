"""Which permissions each command needs on Google Cloud, and the smallest role of Google's that has them.

Sources: https://cloud.google.com/firestore/docs/security/iam, https://cloud.google.com/bigquery/docs/access-control,
https://cloud.google.com/bigquery/docs/information-schema-table-options,
https://cloud.google.com/bigquery/docs/information-schema-jobs, https://cloud.google.com/logging/docs/access-control,
https://cloud.google.com/run/docs/reference/iam/roles, https://cloud.google.com/pubsub/docs/access-control,
https://cloud.google.com/scheduler/docs/access-control,
https://cloud.google.com/resource-manager/docs/access-control-proj, https://cloud.google.com/monitoring/access-control
"""

from __future__ import annotations

from typing import Final

from nbactl.frozen import frozen


@frozen
class Need:
    """Permissions that commands need together. `commands` are as an operator types them; `role` has the permissions."""

    commands: tuple[str, ...]
    role: str
    permissions: tuple[str, ...]


_CHANGES: Final = (
    "services env set",
    "services scale",
    "services traffic",
    "services rollback",
    "services apply",
    "services undo",
)
NEEDS: Final = (
    Need(
        ("every command that reads or records runs",),
        "roles/datastore.user",
        (
            "datastore.entities.create",
            "datastore.entities.delete",
            "datastore.entities.get",
            "datastore.entities.list",
            "datastore.entities.update",
        ),
    ),
    Need(
        ("query", "tables", "bq", "quarantine", "status", "schedule tick", "run --in-process"),
        "roles/bigquery.jobUser",
        ("bigquery.jobs.create",),
    ),
    Need(
        ("query", "tables", "quarantine", "status", "schedule tick"),
        "roles/bigquery.dataViewer",
        ("bigquery.datasets.get", "bigquery.tables.get", "bigquery.tables.getData", "bigquery.tables.list"),
    ),
    Need(
        ("bq plan",),
        "roles/bigquery.metadataViewer",
        ("bigquery.routines.get", "bigquery.routines.list", "bigquery.tables.get", "bigquery.tables.list"),
    ),
    Need(
        ("bq costs", "bq cache", "bq quotas", "bq lint --live", "schedule tick"),
        "roles/bigquery.resourceViewer",
        ("bigquery.jobs.listAll",),
    ),
    Need(("logs", "services logs", "trace"), "roles/logging.viewer", ("logging.logEntries.list",)),
    Need(
        ("run --in-process",),
        "roles/bigquery.dataEditor",
        (
            "bigquery.datasets.create",
            "bigquery.tables.create",
            "bigquery.tables.delete",
            "bigquery.tables.update",
            "bigquery.tables.updateData",
        ),
    ),
    Need(
        ("run", "schedule tick", "flags drift", "services", "doctor"),
        "roles/run.viewer",
        ("run.services.get", "run.services.list"),
    ),
    Need(
        ("services show", "services diff", "services traffic", "services rollback", "schedule tick", "doctor"),
        "roles/run.viewer",
        ("run.revisions.list",),
    ),
    Need(
        ("run", "services health", "services smoke", "schedule tick", "doctor"),
        "roles/run.invoker",
        ("run.routes.invoke",),
    ),
    Need((*_CHANGES, "flags sync", "flags rollback --env"), "roles/run.developer", ("run.services.update",)),
    Need((*_CHANGES, "flags sync", "flags rollback --env"), "roles/run.viewer", ("run.operations.get",)),
    Need(("services traffic", "services rollback", "services undo"), "roles/run.viewer", ("run.revisions.get",)),
    Need(
        (*_CHANGES, "flags sync", "flags rollback --env", "jobs apply"),
        "roles/iam.serviceAccountUser",
        ("iam.serviceAccounts.actAs",),
    ),
    Need(("doctor",), "roles/datastore.viewer", ("datastore.indexes.list",)),
    Need(
        ("jobs list", "jobs diff", "doctor", "expect", "schedule tick"),
        "roles/cloudscheduler.viewer",
        ("cloudscheduler.jobs.get", "cloudscheduler.jobs.list"),
    ),
    Need(
        ("jobs apply", "jobs undo", "jobs pause", "jobs resume"),
        "roles/cloudscheduler.admin",
        (
            "cloudscheduler.jobs.create",
            "cloudscheduler.jobs.delete",
            "cloudscheduler.jobs.enable",
            "cloudscheduler.jobs.pause",
            "cloudscheduler.jobs.update",
        ),
    ),
    Need(("jobs run",), "roles/cloudscheduler.jobRunner", ("cloudscheduler.jobs.run",)),
    Need(
        ("outbox drive", "schedule tick", "dlq replay", "publish"), "roles/pubsub.publisher", ("pubsub.topics.publish",)
    ),
    Need(("doctor", "publish"), "roles/pubsub.viewer", ("pubsub.topics.list",)),
    Need(
        ("dlq list", "subscriptions list", "publish", "doctor"), "roles/pubsub.viewer", ("pubsub.subscriptions.list",)
    ),
    Need(("dlq list",), "roles/pubsub.subscriber", ("pubsub.subscriptions.consume",)),
    Need(
        ("subscriptions list", "services scale", "services rollback"),
        "roles/monitoring.viewer",
        ("monitoring.timeSeries.list",),
    ),
)


def all_permissions() -> set[str]:
    """Return every permission that some command needs."""
    return {permission for need in NEEDS for permission in need.permissions}

"""A job: what was asked for, how far it is, and its resource.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbactl.testing.bigquery.store import millis

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from nbactl.testing.bigquery.dml import Counts
    from nbactl.testing.bigquery.errors import ApiError
    from nbactl.testing.bigquery.session import Result
    from nbactl.testing.bigquery.store import Name

_AGAIN: Final = 0.02


@dataclass(eq=False)
class Job:
    """A query, a load, or a statement of a script (`parent`)."""

    id: str
    type: str
    configuration: dict[str, Any]
    location: str
    created: datetime
    user: str
    parent: str | None = None
    state: str = "PENDING"
    started: datetime | None = None
    ended: datetime | None = None
    error: ApiError | None = None
    statement: str | None = None
    result: Result | None = None
    counts: Counts | None = None
    children: list[str] = field(default_factory=list)
    bytes_processed: int = 0
    bytes_billed: int = 0
    cache_hit: bool = False
    references: list[Name] = field(default_factory=list)
    changes: Name | None = None
    """The table that a DML statement changes."""
    details: dict[str, Any] = field(default_factory=dict)
    loaded: dict[str, Any] = field(default_factory=dict)
    cursor: DuckDBPyConnection | None = None
    stop: ApiError | None = None
    """Why the job is to end, once it was cancelled or has run out of time."""
    upload: bytes = b""
    held: bool = False
    """Whether it waits for `release_jobs`."""
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that the caller gave."""
        return self.configuration.get("labels") or {}

    @property
    def target(self) -> Name | None:
        """The table that the job writes to, None for one that nobody named."""
        written = self.query.get("destinationTable") or self.configuration.get("load", {}).get("destinationTable")
        written = written or self.details.get("query", {}).get("ddlTargetTable")
        return self.changes if written is None else (written["datasetId"], written["tableId"].partition("$")[0])

    @property
    def query(self) -> dict[str, Any]:
        """The configuration of a query."""
        found: dict[str, Any] = self.configuration.get("query") or {}
        return found

    @property
    def sql(self) -> str:
        """The text of a query, nothing for a load."""
        return str(self.query.get("query", ""))

    def interrupt(self, why: ApiError) -> None:
        """Have the job end, as failed; returns when it has.

        An interrupt ends the statement that is running at that moment only, so it is repeated.
        """
        import duckdb

        if self.state == "DONE":
            return
        self.stop = self.stop or why
        while not self.done.wait(_AGAIN):
            cursor = self.cursor
            if cursor is not None:
                with suppress(duckdb.ConnectionException):  # it was closed at this moment
                    cursor.interrupt()


def reference(project: str, job: Job) -> dict[str, str]:
    """Return what names a job."""
    return {"projectId": project, "jobId": job.id, "location": job.location}


def status(job: Job) -> dict[str, Any]:
    """Return how far a job is; the errors of a script's statements are the script's."""
    if job.error is None:
        return {"state": job.state}
    return {"state": job.state, "errorResult": job.error.proto(), "errors": [job.error.proto()]}


def resource(project: str, job: Job) -> dict[str, Any]:
    """Return a job as jobs.get answers it."""
    return {
        "kind": "bigquery#job",
        "etag": f"{job.id}-{job.state}",
        "id": f"{project}:{job.location}.{job.id}",
        "selfLink": f"https://bigquery.googleapis.com/bigquery/v2/projects/{project}/jobs/{job.id}?location={job.location}",
        "user_email": job.user,
        "jobReference": reference(project, job),
        "configuration": {**job.configuration, "jobType": job.type},
        "status": status(job),
        "statistics": statistics(project, job),
    }


def statistics(project: str, job: Job) -> dict[str, Any]:
    """Return the statistics of a job; numbers of 64 bits are text."""
    found: dict[str, Any] = {"creationTime": millis(job.created)}
    if job.started is not None:
        found["startTime"] = millis(job.started)
    if job.ended is not None:
        found["endTime"] = millis(job.ended)
        found["totalSlotMs"] = str(max(1, int((job.ended - (job.started or job.created)).total_seconds() * 1000)))
    if job.parent is not None:
        found["parentJobId"] = job.parent
    if job.type == "LOAD":
        return found | {"load": job.loaded}
    found["totalBytesProcessed"] = str(job.bytes_processed)
    if job.children:
        found["numChildJobs"] = str(len(job.children))
    query: dict[str, Any] = {
        "statementType": job.statement,
        "totalBytesProcessed": str(job.bytes_processed),
        "totalBytesBilled": str(job.bytes_billed),
        "cacheHit": job.cache_hit,
        "referencedTables": [
            {"projectId": project, "datasetId": dataset, "tableId": table} for dataset, table in job.references
        ],
        **job.details.get("query", {}),
    }
    if job.counts is not None:
        query["numDmlAffectedRows"] = str(job.counts.affected)
        query["dmlStats"] = {
            "insertedRowCount": str(job.counts.inserted),
            "updatedRowCount": str(job.counts.updated),
            "deletedRowCount": str(job.counts.deleted),
        }
    if job.result is not None:
        query["schema"] = {"fields": job.result.fields}
    if "script" in job.details:
        found["scriptStatistics"] = job.details["script"]
    if "transaction" in job.details:
        found["transactionInfo"] = {"transactionId": job.details["transaction"]}
    return found | {"query": query}

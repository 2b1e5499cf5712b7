"""The methods of jobs: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from nbactl.testing.bigquery import job as jobs_
from nbactl.testing.bigquery import loads, names, results, script
from nbactl.testing.bigquery.cache import Cache
from nbactl.testing.bigquery.errors import ApiError, already_there, job_error, not_found
from nbactl.testing.bigquery.execute import Execution, parameters
from nbactl.testing.bigquery.http import offset, token_of
from nbactl.testing.bigquery.job import Job
from nbactl.testing.bigquery.session import Session
from nbactl.testing.bigquery.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.testing.bigquery.access import Access
    from nbactl.testing.bigquery.http import Request
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.store import Store

_PROMPT: Final = 1.0
"""Seconds that jobs.insert waits for the job: clients ask again after a second only."""
_LONG_POLL: Final = 10.0
_LONGEST: Final = 1024 * 1024
"""Characters of a query: https://cloud.google.com/bigquery/quotas#query_jobs."""
_LOOK_AGAIN: Final = 0.02
_MULTI_REGIONS: Final = ("us", "eu")
CANCELLED: Final = "Job execution was cancelled: User requested cancellation"


class Jobs:
    """All jobs, and the threads that run them."""

    def __init__(self, store: Store, limits: Limits, access: Access, user: str) -> None:
        self._access = access
        self.user = user
        self._store = store
        self._limits = limits
        self._transactions = Transactions(store.project, limits)
        self._cache = Cache()
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._requests: dict[str, Job] = {}
        self._threads: list[threading.Thread] = []
        self._held: str | None = None
        self._closing = False

    def all(self) -> list[Job]:
        """Return all jobs, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def hold(self, match: str) -> None:
        """Keep jobs from starting whose text or labels contain `match`."""
        with self._lock:
            self._held = match

    def release(self) -> None:
        """Let the jobs run that were held."""
        with self._lock:
            self._held = None

    def close(self) -> None:
        """End all jobs, and wait for their threads."""
        with self._lock:
            self._closing = True
        self.release()
        for one in self.all():
            if one.parent is None:
                one.interrupt(ApiError("stopped", "The server is closed"))
        for thread in self._threads:
            thread.join()

    # Methods of the REST API

    def insert(self, body: dict[str, Any], upload: bytes = b"") -> dict[str, Any]:
        """Start a job: 409 duplicate if its id is taken. Answers when it is done, or after a while if it is not."""
        configuration = body.get("configuration") or {}
        named = body.get("jobReference") or {}
        made = self._make(configuration, named.get("jobId"), named.get("location"), upload)
        if configuration.get("dryRun"):
            self._run(made)
            self._forget(made)
            if made.error is not None:
                raise job_error(made.error.proto())
            return jobs_.resource(self._store.project, made)
        self._start(made)
        until = time.monotonic() + _PROMPT
        while not made.done.wait(_LOOK_AGAIN) and not made.held and time.monotonic() < until:
            pass
        return jobs_.resource(self._store.project, made)

    def query(self, request: Request) -> dict[str, Any]:
        """Run a query and answer its first rows, if it is done in time: jobs.query."""
        body = request.json
        if (key := body.get("requestId")) is not None and key in self._requests:
            made = self._requests[key]
        else:
            configuration = self._configuration(body)
            made = self._make(configuration, None, body.get("location"), b"")
            if body.get("dryRun"):
                self._run(made)
                self._forget(made)
                if made.error is not None:
                    raise job_error(made.error.proto())
                return self._dry(made)
            if key is not None:
                self._requests[key] = made
            self._start(made)
        made.done.wait(int(body.get("timeoutMs", _LONG_POLL * 1000)) / 1000)
        optional = body.get("jobCreationMode") == "JOB_CREATION_OPTIONAL"
        answer = self._answer(made, body, int(body.get("maxResults", 100_000)), 0, kind="bigquery#queryResponse")
        if optional and answer["jobComplete"] and "pageToken" not in answer:
            del answer["jobReference"]
            answer["jobCreationReason"] = {"code": "OTHER"}
        return answer | {"queryId": made.id, "location": made.location}

    @staticmethod
    def _configuration(body: dict[str, Any]) -> dict[str, Any]:
        query: dict[str, Any] = {
            key: body[key]
            for key in (
                "query", "defaultDataset", "useQueryCache", "useLegacySql", "parameterMode", "queryParameters",
                "maximumBytesBilled", "destinationEncryptionConfiguration",
            )
            if key in body
        }  # fmt: skip
        whole: dict[str, Any] = {key: body[key] for key in ("labels", "dryRun", "jobTimeoutMs") if key in body}
        return {"query": query, **whole}

    def _dry(self, made: Job) -> dict[str, Any]:
        fields = made.result.fields if made.result is not None else []
        return {
            "kind": "bigquery#queryResponse", "schema": {"fields": fields}, "jobComplete": True,
            "totalBytesProcessed": str(made.bytes_processed), "cacheHit": made.cache_hit, "totalRows": "0",
            "jobReference": {"projectId": self._store.project, "location": made.location},
        }  # fmt: skip

    def get(self, request: Request, name: str) -> dict[str, Any]:
        """Return a job."""
        return jobs_.resource(self._store.project, self._known(name, request.parameters.get("location")))

    def cancel(self, request: Request, name: str) -> dict[str, Any]:
        """End a job, and answer it as it is then."""
        known = self._known(name, request.parameters.get("location"))
        known.interrupt(ApiError("stopped", CANCELLED))
        return {"kind": "bigquery#jobCancelResponse", "job": jobs_.resource(self._store.project, known)}

    def delete(self, request: Request, name: str) -> dict[str, Any]:
        """Forget a job that is done."""
        known = self._known(name, request.parameters.get("location"))
        with self._lock:
            for one in (*known.children, known.id):
                self._jobs.pop(one, None)
        return {}

    def results(self, request: Request, name: str) -> dict[str, Any]:
        """Return a page of a query's result, when it is done or the time to wait is over: jobs.getQueryResults."""
        known = self._known(name, request.parameters.get("location"))
        if known.type != "QUERY":
            raise ApiError("invalid", f"Cannot retrieve rows for a job of type {known.type}")
        known.done.wait(request.number("timeoutMs", int(_LONG_POLL * 1000)) / 1000)
        start = request.number("startIndex", 0) + offset(request.parameters.get("pageToken"))
        size = request.number("maxResults", 100_000)
        return self._answer(known, request.parameters, size, start, kind="bigquery#getQueryResultsResponse")

    def listed(self, request: Request) -> dict[str, Any]:
        """Return a page of the jobs, newest first; the jobs of a script with parentJobId only."""
        wanted = request.parameters
        states = {state.upper() for state in wanted.get("stateFilter", "").split(",") if state}
        found = [
            one
            for one in reversed(self.all())
            if one.parent == wanted.get("parentJobId")
            and (not states or one.state in states)
            and int(wanted.get("minCreationTime", 0)) <= int(one.created.timestamp() * 1000)
            and int(one.created.timestamp() * 1000) <= int(wanted.get("maxCreationTime", 2**63))
        ]
        page, token = request.page(found, 50)
        full = wanted.get("projection", "minimal") == "full"
        return {"kind": "bigquery#jobList", "jobs": [self._short(one, full=full) for one in page], **token}

    def _short(self, one: Job, *, full: bool) -> dict[str, Any]:
        whole = jobs_.resource(self._store.project, one)
        error = whole["status"].get("errorResult")
        short = {**whole, "kind": "bigquery#job", "state": one.state, **({"errorResult": error} if error else {})}
        if not full:
            short["configuration"] = {
                "jobType": one.type,
                **{k: v for k, v in one.configuration.items() if k in ("query", "load")},
            }
        return short

    def _known(self, name: str, location: str | None) -> Job:
        """Return a job. One in a region is not found without its location.

        https://cloud.google.com/bigquery/docs/locations#specify_locations
        """
        with self._lock:
            found = self._jobs.get(name)
        project = self._store.project
        if found is None:
            where = f"{location}." if location else ""
            raise not_found("Job", f"{project}:{where}{name}")
        if (location or "us").lower() != found.location.lower() and (
            location is not None or found.location.lower() not in _MULTI_REGIONS
        ):
            raise not_found("Job", f"{project}:{(location or 'US')}.{name}")
        return found

    def _answer(self, known: Job, wanted: Mapping[str, Any], size: int, start: int, *, kind: str) -> dict[str, Any]:
        project = self._store.project
        answer: dict[str, Any] = {
            "kind": kind,
            "jobReference": jobs_.reference(project, known),
            "jobComplete": known.done.is_set(),
            "cacheHit": known.cache_hit,
        }
        if not known.done.is_set():
            return answer
        if known.error is not None:
            raise job_error(known.error.proto())
        result, counts = known.result, known.counts
        answer |= {"totalBytesProcessed": str(known.bytes_processed), "totalRows": "0"}
        if counts is not None:
            answer["numDmlAffectedRows"] = str(counts.affected)
        answer["schema"] = {"fields": result.fields if result is not None else []}
        if result is None:
            return answer
        formats = wanted.get("formatOptions") or {}
        int64 = (
            str(formats.get("useInt64Timestamp", wanted.get("formatOptions.useInt64Timestamp", ""))).lower() == "true"
        )
        page = result.rows[start : start + size]
        answer["totalRows"] = str(len(result.rows))
        if page:
            answer["rows"] = results.rows(result, page, int64_timestamps=int64)
        if start + size < len(result.rows):
            answer["pageToken"] = token_of(start + size)
        return answer

    # How they run

    def _make(self, configuration: dict[str, Any], name: str | None, location: str | None, upload: bytes) -> Job:
        kinds = [kind for kind in ("query", "load") if kind in configuration]
        if len(kinds) != 1:
            raise ApiError("invalid", "Required parameter is missing: configuration.query or configuration.load")
        if kinds == ["query"] and not str((configuration["query"] or {}).get("query") or "").strip():
            raise ApiError("invalid", "Required parameter is missing: query")
        names.check_labels(configuration.get("labels") or {})
        if name is not None:
            names.check_job(name)
        if len(str((configuration.get("query") or {}).get("query") or "")) > _LONGEST:
            raise ApiError(
                "invalid",
                "The query is too large. The maximum standard SQL query length is 1024.00K characters, including "
                "comments and white space characters.",
            )
        now = self._store.clock.now()
        made = Job(
            name or f"job_{uuid.uuid4().hex[:24]}", kinds[0].upper(), configuration, location or self._store.location,
            now, self.user, upload=upload,
        )  # fmt: skip
        with self._lock:
            if made.id in self._jobs:
                raise already_there("Job", f"{self._store.project}:{made.location}.{made.id}")
            self._jobs[made.id] = made
        return made

    def child(self, parent: Job, sql: str) -> Job:
        """Make the job of a script's statement."""
        configuration = {"query": {**parent.query, "query": sql}, "labels": dict(parent.labels)}
        with self._lock:
            name = f"script_job_{uuid.uuid4().hex}_{len(parent.children)}"
            made = Job(name, "QUERY", configuration, parent.location, self._store.clock.now(), self.user, parent.id)
            self._jobs[name] = made
            parent.children.append(name)
        return made

    def _forget(self, made: Job) -> None:
        with self._lock:
            self._jobs.pop(made.id, None)

    def _start(self, made: Job) -> None:
        thread = threading.Thread(target=self._run, args=(made,), name=f"bigquery-{made.id}", daemon=True)
        with self._lock:
            if self._closing:
                self._jobs.pop(made.id)
                raise ApiError("backendError", "The server is closed")
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _is_held(self, made: Job) -> bool:
        """Say whether a job is held: a script by its labels, by its text only the statement that matches."""
        held = self._held
        if held is None:
            return False
        of_load, of_query = made.configuration.get("load", ""), "" if _is_script(made) else made.sql
        return held in f"{'' if made.parent else made.labels} {of_load} {of_query}"

    def wait_while_held(self, made: Job, root: Job) -> None:
        """Keep a job from running while it is held. Raises ApiError if its root is stopped meanwhile."""
        while self._is_held(made) and root.stop is None and not self._closing:
            root.held = True
            time.sleep(_LOOK_AGAIN)
        root.held = False
        if root.stop is not None:
            raise root.stop

    def _run(self, made: Job) -> None:
        made.started, made.state = max(self._store.clock.now(), made.created), "RUNNING"
        timer = self._timer(made)
        try:
            self.wait_while_held(made, made)
            self._execute(made)
        except ApiError as error:
            made.error = error
        except Exception as error:  # noqa: BLE001 - a job whose thread ends without a word would hang its caller
            made.error = made.stop or ApiError(
                "notImplemented", f"The test server failed: {type(error).__name__}: {error}"
            )
        finally:
            if made.error is not None:
                made.result = made.counts = None
            made.ended = max(self._store.clock.now(), made.started)
            made.state = "DONE"
            made.done.set()
            if timer is not None:
                timer.cancel()
                timer.join()

    def _timer(self, made: Job) -> threading.Timer | None:
        """Stop a job whose jobTimeoutMs is over, in real time."""
        limit = made.configuration.get("jobTimeoutMs")
        if not limit:
            return None
        seconds = int(limit) / 1000
        why = ApiError("stopped", f"Job execution was cancelled: Job timed out after {seconds:g}s")
        timer = threading.Timer(seconds, made.interrupt, (why,))
        timer.start()
        return timer

    def _execute(self, made: Job) -> None:
        cursor = self._store.cursor()
        made.cursor = cursor
        try:
            if made.type == "LOAD":
                target = made.configuration["load"]["destinationTable"]
                self._access.check_table("bigquery.tables.updateData", (target["datasetId"], target["tableId"]))
                loads.run(self._store, self._limits, self._transactions, made, cursor)
                return
            if made.query.get("useLegacySql"):
                raise ApiError("notImplemented", "The test server does not know legacy SQL: set useLegacySql to false")
            default = made.query.get("defaultDataset") or {}
            session = Session(
                self._store, self._transactions, cursor, made.location, self._store.clock.now(), self.all, self.user,
                lambda: made.stop is not None, self._access, default.get("datasetId"), parameters(made.query),
            )  # fmt: skip
            session.job_id = made.id
            Execution(session, self._limits, self._cache, made, self).run()
            if made.query.get("destinationTable") and made.result is not None and not made.configuration.get("dryRun"):
                results.write(self._store, self._limits, self._transactions, made, cursor)
        finally:
            made.cursor = None
            cursor.close()


def _is_script(made: Job) -> bool:
    if made.type != "QUERY" or made.parent is not None:
        return False
    try:
        return script.is_script(script.parse(made.sql))
    except ApiError:
        return False

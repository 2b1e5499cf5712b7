"""Jobs as Cloud Scheduler's messages.

https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.cloud import scheduler_v1  # noqa: TID253 - the adapter itself
from google.protobuf.duration_pb2 import Duration  # noqa: TID253 - as above
from google.rpc import code_pb2  # type: ignore[import-untyped]  # noqa: TID253 - as above

from nbactl.errors import DataError
from nbactl.ports.jobs import HttpTarget, JobSpec, ScheduledJob, TopicTarget, UnknownTarget

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.ports.jobs import JobState

_STATES: Final[dict[int, JobState]] = {1: "enabled", 2: "paused", 3: "disabled", 4: "update_failed"}
_OWN_HEADERS: Final = frozenset({"user-agent", "host", "content-length"})
"""Headers that Cloud Scheduler sets itself."""
FIELDS: Final = ("description", "schedule", "time_zone", "attempt_deadline", "retry_config.retry_count")
"""What an update replaces beside the target; all else of a job is kept."""


def read_job(job: Any) -> ScheduledJob:  # noqa: ANN401 - the client's messages are untyped
    """Return a job as it is there."""
    spec = JobSpec(
        job.name.rpartition("/")[2],
        job.schedule,
        job.time_zone,
        _target(job),
        attempt_deadline=job.attempt_deadline.total_seconds() if "attempt_deadline" in job else None,
        retries=job.retry_config.retry_count,
        description=job.description,
        other=_other(job),
    )
    attempted = "last_attempt_time" in job
    code = job.status.code
    return ScheduledJob(
        spec,
        _STATES.get(int(job.state), "enabled"),
        last_attempt_at=_moment(job, "last_attempt_time"),
        last_error=_error(code, job.status.message) if attempted and code else None,
        timed_out=attempted and code == code_pb2.DEADLINE_EXCEEDED,
        next_run_at=_moment(job, "schedule_time"),
        changed_at=_moment(job, "user_update_time"),
    )


def write_job(spec: JobSpec, name: str, project: str) -> Any:  # noqa: ANN401 - as above
    """Return the message of a job under its full name. Raises DataError for a target of unknown kind."""
    fields: dict[str, Any] = {
        "name": name,
        "description": spec.description,
        "schedule": spec.schedule,
        "time_zone": spec.timezone,
        "retry_config": {**spec.other.get("retry_config", {}), "retry_count": spec.retries},
    }
    target = spec.target
    if spec.attempt_deadline is not None and isinstance(target, HttpTarget):
        seconds = int(spec.attempt_deadline)
        fields["attempt_deadline"] = Duration(seconds=seconds, nanos=round((spec.attempt_deadline - seconds) * 1e9))
    if isinstance(target, UnknownTarget):
        raise DataError(f"the target of {spec.name} is of a kind that nbactl cannot write: {target.kind}")
    if isinstance(target, TopicTarget):
        topic = f"projects/{project}/topics/{target.topic}" if "/" not in target.topic else target.topic
        fields["pubsub_target"] = {"topic_name": topic, "data": target.data, "attributes": dict(target.attributes)}
    else:
        fields["http_target"] = _http(target)
    return scheduler_v1.Job(fields)


def target_field(spec: JobSpec) -> str:
    """Return the field of a job's target."""
    return "pubsub_target" if isinstance(spec.target, TopicTarget) else "http_target"


def _http(target: HttpTarget) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "uri": target.url,
        "http_method": target.method,
        "headers": dict(target.headers),
        "body": target.body,
    }
    if target.token == "oidc":  # noqa: S105 - a kind
        fields["oidc_token"] = {"service_account_email": target.account or "", "audience": target.audience or ""}
    elif target.token == "oauth":  # noqa: S105 - a kind
        fields["oauth_token"] = {"service_account_email": target.account or "", "scope": target.audience or ""}
    return fields


def _other(job: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return the settings of retries that JobSpec does not have."""
    found = scheduler_v1.RetryConfig.to_dict(job.retry_config, always_print_fields_with_no_presence=False)
    found.pop("retry_count", None)
    return {"retry_config": found} if found else {}


def _target(job: Any) -> HttpTarget | TopicTarget | UnknownTarget:  # noqa: ANN401 - as above
    if "pubsub_target" in job:
        found = job.pubsub_target
        own = f"{job.name.partition('/locations/')[0]}/topics/"
        return TopicTarget(found.topic_name.removeprefix(own), found.data, dict(found.attributes))
    if "http_target" not in job:
        return UnknownTarget("app_engine" if "app_engine_http_target" in job else "unknown")
    http = job.http_target
    headers = {name: value for name, value in http.headers.items() if name.lower() not in _OWN_HEADERS}
    method = scheduler_v1.HttpMethod(http.http_method).name if http.http_method else "POST"
    if "oidc_token" in http:
        token, account, audience = "oidc", http.oidc_token.service_account_email, http.oidc_token.audience
    elif "oauth_token" in http:
        token, account, audience = "oauth", http.oauth_token.service_account_email, http.oauth_token.scope
    else:
        return HttpTarget(http.uri, method, http.body, headers)
    return HttpTarget(http.uri, method, http.body, headers, token, account or None, audience or None)  # type: ignore[arg-type]


def _error(code: int, message: str) -> str:
    name = code_pb2.Code.Name(code) if code in code_pb2.Code.values() else f"code {code}"
    return f"{name}: {message}" if message else name


def _moment(job: Any, field: str) -> datetime | None:  # noqa: ANN401 - as above
    from datetime import UTC, datetime  # noqa: PLC0415 - a name that the type checker has above

    return datetime.fromtimestamp(getattr(job, field).timestamp(), UTC) if field in job else None

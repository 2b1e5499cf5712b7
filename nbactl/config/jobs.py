"""The model of `jobs:` in workflows.yaml: jobs of the scheduler as they should be, and their checks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from nbactl.config.base import NO_ENTRIES, Strict, Why, at_least, at_most
from nbactl.config.season import Day
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.config.workflows import WorkflowsFile

OWN_SERVICES: Final = ("collector", "processors", "orchestrator", "coordinator", "worker", "exporter")
"""The services of nbactl itself, which jobs may call too."""
PLACEHOLDERS: Final = ("project", "region")
"""What a URL, an account and an audience may name, in braces."""
ALL_PHASES: Final = "daily"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,500}")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_WAYS: Final = ("service", "topic", "url")
_ONLY_WITH: Final = {
    "path": ("service",),
    "method": ("service", "url"),
    "attributes": ("topic",),
}
_NOT_WITH_TOPIC: Final = ("token", "audience", "account", "attempt_deadline")
_SHORTEST, _LONGEST = 15.0, 1800.0
"""Seconds of an attempt: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#Job."""


class JobTarget(Strict):
    """What a job sends: exactly one of a request to a service, a message, and a request to any address."""

    service: str | None = None
    path: str = "/"
    topic: str | None = None
    url: str | None = None
    method: Literal["GET", "POST", "PUT", "DELETE", "PATCH"] = "POST"
    body: dict[str, Any] = NO_ENTRIES
    """JSON: the body of the request, or the message."""
    attributes: dict[str, str] = NO_ENTRIES
    """Of a message."""


class JobPause(Strict):
    """That a job is paused on purpose."""

    reason: Why
    until: Day | None = None
    """The last day, Eastern, on which it is paused; from the next one on it should run."""


class JobDeclaration(Strict):
    """A job of the scheduler as it should be."""

    description: str | None = None
    schedule: str
    """A cron expression of five fields, as Cloud Scheduler takes it."""
    timezone: str = "America/New_York"
    target: JobTarget
    token: Literal["oidc", "oauth", "none"] | None = None
    """By default what the target accepts: oauth for Google's own interfaces, oidc for services, none elsewhere."""
    audience: str | None = None
    """Of an identity token; by default the address of the service, without the path."""
    account: str | None = None
    """The service account of the token."""
    attempt_deadline: str = "scheduler.job"
    """A name in timeouts.yaml: how long the target may take to answer."""
    retries: Annotated[int, at_least(0), at_most(5)] = 0
    paused: JobPause | None = None
    starts: tuple[str, ...] = ()
    """Phases and workflows that do not run without it, beside those of its service or topic; `daily` is all phases."""


def token_of(job: JobDeclaration) -> str:
    """Return the kind of token that a job sends."""
    return usual_token(job.target.service, job.target.url) if job.token is None else job.token


def usual_token(service: str | None, url: str | None) -> str:
    """Return the kind of token that a job sends to a service or an address if it does not say so."""
    if service is not None:
        return "oidc"
    host = re.match(r"https?://([^/:]+)", url or "")
    return "oauth" if host is not None and host[1].endswith(".googleapis.com") else "none"


def check_jobs(file: ConfigFile[WorkflowsFile], timeouts: ConfigFile[TimeoutsFile] | None) -> Iterator[Problem]:
    """Yield the problems."""
    for name, job in file.model.jobs.items():
        path = ("jobs", name)
        if not _NAME.fullmatch(name):
            message = f"'{name}' is not the name of a job: it may hold letters, digits, '-' and '_'"
            yield file.positions.problem(path, message, key=True)
        yield from _times(file, path, job)
        yield from _target(file, path, job)
        yield from _token(file, path, job)
        yield from _starts(file, path, job)
        if timeouts is not None and job.target.topic is None:
            yield from _deadline(file, path, job, timeouts)


def _times(file: ConfigFile[WorkflowsFile], path: tuple[str, str], job: JobDeclaration) -> Iterator[Problem]:
    from nbactl.core.jobs.cron import check_cron, zone_of  # noqa: PLC0415 - only a file that has changed is checked

    if (wrong := check_cron(job.schedule)) is not None:
        yield file.positions.problem((*path, "schedule"), f"'{job.schedule}' is not a schedule: {wrong}")
    if zone_of(job.timezone) is None:
        from zoneinfo import available_timezones  # noqa: PLC0415 - as above

        known = sorted(available_timezones())
        yield file.unknown((*path, "timezone"), job.timezone, known, "not a time zone of the tz database")


def _target(file: ConfigFile[WorkflowsFile], path: tuple[str, str], job: JobDeclaration) -> Iterator[Problem]:
    target, here = job.target, (*path, "target")
    written = file.names(*here)
    ways = [way for way in _WAYS if way in written]
    if len(ways) != 1:
        found = f"this one has {' and '.join(ways)}" if ways else "this one has none"
        yield file.positions.problem(here, f"a target has one of {', '.join(_WAYS)}; {found}", key=True)
        return
    for key, needs in _ONLY_WITH.items():
        if key in written and ways[0] not in needs:
            message = f"{key} has a meaning only together with {' or '.join(needs)}"
            yield file.positions.problem((*here, key), message, key=True)
    if not target.path.startswith("/"):
        yield file.positions.problem((*here, "path"), f"'{target.path}' is not a path: it must begin with /")
    if target.service is not None:
        known = [*file.model.declared_services, *OWN_SERVICES]
        if target.service not in known:
            yield file.unknown((*here, "service"), target.service, known, "not a service that workflows.yaml names")
    all_known = len(file.model.phases) == len(file.names("phases"))
    if target.topic is not None and target.topic not in file.model.topics and all_known:
        yield file.unknown((*here, "topic"), target.topic, sorted(file.model.topics), "not a topic of any phase")
    if target.url is not None and not re.match(r"https?://[^/]", target.url):
        yield file.positions.problem((*here, "url"), f"'{target.url}' is not an address: it must begin with https://")


def _token(file: ConfigFile[WorkflowsFile], path: tuple[str, str], job: JobDeclaration) -> Iterator[Problem]:
    written, kind = file.names(*path), token_of(job)
    if job.target.topic is not None:
        for key in _NOT_WITH_TOPIC:
            if key in written:
                yield file.positions.problem((*path, key), f"{key} has no meaning for a message", key=True)
        return
    if kind != "oidc" and job.audience is not None:
        yield file.positions.problem((*path, "audience"), f"a token of kind {kind} has no audience", key=True)
    if kind == "none" and job.account is not None:
        message = "account has no meaning: the job sends no token"
        yield file.positions.problem((*path, "account"), message, key=True)
    if kind != "none" and job.account is None and file.is_right(*path):
        message = f"a token of kind {kind} needs the account that it is of"
        yield file.positions.problem(path, message, "Add account: NAME@{project}.iam.gserviceaccount.com.", key=True)
    texts = {("target", "url"): job.target.url, ("account",): job.account, ("audience",): job.audience}
    for place, text in texts.items():
        for name in _PLACEHOLDER.findall(text or ""):
            if name not in PLACEHOLDERS:
                yield file.unknown((*path, *place), name, PLACEHOLDERS, "not a placeholder")


def _starts(file: ConfigFile[WorkflowsFile], path: tuple[str, str], job: JobDeclaration) -> Iterator[Problem]:
    known = [ALL_PHASES, *file.names("phases"), *file.names("workflows")]
    for index, name in enumerate(job.starts):
        if name not in known:
            yield file.unknown((*path, "starts", index), name, known, "not a phase or workflow")


def _deadline(
    file: ConfigFile[WorkflowsFile], path: tuple[str, str], job: JobDeclaration, timeouts: ConfigFile[TimeoutsFile]
) -> Iterator[Problem]:
    name, here = job.attempt_deadline, (*path, "attempt_deadline")
    declared = timeouts.names("timeouts")
    if name not in declared:
        yield file.unknown(here, name, declared, f"not under timeouts in {timeouts.positions.file}")
    elif name in timeouts.model.timeouts and not _SHORTEST <= timeouts.model.timeouts[name].limit <= _LONGEST:
        limit = format_duration(timeouts.model.timeouts[name].limit)
        yield file.positions.problem(here, f"{name} is {limit}; Cloud Scheduler takes 15s to 30m")

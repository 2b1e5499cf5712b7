"""Scheduled jobs: what is declared, what is there and what is wrong with it, built from the container."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from nbactl.bootstrap.localrun import is_up
from nbactl.core._support.addresses import host_of, origin_of
from nbactl.errors import DataError, NbactlError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nbactl.adapters.localjobs.runner import LocalJobRunner
    from nbactl.bootstrap.container import Container
    from nbactl.config.jobs import JobDeclaration
    from nbactl.core.jobs.judge import Targets
    from nbactl.core.jobs.model import DeclaredJob, JobStatus, PausedJob
    from nbactl.deployments.jobs import JobChanges
    from nbactl.ports.bus import BusTopology
    from nbactl.ports.documents import Create
    from nbactl.ports.jobs import HttpTarget, JobSpec, TokenKind, TopicTarget

LOCAL_SUFFIX: Final = ".up"
"""What the host of a service of `nbactl up` ends with in the address of a local job."""
ENDPOINT: Final = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER"
"""The variable that sends requests for Cloud Scheduler elsewhere, as it does for gcloud."""
_ERRNO: Final = re.compile(r"^\[Errno -?\d+\] ")
_AT_ONCE: Final = 32
"""Addresses that are asked at the same time."""
_NO_PAGE: Final = 404
_BROKEN: Final = 500


def has_scheduler(app: Container) -> bool:
    """Say whether something sends jobs: here `nbactl up` if it runs, and nothing where the project is an emulator."""
    if app.settings.target == "local":
        return is_up(app)
    return bool(app.environ.get(ENDPOINT)) or not app.environ.get("FIRESTORE_EMULATOR_HOST")


def read_jobs(app: Container) -> list[JobStatus]:
    """Return every job that is declared or there, with what is wrong with it. Raises what the scheduler raises."""
    from nbactl.core.jobs.judge import judge_jobs

    there = app.target.scheduled_jobs(app).list()
    urls = [job.spec.target.url for job in there if hasattr(job.spec.target, "url")]
    services = deployed_addresses(app)
    return judge_jobs(
        declared_jobs(app, services),
        there,
        _pauses(app),
        _targets(app, services, urls, sends_messages=len(urls) < len(there)),
        now=app.clock.now(),
        forgotten_after=app.config.timeouts["scheduler.forgotten"],
    )


def _pauses(app: Container) -> Mapping[str, PausedJob]:
    from nbactl.core.jobs.pauses import read_pauses

    try:
        return read_pauses(app.documents)
    except NbactlError as error:
        app.notice(f"jobs: who paused them, and why, is not known: {error.message}")
        return {}


def make_job_changes(app: Container, by: str) -> JobChanges:
    """Return what changes jobs for an operator."""
    from nbactl.deployments.jobs import JobChanges

    return JobChanges(app.target.scheduled_jobs(app), app.documents, app.clock, app.ids, by)


def declared_jobs(app: Container, services: dict[str, str] | None) -> list[DeclaredJob]:
    """Return the jobs of workflows.yaml; `services` are the addresses of services by name, None if not known.

    On this machine they are those that call a service of `nbactl up`, or send a message.
    """
    from nbactl.core.jobs.model import DeclaredJob, PausedJob

    local = app.settings.target == "local"
    found = []
    for name, job in app.config.workflows.jobs.items():
        if local and not _is_local(job):
            continue
        paused = None if job.paused is None else PausedJob(job.paused.reason, job.paused.until)
        spec = problem = None
        if not local and job.target.service is not None and (services is None or job.target.service not in services):
            known = "the services cannot be read" if services is None else "it is not deployed"
            problem = f"the address of {job.target.service} is not known: {known}"
        else:
            spec = _spec(app, name, job, services or {})
        found.append(DeclaredJob(name, spec, paused, frozenset(_started(app, job)), problem))
    return found


def _is_local(job: JobDeclaration) -> bool:
    from nbactl.config.jobs import OWN_SERVICES

    return job.target.topic is not None or job.target.service in OWN_SERVICES


def _spec(app: Container, name: str, job: JobDeclaration, services: dict[str, str]) -> JobSpec:
    from nbactl.ports.jobs import JobSpec, TopicTarget

    target: HttpTarget | TopicTarget
    body = json.dumps(job.target.body).encode() if job.target.body else b""
    deadline: float | None = None
    if job.target.topic is not None:
        target = TopicTarget(job.target.topic, body, dict(job.target.attributes))
    else:
        target = _request(app, job, services, body)
        deadline = app.config.timeouts[job.attempt_deadline]
    return JobSpec(name, job.schedule, job.timezone, target, deadline, job.retries, job.description or "")


def _request(app: Container, job: JobDeclaration, services: dict[str, str], body: bytes) -> HttpTarget:
    from nbactl.config.jobs import token_of
    from nbactl.ports.jobs import HttpTarget

    places = {"{project}": app.settings.project or "", "{region}": app.settings.region}

    def filled(text: str) -> str:
        for name, value in places.items():
            text = text.replace(name, value)
        return text

    headers = {"Content-Type": "application/json"} if body else {}
    service = job.target.service
    if app.settings.target == "local":
        return HttpTarget(f"http://{service}{LOCAL_SUFFIX}{job.target.path}", job.target.method, body, headers)
    origin = services[service] if service is not None else None
    url = filled(job.target.url or "") if origin is None else f"{origin.rstrip('/')}{job.target.path}"
    kind = cast("TokenKind", token_of(job))
    audience = None
    if kind == "oidc":
        audience = filled(job.audience) if job.audience else origin or origin_of(url)
    account = None if kind == "none" or job.account is None else filled(job.account)
    return HttpTarget(url, job.target.method, body, headers, kind, account, audience)


def _started(app: Container, job: JobDeclaration) -> Iterable[str]:
    """Yield the outputs that nothing makes without a job: tasks of what it starts."""
    from nbactl.config.jobs import ALL_PHASES

    file = app.config.workflows
    names = set(job.starts)
    for name, phase in file.phases.items():
        by_topic = job.target.topic is not None and phase.trigger_topic == job.target.topic
        by_service = job.target.service is not None and phase.service == job.target.service
        if name in names or ALL_PHASES in names or by_topic or by_service:
            yield from (use.task for use in phase.tasks)
    for name, workflow in file.workflows.items():
        if name in names:
            yield from (use.task for use in workflow.tasks)


def make_job_runner(app: Container, address: Callable[[str], str | None]) -> LocalJobRunner:
    """Return what sends the jobs of this machine; `address` gives that of a service of `nbactl up`."""
    from nbactl.adapters.localjobs.runner import Delivery, LocalJobRunner
    from nbactl.core.lease.holder import is_dead, process_identity

    def message(key: str, target: TopicTarget) -> Create:
        try:
            data = json.loads(target.data or b"{}")
        except ValueError as error:
            raise DataError(f"the message of {key} is not JSON", cause=str(error)) from error
        return app.outbox.message(key, target.topic, data, target.attributes)

    return LocalJobRunner(
        app.documents,
        app.clock,
        Delivery(partial(_request_locally, address), message),
        owner=process_identity(app.ids.new("jobs")),
        is_dead=is_dead,
    )


def _request_locally(
    address: Callable[[str], str | None], target: HttpTarget, headers: Mapping[str, str], deadline: float
) -> None:
    import httpx2

    from nbactl.core.calls.http import translated

    service = host_of(target.url).removesuffix(LOCAL_SUFFIX)
    origin = address(service)
    if origin is None:
        raise NotFoundError(f"there is no service {service} in this `nbactl up`")
    path = target.url.removeprefix(origin_of(target.url))
    url = f"{origin}{path}"
    with translated(service):
        answer = httpx2.request(
            target.method, url, content=target.body, headers={**target.headers, **headers}, timeout=deadline
        )
    if answer.status_code >= httpx2.codes.BAD_REQUEST:
        raise UnavailableError(
            f"{service}{path.partition('?')[0]} answered HTTP {answer.status_code}", cause=answer.text[:200]
        )


def apply_local_jobs(app: Container) -> list[str]:
    """Make the jobs of this machine as workflows.yaml declares them; returns what was done, in words."""
    from nbactl.deployments.job_plan import plan_jobs

    changes = make_job_changes(app, "nbactl up")
    steps = plan_jobs(read_jobs(app), app.clock.now(), prune=False)
    return [f"job {step.name}: {' and '.join(step.actions)}" for step in steps if changes.make(step).change is not None]


def started_by(app: Container, status: JobStatus) -> frozenset[str]:
    """Return the outputs that nothing makes without a job; of one that is not declared, by its topic or address."""
    if status.declared is not None:
        return status.declared.starts
    topic = None if status.job is None else getattr(status.job.spec.target, "topic", None)
    phases = app.config.workflows.phases.values()
    return frozenset(use.task for phase in phases if topic and phase.trigger_topic == topic for use in phase.tasks)


def deployed_addresses(app: Container) -> dict[str, str] | None:
    """Return the addresses of the deployed services by name; None on this machine, and if they cannot be read."""
    if app.settings.target == "local":
        return None
    try:
        return {service.name: service.url for service in app.deployed_services.list()}
    except NbactlError as error:
        app.notice(f"jobs: which services there are is not known: {error.message}")
        return None


def _targets(app: Container, services: dict[str, str] | None, urls: Sequence[str], *, sends_messages: bool) -> Targets:
    from nbactl.core.jobs.judge import Targets

    if app.settings.target == "local":  # `nbactl up` creates every topic
        return Targets(None, frozenset(app.config.workflows.topics), tokens=False)
    topics = None
    if sends_messages:
        try:
            topics = frozenset(cast("BusTopology", app.bus).topics())
        except NbactlError as error:
            app.notice(f"jobs: which topics there are is not known: {error.message}")
    known = None if services is None else {url.rstrip("/"): name for name, url in services.items()}
    unknown = sorted({url for url in urls if not _is_known(url, known or {})})
    answers = _probe(app, unknown)
    return Targets(known, topics, answers.get)


def _is_known(url: str, services: dict[str, str]) -> bool:
    """Say whether an address need not be asked: of a service that is there, or of Google's interfaces."""
    return origin_of(url) in services or host_of(url).endswith(".googleapis.com")


def _probe(app: Container, urls: Sequence[str]) -> dict[str, str]:
    """Return why addresses do not answer. They are asked with HEAD and without a token, so that nothing is started."""
    from concurrent.futures import ThreadPoolExecutor

    limit = app.config.timeouts["http.health"]

    def ask(url: str) -> str | None:
        import httpx2

        try:
            status = httpx2.head(url, timeout=limit).status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:  # ValueError: no host can have that name
            return _ERRNO.sub("", str(error)) or type(error).__name__
        return f"HTTP {status}" if status == _NO_PAGE or status >= _BROKEN else None

    if not urls:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(urls), _AT_ONCE)) as pool:
        found = dict(zip(urls, pool.map(ask, urls), strict=True))
    return {url: why for url, why in found.items() if why is not None}

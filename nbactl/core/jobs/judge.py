"""What is wrong with jobs: wrong tokens, dead addresses, pauses that nobody ended, attempts that fail (incident 12).

Google's interfaces take access tokens, services of Cloud Run identity tokens whose audience is their address:
https://cloud.google.com/scheduler/docs/http-target-auth, https://cloud.google.com/run/docs/authenticating.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core._support.addresses import host_of, origin_of
from nbactl.core._support.durations import format_duration
from nbactl.core._support.gamedate import EASTERN
from nbactl.core.jobs.compare import differences
from nbactl.core.jobs.model import JobFinding, JobStatus
from nbactl.frozen import frozen
from nbactl.ports.jobs import HttpTarget, TopicTarget, UnknownTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from nbactl.core.jobs.model import DeclaredJob, PausedJob
    from nbactl.ports.jobs import JobSpec, ScheduledJob

_RUN: Final = (".run.app", ".cloudfunctions.net")
_GOOGLE: Final = ".googleapis.com"


@frozen
class Targets:
    """What is known of what jobs send to. `services` has names by address, `topics` the topics that there are.

    Either is None if it could not be read. `unanswered` says why an address does not answer, None if it does or if
    nothing was found out. Without `tokens` (on this machine) no token is judged.
    """

    services: Mapping[str, str] | None
    topics: frozenset[str] | None
    unanswered: Callable[[str], str | None] = lambda _: None
    tokens: bool = True


def judge_jobs(
    declared: Sequence[DeclaredJob],
    jobs: Sequence[ScheduledJob],
    pauses: Mapping[str, PausedJob],
    targets: Targets,
    *,
    now: datetime,
    forgotten_after: float,
) -> list[JobStatus]:
    """Return every job that is declared or there, by name. `pauses` are those that operators recorded.

    A pause without an end counts as forgotten after `forgotten_after` seconds.
    """
    wanted = {job.name: job for job in declared}
    there = {job.spec.name: job for job in jobs}
    judge = _Judge(pauses, targets, now, forgotten_after)
    return [judge.status(name, wanted.get(name), there.get(name)) for name in sorted(wanted.keys() | there.keys())]


@frozen
class _Judge:
    pauses: Mapping[str, PausedJob]
    targets: Targets
    now: datetime
    forgotten_after: float

    @property
    def today(self) -> date:
        return self.now.astimezone(EASTERN).date()

    def status(self, name: str, declared: DeclaredJob | None, job: ScheduledJob | None) -> JobStatus:
        if job is None:
            missing = (self._missing(name, declared),) if declared is not None else ()
            return JobStatus(name, declared, None, findings=missing)
        spec = None if declared is None else declared.spec
        differing = () if spec is None else differences(spec, job.spec)
        dead = self._dead(job.spec, _mend(declared, name))
        pause, since = self._pause(declared, job)
        mend = _mend(declared, name)
        findings = [
            *([dead] if dead is not None else []),
            *self._token(job.spec, declared),
            *self._not_running(job, pause, since, mend),
            *self._last_attempt(job, mend),
        ]
        shown = {finding.kind for finding in findings}
        if differing and not {"token", "audience"} & shown:
            keys = ", ".join(difference.key for difference in differing)
            findings.append(JobFinding("differs", f"{keys} not as declared", ("jobs", "apply", name)))
        if declared is not None and declared.problem is not None:
            findings.append(JobFinding("dead", declared.problem, ()))
        answers = False if dead is not None else self._answers(job.spec)
        return JobStatus(name, declared, job, differing, tuple(findings), pause, since, answers)

    def _missing(self, name: str, declared: DeclaredJob | None) -> JobFinding:
        if declared is not None and declared.problem is not None:
            return JobFinding("dead", declared.problem, ())
        return JobFinding("missing", "declared, and not there", ("jobs", "apply", name))

    def _answers(self, spec: JobSpec) -> bool | None:
        known = self.targets
        if isinstance(spec.target, TopicTarget):
            return None if known.topics is None else True
        return True if isinstance(spec.target, HttpTarget) else None

    def _dead(self, spec: JobSpec, mend: tuple[str, ...]) -> JobFinding | None:
        target, topics = spec.target, self.targets.topics
        if isinstance(target, UnknownTarget):
            return JobFinding("unknown_kind", f"its target is of a kind that nbactl does not know: {target.kind}", ())
        if isinstance(target, TopicTarget):
            if topics is None or target.topic in topics or "/" in target.topic:
                return None
            return JobFinding("dead", f"there is no topic {target.topic}", mend)
        why = self.targets.unanswered(target.url)
        return None if why is None else JobFinding("dead", f"{target.url} does not answer: {why}", mend)

    def _token(self, spec: JobSpec, declared: DeclaredJob | None) -> Iterator[JobFinding]:
        target = spec.target
        if not isinstance(target, HttpTarget) or not self.targets.tokens:
            return
        mend = _mend(declared, spec.name)
        host, origin = host_of(target.url), origin_of(target.url)
        if host.endswith(_GOOGLE):
            if target.token != "oauth":  # noqa: S105 - a kind
                yield JobFinding("token", f"it sends {_kind(target)}, and {host} takes an OAuth token", mend)
            return
        service = (self.targets.services or {}).get(origin)
        if service is None and not host.endswith(_RUN):
            return
        what = service or host
        if target.token != "oidc":  # noqa: S105 - a kind
            yield JobFinding("token", f"it sends {_kind(target)}, and {what} takes an identity token (OIDC)", mend)
            return
        audience = target.audience or target.url
        if host.endswith(".cloudfunctions.net"):
            right = audience.rstrip("/") in (target.url.partition("?")[0].rstrip("/"), origin)
        else:
            right = audience.rstrip("/") == origin
        if not right:
            yield JobFinding("audience", f"its token is for {audience}, and {what} takes one for {origin}", mend)

    def _pause(self, declared: DeclaredJob | None, job: ScheduledJob) -> tuple[PausedJob | None, datetime | None]:
        if job.state != "paused":
            return None, None
        wanted = None if declared is None else declared.paused
        recorded = self.pauses.get(job.spec.name)
        since = recorded.at if recorded is not None else job.last_attempt_at or job.changed_at
        return recorded or wanted, since

    def _not_running(
        self, job: ScheduledJob, pause: PausedJob | None, since: datetime | None, mend: tuple[str, ...]
    ) -> Iterator[JobFinding]:
        if job.state in ("disabled", "update_failed"):
            yield JobFinding("disabled", f"its state is {job.state}: it does not run", mend)
        if job.state != "paused":
            return
        mend = ("jobs", "resume", job.spec.name)
        when = "" if since is None else f" since {since.astimezone(EASTERN):%Y-%m-%d}"
        if pause is None:
            yield JobFinding("paused", f"paused{when}, and nobody said why", mend)
        elif pause.until is not None and pause.until < self.today:
            yield JobFinding("paused", f"paused{when} until {pause.until} ({pause.reason}), which is over", mend)
        elif pause.until is None and pause.at is not None:
            seconds = (self.now - pause.at).total_seconds()
            if seconds > self.forgotten_after:
                long = format_duration(seconds // 86_400 * 86_400)
                yield JobFinding("paused", f"paused for {long} without an end ({pause.reason})", mend)

    def _last_attempt(self, job: ScheduledJob, mend: tuple[str, ...]) -> Iterator[JobFinding]:
        if job.last_error is None:
            return
        at = "" if job.last_attempt_at is None else f" at {job.last_attempt_at.astimezone(EASTERN):%Y-%m-%d %H:%M}"
        if job.timed_out:
            limit = "" if job.spec.attempt_deadline is None else f" of {format_duration(job.spec.attempt_deadline)}"
            text = f"the last attempt{at} took longer than its deadline{limit}"
            yield JobFinding("deadline", text, mend)
        else:
            text = f"the last attempt{at} failed: {job.last_error}"
            yield JobFinding("failing", text, ("jobs", "run", job.spec.name))


def _mend(declared: DeclaredJob | None, name: str) -> tuple[str, ...]:
    """Return the words of the command that makes a job as declared; one that is not must be declared first."""
    return ("jobs", "import") if declared is None else ("jobs", "apply", name)


def _kind(target: HttpTarget) -> str:
    kinds = {"oidc": "an identity token (OIDC)", "oauth": "an OAuth token", "none": "no token"}
    return kinds[target.token]

"""A job of the scheduler: what is declared, what is there, who paused it, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from datetime import date, datetime

    from nbactl.ports.jobs import JobSpec, ScheduledJob

FindingKind = Literal[
    "missing", "token", "audience", "dead", "paused", "disabled", "failing", "deadline", "differs", "unknown_kind"
]


@frozen
class PausedJob:
    """That a job is paused on purpose. `until` is the last day, Eastern; None if nobody said.

    One that workflows.yaml declares has neither `by` nor `at`.
    """

    reason: str
    until: date | None = None
    by: str | None = None
    at: datetime | None = None


@frozen
class DeclaredJob:
    """A job as workflows.yaml declares it. `spec` is None where `problem` says why it cannot be made.

    `starts` are the names of the phases and workflows that do not run without it.
    """

    name: str
    spec: JobSpec | None
    paused: PausedJob | None = None
    starts: frozenset[str] = frozenset()
    problem: str | None = None


@frozen
class Difference:
    """A setting that is not as declared, as texts; None is one that is not set."""

    key: str
    there: str | None
    wanted: str | None


@frozen
class JobFinding:
    """What is wrong with a job, in one sentence without a full stop, and the words of the command that mends it."""

    kind: FindingKind
    text: str
    mend: tuple[str, ...]


@frozen
class JobStatus:
    """A job. `declared` is None for one that workflows.yaml does not have, `job` for one that is not there.

    `pause` says why it is paused, as far as that is known, and `paused_since` since when at the latest.
    `answers` is what is known of its target: True, False, or None where nothing was found out.
    """

    name: str
    declared: DeclaredJob | None
    job: ScheduledJob | None
    differences: tuple[Difference, ...] = ()
    findings: tuple[JobFinding, ...] = ()
    pause: PausedJob | None = None
    paused_since: datetime | None = None
    answers: bool | None = None

    @property
    def is_paused(self) -> bool:
        """Whether it does not run by itself."""
        return self.job is not None and self.job.state != "enabled"

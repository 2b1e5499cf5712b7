"""Whether a finished task is still fresh: what it read, what it wrote and its code are as the ledger has them.

`docs/freshness.md` has the rule in a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from nbactl.frozen import frozen
from nbactl.workflows.works import place_of, work_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.compute import Versions, Work
    from nbactl.workflows.model import RunRecord, StaleOn, TaskRecord
    from nbactl.workflows.settling import Settling
    from nbactl.workflows.works import Target

_SOURCE: Final = "source:"
_RAW: Final = "raw:"
_NAMED: Final = 3
"""How many games or partitions a reason names."""


class CurrentVersions(Protocol):
    """What tasks would read now, and what is there of what they wrote."""

    def current(self, works: Mapping[str, Work], days: Sequence[date]) -> Mapping[tuple[str, date], Versions]:
        """Return the versions by task name and date: one query per table for all dates.

        A task that cannot say what it reads is left out; a resource that cannot be asked without work (a server) is
        missing from `reads`; what is gone is missing from `writes`.
        """
        ...

    def changed(self, work: Work, day: date, since: datetime) -> Sequence[str]:
        """Return what the task reads that changed after `since`, such as `nba_raw.games 2025-01-14`, oldest first."""
        ...

    def changed_in_source(self, works: Collection[Work]) -> date | None:
        """Return the first date that a run collected and of which the source now has something else."""
        ...


class NoVersions:
    """The versions where nothing can be said of any task, as on a target that runs services."""

    def current(
        self,
        works: Mapping[str, Work],  # noqa: ARG002
        days: Sequence[date],  # noqa: ARG002
    ) -> Mapping[tuple[str, date], Versions]:
        return {}

    def changed(self, work: Work, day: date, since: datetime) -> Sequence[str]:  # noqa: ARG002
        return ()

    def changed_in_source(self, works: Collection[Work]) -> date | None:  # noqa: ARG002
        return None


@frozen
class Judgement:
    """What is said of a finished task. `why` is for programs, `text` for people."""

    state: Literal["fresh", "stale", "incomplete"]
    why: Literal["", "gone", "replaced", "input", "code", "unrecorded", "early", "incomplete"] = ""
    text: str = ""

    @property
    def reason(self) -> str | None:
        """The state with its reason: `stale: nba_raw.games 2025-01-14 changed`; None of what is fresh."""
        return f"{self.state}: {self.text}" if self.text else None


FRESH: Final = Judgement("fresh")
EARLY: Final = Judgement("stale", "early", "it ran before its date was settled")


def judge(
    task: TaskRecord,
    day: date,
    now: Versions | None,
    stale_on: StaleOn,
    *,
    settled: bool,
    changed: Callable[[datetime], Sequence[str]],
) -> Judgement:
    """Judge a task that is done by its recorded versions and those of `now`, None where nobody can say.

    Nobody can say it of what a deployed service did: services do not report their versions.

    `changed` names the partitions that the task reads and that changed since a time. A date that is not `settled` is
    not incomplete: its games are still to be played.
    """
    found = None if now is None or task.by_service else _stale(task, day, now, stale_on, changed)
    if found is None and settled and task.incomplete:
        return Judgement("incomplete", "incomplete", listed(task.incomplete, "; "))
    return found or FRESH


@frozen
class Freshness:
    """Judges finished runs, of any number of dates by one query of their versions.

    `versions` opens what answers; it is called when there is something to judge.
    """

    workflows: WorkflowsFile
    target: Target
    versions: Callable[[], CurrentVersions]
    settling: Settling
    in_process: bool = False
    """Whether tasks run in process though the target is gcp."""

    def judge(
        self, runs: Collection[RunRecord], stale_on: StaleOn = "both", *, names_inputs: bool = True
    ) -> dict[str, dict[str, Judgement]]:
        """Return the judgement of each task that is done and declared, by run id and task.

        With `names_inputs` there is one more query for each task with a changed input: which partitions changed.
        """
        done = [run for run in runs if any(task.status.done for task in run.tasks)]
        if not done:
            return {}
        works = {name: work for run in done for name, work in self._works(run).items()}
        versions = self.versions()
        current = versions.current(works, sorted({run.game_date.day for run in done}))
        return {
            run.run_id: {
                task.name: self._judge(
                    task, works[task.name], run.game_date, current, stale_on, versions if names_inputs else NoVersions()
                )
                for task in run.tasks
                if task.status.done and task.name in works
            }
            for run in done
        }

    def _works(self, run: RunRecord) -> Mapping[str, Work]:
        declared = [task.name for task in run.tasks if task.name in self.workflows.tasks]
        place = place_of(self.target, in_process=self.in_process)
        works = {name: work_of(self.workflows.tasks[name], place) for name in declared}
        return {name: work for name, work in works.items() if work is not None}

    def _judge(  # noqa: PLR0917 - what a judgement depends on
        self,
        task: TaskRecord,
        work: Work,
        day: GameDate,
        current: Mapping[tuple[str, date], Versions],
        stale_on: StaleOn,
        versions: CurrentVersions,
    ) -> Judgement:
        settled = self.settling.is_over(day)
        found = judge(
            task,
            day.day,
            current.get((task.name, day.day)),
            stale_on,
            settled=settled,
            changed=lambda since: versions.changed(work, day.day, since),
        )
        early = settled and not self.settling.is_final(task, day)
        return EARLY if early and found.state != "stale" else found


_WORST_FIRST: Final = ("gone", "replaced", "input", "code", "unrecorded", "early", "incomplete", "")


def worst(judgements: Iterable[Judgement]) -> Judgement:
    """Return what weighs most: an output that is gone before any other; FRESH of nothing."""
    return min(judgements, key=lambda found: _WORST_FIRST.index(found.why), default=FRESH)


def is_of_one_date(resource: str) -> bool:
    """Say whether only runs of its own date read the resource: what the source gives, and raw files."""
    return resource.startswith((_SOURCE, _RAW))


def listed(names: Sequence[str], separator: str = ", ") -> str:
    """Return the first names in one line, with the number of the others."""
    rest = len(names) - _NAMED
    return separator.join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _stale(
    task: TaskRecord, day: date, now: Versions, stale_on: StaleOn, changed: Callable[[datetime], Sequence[str]]
) -> Judgement | None:
    then = task.versions
    if then is None:
        return Judgement("stale", "unrecorded", "it finished before versions were recorded")
    for resource, version in then.writes.items():
        if resource not in now.writes:
            return Judgement("stale", "gone", f"{_partition(resource, day)} is gone")
        if now.writes[resource] != version:
            return Judgement("stale", "replaced", f"{_partition(resource, day)} is not what this run wrote")
    if stale_on != "code":
        differing = [resource for resource, version in now.reads.items() if then.reads.get(resource) != version]
        if differing:
            since = changed(task.started_at) if task.started_at is not None else ()
            return Judgement("stale", "input", f"{_inputs(differing, day, since)} changed")
    if stale_on != "data" and then.code != now.code:
        return Judgement("stale", "code", "its code changed")
    return None


def _inputs(differing: Sequence[str], day: date, changed: Iterable[str]) -> str:
    """Return the inputs that changed: the source before raw files before tables, which are named by partition."""
    if given := [resource for resource in differing if resource.startswith(_SOURCE)]:
        earlier = [resource.partition(" ")[2] for resource in given]
        return "the source" if not all(earlier) else f"the source of {listed(sorted(set(earlier)))}"
    if raw := [resource for resource in differing if resource.startswith(_RAW)]:
        return listed([_partition(resource, day) for resource in raw])
    partitions = [name for name in changed if name.partition(" ")[0] in differing]
    return listed(partitions or sorted(differing))


def _partition(resource: str, day: date) -> str:
    if resource.startswith(_RAW):
        dataset, _, earlier = resource.removeprefix(_RAW).partition(" ")
        return f"the raw file of {dataset} {earlier or day}"
    return f"{resource} {day}"

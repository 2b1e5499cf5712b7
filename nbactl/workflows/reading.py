"""Runs and tasks as documents hold them, and those documents that hold something else.

A ledger may hold what a newer nbactl wrote, or what was damaged. Fields that are not known are left alone; anything
else that is not as expected makes the run unreadable. It is named, and hides no other run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.errors import DataError, NotFoundError, UsageError
from nbactl.frozen import frozen
from nbactl.ports.compute import Versions
from nbactl.workflows.model import RunRecord, RunStatus, TaskRecord, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbactl.ports.documents import Document

    Check = Callable[[Any], bool]

_LONGEST_VALUE: Final = 60
_TASK_NAME: Final = re.compile(r"(?!\.{1,2}$|__)[^/\x00]{1,200}")


@frozen
class Unreadable:
    """A run whose document, or that of one of its tasks, cannot be read. What is known of it is not None."""

    run_id: str
    problem: str
    name: str | None = None
    game_date: GameDate | None = None
    source: str | None = None
    started_at: datetime | None = None

    @property
    def message(self) -> str:
        """What is wrong, in one sentence."""
        return f"{self.run_id} cannot be read: {self.problem}"

    def error(self) -> DataError:
        """Return the error of what has to decide about this run."""
        again = f"nbactl run {self.name} --date {self.game_date} --force" if self.name and self.game_date else None
        return DataError(
            self.message,
            cause="A newer nbactl wrote it, or it was damaged.",
            next_step="Update nbactl." + (f" If that does not help, run it afresh: {again}" if again else ""),
            details={"run_id": self.run_id},
        )


class Past(Mapping[tuple[str, GameDate], RunRecord]):
    """The newest run of each name and date. To ask for one that cannot be read raises DataError."""

    def __init__(self, newest: Mapping[tuple[str, GameDate], RunRecord | Unreadable]) -> None:
        self._newest = newest

    def __getitem__(self, key: tuple[str, GameDate]) -> RunRecord:
        found = self._newest[key]
        if isinstance(found, Unreadable):
            raise found.error()
        return found

    def __iter__(self) -> Iterator[tuple[str, GameDate]]:
        return (key for key, found in self._newest.items() if isinstance(found, RunRecord))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def started_afresh(self, names: set[str]) -> Past:
        """Return the past without the unreadable runs of these names."""
        kept = {
            key: found
            for key, found in self._newest.items()
            if isinstance(found, RunRecord) or key[0] not in names
        }  # fmt: skip
        return Past(kept)


def read_run(document: Document) -> RunRecord | Unreadable:
    """Return the run of a document, without its tasks."""
    try:
        data = document.data
    except DataError as error:
        return Unreadable(document.id, error.message.partition(": ")[2])
    problem = _problem(data, _RUN_FIELDS)
    if problem is None and data["run_id"] != document.id:
        problem = f"its run_id is {data['run_id']!r}"
    if problem is not None:
        return _unreadable(document.id, data, problem)
    return RunRecord(
        run_id=data["run_id"],
        name=data["name"],
        kind=data["kind"],
        game_date=GameDate(date.fromisoformat(data["game_date"])),
        source=data["source"],
        target=data["target"],
        status=RunStatus(data["status"]),
        started_at=data["started_at"],
        finished_at=data["finished_at"],
        correlation_id=data["correlation_id"],
        owner=data["owner"],
        resumed_from=data["resumed_from"],
        group=data["group"],
        reason=data["reason"],
        mode=data["mode"],
        lease=data["lease"],
        requested=tuple(data.get("requested", ())),
        source_spec=data.get("source_spec"),
        decision_id=data.get("decision_id"),
        dismissed=data.get("dismissed"),
    )


def read_task(document: Document) -> TaskRecord:
    """Return the task of a document. Raises DataError."""
    data = document.data
    if problem := _problem(data, _TASK_FIELDS):
        raise DataError(f"{document.path}: {problem}")
    return TaskRecord(
        name=data["name"],
        required=data["required"],
        status=TaskStatus(data["status"]),
        attempts=data["attempt"],
        started_at=data["started_at"],
        finished_at=data["finished_at"],
        rows=data["rows"],
        error=data["error"],
        reason=data["reason"],
        carried_from=data["carried_from"],
        detail=data["detail"],
        versions=Versions(**found) if (found := data.get("versions")) is not None else None,
        incomplete=tuple(data.get("incomplete", ())),
    )


def with_tasks(
    run: RunRecord | Unreadable, names: Sequence[str], documents: Sequence[Document | None]
) -> RunRecord | Unreadable:
    """Return a run with its tasks, whose documents are in the order of their names."""
    if isinstance(run, Unreadable):
        return run
    tasks = []
    for name, document in zip(names, documents, strict=True):
        try:
            task = None if document is None else read_task(document)
            problem = "there is no document of it"
        except DataError as error:
            task, problem = None, error.message.partition(": ")[2]
        if task is None:
            known = (run.name, run.game_date, run.source, run.started_at)
            return Unreadable(run.run_id, f"task {name}: {problem}", *known)
        tasks.append(task)
    return replace(run, tasks=tuple(tasks))


def is_newer(run: RunRecord | Unreadable, other: RunRecord | Unreadable) -> bool:
    """Say whether one was started after the other; by their ids, which are sorted by time, if that is not known."""
    if run.started_at is None or other.started_at is None:
        return run.run_id > other.run_id
    return (run.started_at, run.run_id) > (other.started_at, other.run_id)


def no_run(run: str) -> NotFoundError:
    """Return the error of an id that no run has."""
    return NotFoundError(f"no run '{run}'", next_step="List them: nbactl runs list")


def not_one_run(group: str) -> UsageError:
    """Return the error of a group that was given where one run is asked for."""
    step = f"Choose one: nbactl runs list --group {group}"
    return UsageError(f"{group} is a group of runs, and this takes one run", next_step=step)


def _unreadable(run_id: str, data: Mapping[str, Any], problem: str) -> Unreadable:
    known = {name: data[name] if not _problem(data, {name: _RUN_FIELDS[name]}) else None for name in _KNOWN}
    day = known["game_date"]
    known["game_date"] = GameDate(date.fromisoformat(day)) if day is not None else None
    return Unreadable(run_id, problem, **known)


_KNOWN: Final = ("name", "game_date", "source", "started_at")


def _problem(data: Mapping[str, Any], fields: Mapping[str, tuple[Check, str]]) -> str | None:
    """Return what is wrong with the first field that is not as expected."""
    for name, (is_right, wanted) in fields.items():
        if name not in data:
            if name not in _OPTIONAL:
                return f"its {name} is missing"
        elif not is_right(data[name]):
            shown = repr(data[name])
            shown = shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}…"
            return f"its {name} is {shown}, not {wanted}"
    return None


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _day(value: object) -> bool:
    try:
        return isinstance(value, str) and str(date.fromisoformat(value)) == value
    except ValueError:
        return False


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _versions(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"code", "reads", "writes"}
        and isinstance(value["code"], str)
        and all(
            isinstance(value[name], dict) and all(isinstance(item, str) for item in value[name].values())
            for name in ("reads", "writes")
        )
    )


def _task_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and _TASK_NAME.fullmatch(item) for item in value)


def _or_nothing(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _one_of(known: Sequence[str]) -> tuple[Check, str]:
    return lambda value: isinstance(value, str) and value in known, f"one of {', '.join(known)}"


def _is(kind: type) -> Check:
    return lambda value: isinstance(value, kind)


_TIME: Final = (_is(datetime), "a time")
_TIME_OR_NOTHING: Final = (_or_nothing(_is(datetime)), "a time or nothing")
_TEXT: Final = (_text, "a text")
_TEXT_OR_NOTHING: Final = (_or_nothing(_is(str)), "a text or nothing")
_OPTIONAL: Final = ("requested", "source_spec", "decision_id", "dismissed", "versions", "incomplete")
_RUN_FIELDS: Final[Mapping[str, tuple[Check, str]]] = {
    "run_id": _TEXT,
    "name": _TEXT,
    "kind": _one_of(("phase", "workflow", "task")),
    "game_date": (_day, "a date"),
    "source": _TEXT,
    "target": _TEXT,
    "status": _one_of([status.value for status in RunStatus]),
    "started_at": _TIME,
    "finished_at": _TIME_OR_NOTHING,
    "correlation_id": _TEXT,
    "owner": _TEXT,
    "resumed_from": _TEXT_OR_NOTHING,
    "group": _TEXT_OR_NOTHING,
    "reason": _TEXT_OR_NOTHING,
    "mode": _one_of(("parallel", "sequential")),
    "lease": (_is(str), "a text"),
    "requested": (_texts, "a list of texts"),
    "task_order": (_task_names, "a list of names"),
    "source_spec": _TEXT_OR_NOTHING,
    "decision_id": _TEXT_OR_NOTHING,
    "dismissed": (_or_nothing(_is(dict)), "a map or nothing"),
}
_TASK_FIELDS: Final[Mapping[str, tuple[Check, str]]] = {
    "name": _TEXT,
    "required": (_is(bool), "true or false"),
    "status": _one_of([status.value for status in TaskStatus]),
    "attempt": (_count, "a whole number"),
    "started_at": _TIME_OR_NOTHING,
    "finished_at": _TIME_OR_NOTHING,
    "rows": (_or_nothing(_count), "a whole number or nothing"),
    "error": (_or_nothing(_is(dict)), "a map or nothing"),
    "reason": _TEXT_OR_NOTHING,
    "carried_from": _TEXT_OR_NOTHING,
    "detail": (_is(dict), "a map"),
    "versions": (_or_nothing(_versions), "versions or nothing"),
    "incomplete": (_texts, "a list of texts"),
}

"""The runs that a board shows, read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.workflows.model import RunRecord, RunStatus
from nbactl.workflows.reading import Past, Unreadable, is_newer, read_run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.documents import Document

    Entry = RunRecord | Unreadable
    ReadTasks = Callable[[Sequence[Document]], Sequence[Entry]]
    Latest = Callable[[Collection[str]], Past]


class BoardRuns:
    """The newest runs of all, those of a date, and those recorded as running.

    `read_tasks` reads the tasks of runs; `latest` looks up names of the date where `of_date` is not all of it.
    """

    def __init__(
        self,
        date: GameDate,
        recent: Sequence[Document],
        of_date: Sequence[Document],
        running: Sequence[Document],
        *,
        undated: Iterable[Unreadable],
        read_tasks: ReadTasks,
        latest: Latest | None,
        notice: Callable[[Unreadable], None],
    ) -> None:
        self._documents = {document.id: document for document in (*recent, *of_date, *running)}
        entries = {run_id: read_run(document) for run_id, document in self._documents.items()}
        self._notice = notice
        self._read_tasks = read_tasks
        self._latest = latest
        self._of_date = [*(entries[document.id] for document in of_date), *undated]
        self._date = date
        self.recent = self._readable(entries[document.id] for document in recent)
        self.of_date = self._readable(entries[document.id] for document in of_date)
        running_now = (entries[document.id] for document in running)
        self.unfinished = [run for run in self._readable(running_now) if run.status is RunStatus.RUNNING]

    def past(self, names: Collection[str], source: str) -> Past:
        """Return the last started run of each name for the date."""
        newest: dict[tuple[str, GameDate], Entry] = {}
        for entry in self._of_date:
            if (
                entry.name is None
                or entry.name not in names
                or entry.game_date != self._date
                or entry.source not in (source, None)
            ):
                continue
            key = (entry.name, self._date)
            if key not in newest or is_newer(entry, newest[key]):
                newest[key] = entry
        found = self._whole(entry for entry in newest.values() if isinstance(entry, RunRecord))
        whole = {entry.run_id: entry for entry in found}
        for key, entry in newest.items():
            newest[key] = whole.get(entry.run_id, entry)
            if isinstance(newest[key], Unreadable):
                self._readable([newest[key]])
        missing = set(names) - {name for name, _ in newest}
        if self._latest is not None and missing:
            newest.update(self._latest(missing).items())
        return Past(newest)

    def with_tasks(self, heads: Iterable[RunRecord]) -> list[RunRecord]:
        """Return the runs with their tasks."""
        return self._readable(self._whole(heads))

    def _whole(self, heads: Iterable[RunRecord]) -> Sequence[Entry]:
        return self._read_tasks([self._documents[run.run_id] for run in heads])

    def _readable(self, entries: Iterable[Entry]) -> list[RunRecord]:
        found = []
        for entry in entries:
            if isinstance(entry, Unreadable):
                self._notice(entry)
            else:
                found.append(entry)
        return found

"""Compare what writers were told with what the store holds: 0 lost, 0 counted twice, 0 overwritten."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbactl.core._support.ids import decode_id
from nbactl.ports.documents import Query
from tests.proof.old_code import BATCHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from nbactl.ports.documents import Document, DocumentStore
    from tests.proof.journal import Entry


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that must not be."""

    kind: str
    batch: str
    player: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the store has to hold by the stage at the end: `array`, `documents`, or both.

    `counted_by_old_code` are the batches where old code was at work: it adds to the sum of predictions with each
    delivery, and nothing on record tells by how much too often.
    """

    array: bool
    documents: bool
    counted_by_old_code: frozenset[str] = frozenset()


@dataclass(slots=True)
class Told:
    """The journals, by batch."""

    tried: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    done: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    failed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    new: Counter[tuple[str, str]] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    first_tried: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    first_told: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    saw: list[Entry] = field(default_factory=list)

    @property
    def unanswered(self) -> list[tuple[str, str]]:
        """Completions of which nobody was told that they are recorded."""
        return sorted((batch, player) for batch, tried in self.tried.items() for player in tried - self.done[batch])


def read_journals(entries: Iterable[Entry]) -> Told:
    """Return what all writers tried and were told."""
    told = Told()
    for entry in entries:
        if entry.what == "saw":
            told.saw.append(entry)
            continue
        told.finished[entry.batch] += entry.finished is True
        if entry.verb == "fail":
            if entry.new:
                told.failed[entry.batch].add(entry.player)
        elif entry.what == "tried":
            told.tried[entry.batch].add(entry.player)
            _earliest(told.first_tried[entry.batch], entry)
        elif entry.what == "told":
            told.done[entry.batch].add(entry.player)
            told.new[entry.batch, entry.player] += entry.new is True
            _earliest(told.first_told[entry.batch], entry)
    return told


def _earliest(times: dict[str, int], entry: Entry) -> None:
    times[entry.player] = min(entry.at, times.get(entry.player, entry.at))


class Watched:
    """The completion documents that were there at some moment: none may go, and none may change."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._seen: dict[str, datetime] = {}

    def look(self) -> None:
        """Take in what is there now."""
        for batch in self._store.list_ids(BATCHES):
            for document in self._store.query(Query(f"{BATCHES}/{batch}/completions")):
                self._seen.setdefault(document.path, document.create_time)

    def damages(self) -> Iterator[Damage]:
        """Yield what became of the documents since."""
        paths = list(self._seen)
        for start in range(0, len(paths), 300):
            part = paths[start : start + 300]
            for path, found in zip(part, self._store.get_all(part), strict=True):
                batch, player = path.split("/")[1], decode_id(path.split("/")[3])
                if found is None:
                    yield Damage("lost", batch, player, "its document was there, and is gone")
                elif found.create_time != self._seen[path]:
                    yield Damage("overwritten", batch, player, "its document was made a second time")


class Checker:
    """Looks for damage in a store in which nobody writes any more.

    `predictions` is what each player completes with, in whichever batch.
    """

    def __init__(self, store: DocumentStore, told: Told, expected: Expected, predictions: Mapping[str, int]) -> None:
        self._store = store
        self._told = told
        self._expected = expected
        self._predictions = predictions

    def damages(self) -> Iterator[Damage]:
        """Yield everything that is amiss."""
        for batch in sorted(set(self._told.tried) | set(self._store.list_ids(BATCHES))):
            document = self._store.get(f"{BATCHES}/{batch}")
            if document is None:
                yield Damage("lost", batch, detail="the batch itself")
            else:
                yield from self._batch(batch, document.data)
        for batch, times in sorted(self._told.finished.items()):
            if times > 1:
                yield Damage("finished twice", batch, detail=f"{times} calls were told that they had completed it")
        yield from self._seen_wrong()

    def _batch(self, batch: str, data: dict[str, Any]) -> Iterator[Damage]:
        listed: list[str] = data.get("completed_players", [])
        documents = {decode_id(each.id): each for each in self._store.query(Query(f"{BATCHES}/{batch}/completions"))}
        array = set(listed) if self._expected.array else set()
        completed = array | set(documents) if self._expected.documents else array
        done = self._told.done[batch]
        if self._expected.documents:
            yield from (Damage("lost", batch, player, "no document") for player in sorted(done - documents.keys()))
        if self._expected.array:
            yield from (Damage("lost", batch, player, "not in the array") for player in sorted(done - array))
            for player, times in sorted(Counter(listed).items()):
                if times > 1:
                    yield Damage("counted twice", batch, player, f"{times} times in the array")
        for player in sorted(completed - self._told.tried[batch]):
            yield Damage("invented", batch, player, "nobody ever tried to record it")
        for player in sorted(completed):
            if self._told.new[batch, player] > 1:
                yield Damage("counted twice", batch, player, f"told to be new {self._told.new[batch, player]} times")
        yield from self._overwritten(batch, documents)
        yield from self._miscounted(batch, data, completed)
        yield from self._badly_ended(batch, data, completed)

    def _overwritten(self, batch: str, documents: dict[str, Document]) -> Iterator[Damage]:
        for player, document in sorted(documents.items()):
            if document.update_time != document.create_time:
                yield Damage("overwritten", batch, player, "its document was changed after it was made")
            held, right = document.data.get("predictions_count"), self._predictions.get(player)
            if held != right:
                yield Damage("overwritten", batch, player, f"{held!r} predictions instead of {right}")
            if document.data.get("player_lookup") != player:
                yield Damage("overwritten", batch, player, f"it is of {document.data.get('player_lookup')!r}")

    def _miscounted(self, batch: str, data: dict[str, Any], completed: set[str]) -> Iterator[Damage]:
        carriers = [data, *(each.data for each in self._store.query(Query(f"{BATCHES}/{batch}/counters")))]
        counted = sum(each.get("completed_count", 0) for each in carriers)
        if counted != len(completed):
            kind = "counted twice" if counted > len(completed) else "not counted"
            yield Damage(kind, batch, detail=f"the counter says {counted}, there are {len(completed)}")
        total = sum(each.get("total_predictions", 0) for each in carriers)
        right = sum(self._predictions.get(player, 0) for player in completed)
        if total < right or (total > right and batch not in self._expected.counted_by_old_code):
            yield Damage("miscounted predictions", batch, detail=f"the sum says {total}, they are {right}")

    def _badly_ended(self, batch: str, data: dict[str, Any], completed: set[str]) -> Iterator[Damage]:
        stored = set(data.get("failed_players", []))
        for player in sorted(self._told.failed[batch] - completed - stored):
            yield Damage("lost", batch, player, "its failure")
        out, ended = len(completed | stored), bool(data.get("is_complete"))
        if ended != (out >= data["expected_players"]):
            yield Damage("unfinished", batch, detail=f"{out} of {data['expected_players']}, is_complete is {ended}")

    def _seen_wrong(self) -> Iterator[Damage]:
        """Yield each progress that showed less than was told before it was asked for, or more than was tried."""
        told_at = {batch: sorted(times.values()) for batch, times in self._told.first_told.items()}
        tried_at = {batch: sorted(times.values()) for batch, times in self._told.first_tried.items()}
        for entry in self._told.saw:
            least = bisect_left(told_at.get(entry.batch, []), entry.began)
            most = bisect_left(tried_at.get(entry.batch, []), entry.at)
            if not least <= entry.completed <= most:
                detail = f"{entry.completed} shown, between {least} and {most} is right"
                yield Damage("seen wrong", entry.batch, detail=detail)

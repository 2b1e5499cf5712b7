"""Refill: put back into the array who has a completion of their own, so that those who read the array see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import COMPLETED_PLAYERS
from nbactl.core.completions.stages import CompletionStage
from nbactl.migrations.completions.compare import compare
from nbactl.migrations.completions.selection import Selection, next_chunk, number_of_batches
from nbactl.migrations.progress import Meter
from nbactl.ports.documents import ArrayUnion, Update

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.migrations.completions.batch import Batch
    from nbactl.migrations.work import Work
    from nbactl.ports.documents import DocumentStore

_AT_ONCE: Final = 500
"""Players that one commit adds: small enough for any limit, and whole or not at all."""


@dataclass(frozen=True, slots=True)
class Refilled:
    """What was put back."""

    batches: int
    players: int

    def __add__(self, other: Refilled) -> Refilled:
        """Return both in one."""
        return Refilled(self.batches + other.batches, self.players + other.players)


def refill(store: DocumentStore, work: Work, phase: str) -> Refilled:
    """Go over all batches, a checkpoint a chunk; returns what was put back, by those before an interruption as well."""
    selection = Selection()
    fresh = {"after": None, "more": True, "seen": 0, "batches": 0, "players": 0}
    checkpoint = work.begin("refill", phase, cursor=fresh)
    cursor = dict(checkpoint.cursor)
    total = number_of_batches(store, selection)
    meter = Meter(work.clock, "rollback", phase, done=cursor["seen"], total=total)
    while cursor["more"]:
        work.may_go_on(meter)
        with store.snapshot() as snapshot:
            chunk = next_chunk(snapshot, selection, cursor["after"], snapshot.read_time)
            compared = [
                compare(snapshot, each, CompletionStage.DUAL_WRITE_STOPPED, payloads=False) for each in chunk.documents
            ]
        for comparison in compared:
            lacking = sorted(comparison.completed - comparison.batch.players)
            if lacking:
                put_back(store, comparison.batch, lacking)
                cursor |= {"batches": cursor["batches"] + 1, "players": cursor["players"] + len(lacking)}
        cursor |= {"after": chunk.after, "more": chunk.more, "seen": cursor["seen"] + len(chunk.documents)}
        checkpoint = work.save(checkpoint, cursor, {"after": chunk.after})
        work.observe(meter.at(cursor["seen"], {"put back": cursor["players"]}))
    return Refilled(cursor["batches"], cursor["players"])


def put_back(store: DocumentStore, batch: Batch, players: Sequence[str]) -> None:
    """Add players to the array of a batch; those who are in it already stay as they are."""
    for some in _parts(players):
        store.commit([Update(batch.path, {COMPLETED_PLAYERS: ArrayUnion(some)})])
        reach("migration.put_back")


def _parts(players: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(players), _AT_ONCE):
        yield tuple(players[start : start + _AT_ONCE])

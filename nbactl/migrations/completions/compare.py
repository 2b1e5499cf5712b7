"""Array against subcollection of one batch: sets of ids, their payloads, and the counter (invariant 3)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from nbactl.core._support.ids import encode_id
from nbactl.core.completions.documents import COMPLETED_COUNT, is_count
from nbactl.core.completions.stages import CompletionStage
from nbactl.migrations.completions.batch import Batch, Unreadable, damage_of, player_names, read_batch, shown
from nbactl.ports.documents import Query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbactl.ports.documents import Document, Reader

WITHOUT_ARRAY = frozenset({CompletionStage.DUAL_WRITE_STOPPED, CompletionStage.CLEANED})
"""Stages in which the array no longer has to have what the subcollection has."""


@dataclass(frozen=True, slots=True)
class PlayerOf:
    """A player of a batch."""

    batch: str
    player: str


@dataclass(frozen=True, slots=True)
class Different:
    """A completion whose payloads differ between the two sides."""

    batch: str
    player: str
    array: int
    subcollection: Any


@dataclass(frozen=True, slots=True)
class CounterDrift:
    """A counter that is not the number of completions. `counter` is the stored value, None if it is missing."""

    batch: str
    counter: Any
    actual: int


@dataclass(slots=True)
class Findings:
    """Everything that is wrong. `missing` lacks in the subcollection, `extra` lacks in the array."""

    missing: list[PlayerOf] = field(default_factory=list)
    extra: list[PlayerOf] = field(default_factory=list)
    different: list[Different] = field(default_factory=list)
    counter_drift: list[CounterDrift] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(self.counts().values())

    def __bool__(self) -> bool:
        return len(self) > 0

    def add(self, other: Findings) -> None:
        """Take over what another comparison found."""
        for kind in fields(self):
            getattr(self, kind.name).extend(getattr(other, kind.name))

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return the findings under the keys of the command's JSON."""
        return {kind.name: [asdict(entry) for entry in getattr(self, kind.name)] for kind in fields(self)}

    def counts(self) -> dict[str, int]:
        """Return the number of findings by kind."""
        return {kind.name: len(getattr(self, kind.name)) for kind in fields(self)}


def union(parts: Iterable[Findings]) -> Findings:
    """Return all findings as one."""
    together = Findings()
    for findings in parts:
        together.add(findings)
    return together


@dataclass(frozen=True, slots=True)
class BatchComparison:
    """A batch, both sides at one moment.

    `completed`: players with a document. `digest` covers everything that was read; it is 0 if payloads were not.
    """

    batch: Batch
    completed: frozenset[str]
    documents: Mapping[str, Document]
    findings: Findings
    digest: int


def compare(reader: Reader, document: Document, stage: CompletionStage, *, payloads: bool = True) -> BatchComparison:
    """Compare both sides of a batch, as `reader` sees them.

    With `payloads` the completions themselves are read if the batch has payloads to compare them with (then they are
    in `documents`); otherwise only their ids are.
    """
    batch = read_batch(document, array_expected=stage not in WITHOUT_ARRAY)
    problems = list(batch.problems)
    documents: dict[str, Document] = {}
    if batch.damaged:  # what its players and counters should be is unknown
        return BatchComparison(batch, frozenset(), documents, Findings(unreadable=problems), 0)
    if payloads and batch.payloads:
        named = {document.id: document for document in reader.query(Query(batch.completions))}
        players = player_names(iter(named), batch, problems)
        completed = frozenset(players)
        for player in completed:
            found = named[player if player in named else encode_id(player)]
            if (damage := damage_of(found)) is None:
                documents[player] = found
            else:
                problems.append(Unreadable(batch.id, "completions", shown(player), damage))
    else:
        completed = frozenset(player_names(reader.list_ids(batch.completions), batch, problems))
    findings = Findings(
        missing=[PlayerOf(batch.id, player) for player in sorted(batch.players - completed)],
        extra=[PlayerOf(batch.id, player) for player in sorted(completed - batch.players)]
        if stage not in WITHOUT_ARRAY
        else [],
        different=_different(batch, documents, problems),
    )
    counter = counter_of(reader, batch)
    actual = len(completed | batch.players)
    if not is_count(counter) or counter != actual:
        findings.counter_drift.append(CounterDrift(batch.id, counter, actual))
    findings.unreadable.extend(problems)
    digest = _digest(batch, completed, documents, counter) if payloads else 0
    return BatchComparison(batch, completed, documents, findings, digest)


def counter_of(reader: Reader, batch: Batch) -> Any:  # noqa: ANN401 - any stored value
    """Return a batch's counter with its shards. A value that is not a count is returned as stored, None if missing."""
    if not batch.shards or not is_count(batch.counter):
        return batch.counter
    found = reader.get_all([batch.shard(shard) for shard in range(batch.shards)])
    parts = [None if shard is None or damage_of(shard) else shard.data.get(COMPLETED_COUNT) for shard in found]
    for part in parts:
        if not is_count(part):
            return part
    return batch.counter + sum(part for part in parts if is_count(part))


def _different(batch: Batch, documents: Mapping[str, Document], problems: list[Unreadable]) -> list[Different]:
    different = []
    for player, document in documents.items():
        stored, count = document.data.get("player_lookup"), document.data.get("predictions_count")
        if stored != player:
            reason = f"the document of {shown(player)} names another player"
            problems.append(Unreadable(batch.id, "player_lookup", shown(stored), reason))
        expected = batch.payloads.get(player)
        if expected is not None and (count != expected or not is_count(count)):
            different.append(Different(batch.id, player, expected, count))
    return different


def _digest(batch: Batch, completed: frozenset[str], documents: Mapping[str, Document], counter: object) -> int:
    """Return a number that changes with any content of the batch.

    Those of several batches are added up (modulo 2**256), so that they may be read in any order.
    """
    hashed = sha256(batch.path.encode())
    hashed.update(f"\n{counter!r}\n".encode())
    for players in (batch.players, completed):
        hashed.update("\n".join(sorted(players)).encode(errors="surrogatepass"))
        hashed.update(b"\n\n")
    for player in sorted(batch.payloads.keys() | documents.keys()):
        held = documents[player].data.get("predictions_count") if player in documents else None
        hashed.update(f"{player}\t{batch.payloads.get(player)}\t{held!r}\n".encode(errors="surrogatepass"))
    return int.from_bytes(hashed.digest(), "big")

"""The document of a batch as the migration reads it: everything that can be used, and everything that cannot."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import decode_id, encode_id, is_plain
from nbactl.core.completions.documents import (
    COMPLETED_COUNT,
    COMPLETED_PLAYERS,
    COUNTER_SHARDS,
    MAX_SHARDS,
    PREDICTIONS_BY_PLAYER,
    TOTAL_PREDICTIONS,
    TOTAL_PREDICTIONS_SUBCOLL,
    is_count,
    player_of_key,
)
from nbactl.errors import DataError
from nbactl.ports.documents import Document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCUMENT: Final = "document"
"""The field of an `Unreadable` that is a whole document."""
_SHOWN: Final = 80
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stored value that is not the completion, id or number it should be. `value` is its text, cut short."""

    batch: str
    field: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A parsed batch document.

    `players` are the usable ids of the array, `rest` the same in stored order without duplicates; `has_array` says
    whether there is an array. `payloads` are predictions by player, `payload_keys` their keys in the batch. `counter`
    is the stored value, which may not be a number; None if it is missing. `problems` name everything that is unusable.
    `damaged`: nothing of the document can be read, and `document` is empty.
    """

    id: str
    path: str
    document: Document
    game_date: GameDate | None
    active: bool
    has_array: bool
    players: frozenset[str]
    rest: tuple[str, ...]
    payloads: Mapping[str, int]
    payload_keys: Mapping[str, str]
    counter: Any
    shards: int
    problems: tuple[Unreadable, ...]
    damaged: bool = False

    @property
    def completions(self) -> str:
        """The collection of its completions."""
        return f"{self.path}/completions"

    def completion(self, player: str) -> str:
        """Return the path of a player's completion, even if the batch's own name is not a valid id."""
        return f"{self.path}/completions/{encode_id(player)}"

    def shard(self, number: int) -> str:
        """Return the path of a counter shard."""
        return f"{self.path}/counters/{number}"


def read_batch(document: Document, *, array_expected: bool) -> Batch:
    """Parse a batch's document; never raises, whatever it contains.

    `array_expected`: a batch without the array is a problem.
    """
    problems: list[Unreadable] = []
    if (damage := damage_of(document)) is not None:
        document = Document(document.path, {}, document.create_time, document.update_time)
    batch_id = _id(document, problems)
    if damage is not None:
        problems.append(Unreadable(batch_id, DOCUMENT, "", damage))
        return Batch(
            id=batch_id,
            path=document.path,
            document=document,
            game_date=None,
            active=True,
            has_array=False,
            players=frozenset(),
            rest=(),
            payloads={},
            payload_keys={},
            counter=None,
            shards=0,
            problems=tuple(problems),
            damaged=True,
        )
    data = document.data
    array = data.get(COMPLETED_PLAYERS, _MISSING)
    rest = _players(batch_id, array, problems, expected=array_expected)
    payloads, payload_keys = _payloads(batch_id, data.get(PREDICTIONS_BY_PLAYER), problems)
    _check_totals(batch_id, data, problems)
    return Batch(
        id=batch_id,
        path=document.path,
        document=document,
        game_date=_game_date(batch_id, data.get("game_date", _MISSING), problems),
        active=data.get("is_complete") is not True,
        has_array=isinstance(array, list),
        players=frozenset(rest),
        rest=rest,
        payloads=payloads,
        payload_keys=payload_keys,
        counter=data.get(COMPLETED_COUNT),
        shards=_shards(batch_id, data.get(COUNTER_SHARDS, 0), problems),
        problems=tuple(problems),
    )


def damage_of(document: Document) -> str | None:
    """Return why nothing of a document can be read, None if it can."""
    try:
        document.data  # noqa: B018 - a damaged document refuses it
    except DataError as error:
        return error.message.partition(": ")[2]
    return None


def shown(value: object) -> str:
    """Return a value as a report shows it, cut short."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _id(document: Document, problems: list[Unreadable]) -> str:
    try:
        batch_id = decode_id(document.id)
    except DataError as error:
        problems.append(Unreadable(document.id, "id", shown(document.id), error.message))
        return document.id
    stored = document.data.get("batch_id", batch_id)
    if stored != batch_id:
        problems.append(Unreadable(batch_id, "batch_id", shown(stored), f"this is the document of {batch_id}"))
    return batch_id


def _players(batch: str, array: object, problems: list[Unreadable], *, expected: bool) -> tuple[str, ...]:
    if not isinstance(array, list):
        if array is not _MISSING:
            problems.append(Unreadable(batch, COMPLETED_PLAYERS, shown(array), "is not an array"))
        elif expected:
            problems.append(Unreadable(batch, COMPLETED_PLAYERS, "", "the batch has no such field"))
        return ()
    usable = []
    for player in array:
        reason = _why_no_id(player)
        if reason is None:
            usable.append(player)
        else:
            problems.append(Unreadable(batch, COMPLETED_PLAYERS, shown(player), reason))
    if len(different := dict.fromkeys(usable)) < len(usable):
        problems.extend(
            Unreadable(batch, COMPLETED_PLAYERS, shown(player), f"is in the array {times} times")
            for player, times in Counter(usable).items()
            if times > 1
        )
    return tuple(different)


def _why_no_id(player: object) -> str | None:
    if is_plain(player):
        return None
    if player is None:
        return "is null"
    if not isinstance(player, str):
        return f"is not a string but {type(player).__name__}"
    try:
        encode_id(player)
    except DataError as error:
        return "is empty" if not player else f"cannot name a document: {error.cause}"
    return None


def _payloads(batch: str, value: object, problems: list[Unreadable]) -> tuple[dict[str, int], dict[str, str]]:
    if value is None:
        return {}, {}
    if not isinstance(value, dict):
        problems.append(Unreadable(batch, PREDICTIONS_BY_PLAYER, shown(value), "is not a map"))
        return {}, {}
    usable, keys = {}, {}
    for key, count in value.items():
        player = player_of_key(key)
        if is_count(count):
            usable[player], keys[player] = count, key
        else:
            reason = f"the predictions of {shown(player)} are not a number from 0 up"
            problems.append(Unreadable(batch, PREDICTIONS_BY_PLAYER, shown(count), reason))
    return usable, keys


def _check_totals(batch: str, data: Mapping[str, Any], problems: list[Unreadable]) -> None:
    """Report totals that are not counts. Old batches may have none, which is not a problem."""
    problems.extend(
        Unreadable(batch, field, shown(data[field]), "is not a number from 0 up")
        for field in (TOTAL_PREDICTIONS, TOTAL_PREDICTIONS_SUBCOLL)
        if field in data and not is_count(data[field])
    )


def _shards(batch: str, value: object, problems: list[Unreadable]) -> int:
    if is_count(value) and value <= MAX_SHARDS:
        return value
    problems.append(Unreadable(batch, COUNTER_SHARDS, shown(value), f"is not a number from 0 to {MAX_SHARDS}"))
    return 0


def _game_date(batch: str, value: object, problems: list[Unreadable]) -> GameDate | None:
    try:
        return GameDate(date.fromisoformat(value))  # type: ignore[arg-type]  # anything else is refused here
    except (TypeError, ValueError):
        text = "" if value is _MISSING else shown(value)
        problems.append(Unreadable(batch, "game_date", text, "is not YYYY-MM-DD"))
        return None


def player_names(names: Iterator[str], batch: Batch, problems: list[Unreadable]) -> Iterator[str]:
    """Yield the players of documents by their names; an invalid name goes to `problems`."""
    for name in names:
        if "%" not in name:
            yield name
            continue
        try:
            yield decode_id(name)
        except DataError as error:
            problems.append(Unreadable(batch.id, "completions", shown(name), error.message))

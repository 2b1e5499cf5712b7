"""Batches and completions as documents: their paths and fields, and what is refused in them.

No value in a document is silently replaced by a default. A missing array of players is an empty one, because
batches that are made after dual-write stopped have none and Firestore's own transforms read it so. Times and the
correlation id may be missing: nothing is counted by them. Old batches may lack their counters: these are counted from
what the batch holds. Everything else that is missing, and everything of the wrong type, is a DataError which names
document and field.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, TypeGuard
from zlib import crc32

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import decode_id, encode_id
from nbactl.errors import ContentionError, DataError, NotFoundError
from nbactl.ports.documents import SERVER_TIME

if TYPE_CHECKING:
    from nbactl.ports.documents import Document, Reader

BATCHES: Final = "prediction_batches"
BATCH_RESETS: Final = "batch_resets"

COMPLETED_PLAYERS: Final = "completed_players"
FAILED_PLAYERS: Final = "failed_players"
PREDICTIONS_BY_PLAYER: Final = "predictions_by_player"
COMPLETED_COUNT: Final = "completed_count"
TOTAL_PREDICTIONS: Final = "total_predictions"
TOTAL_PREDICTIONS_SUBCOLL: Final = "total_predictions_subcoll"
"""What old programs add predictions to while they write only the subcollection; it counts with `total_predictions`."""
UPDATED_AT: Final = "updated_at"
RESET_AT: Final = "reset_at"
"""When the batch was reset; a batch that was not, or was restored, does not have it."""
"""When a batch changed last, for the old programs' rule of stalled batches."""
COUNTER_SHARDS: Final = "counter_shards"

MAX_SHARDS: Final = 100
"""More shards would cost more to read than they save in contention."""


def batch_path(batch_id: str) -> str:
    """Return the path of a batch."""
    return f"{BATCHES}/{encode_id(batch_id)}"


def completions_of(batch_id: str) -> str:
    """Return the collection of a batch's completions."""
    return f"{batch_path(batch_id)}/completions"


def completion_path(batch_id: str, player_lookup: str) -> str:
    """Return the path of a completion."""
    return f"{completions_of(batch_id)}/{encode_id(player_lookup)}"


def shard_path(batch_id: str, shard: int) -> str:
    """Return the path of a counter shard."""
    return f"{batch_path(batch_id)}/counters/{shard}"


def shard_of(player_lookup: str, shards: int) -> int:
    """Return the shard that counts a player."""
    return crc32(player_lookup.encode()) % shards


def batch_document(
    batch_id: str,
    game_date: GameDate,
    expected_players: int,
    correlation_id: str,
    *,
    with_array: bool,
    shards: int,
) -> dict[str, Any]:
    """Return a batch without completions. A batch that expects no players is complete."""
    array: dict[str, Any] = {COMPLETED_PLAYERS: []} if with_array else {}
    sharded: dict[str, Any] = {COUNTER_SHARDS: shards} if shards else {}
    return {
        "batch_id": batch_id,
        "game_date": str(game_date),
        "expected_players": expected_players,
        **array,
        FAILED_PLAYERS: [],
        COMPLETED_COUNT: 0,
        TOTAL_PREDICTIONS: 0,
        "is_complete": expected_players == 0,
        "start_time": SERVER_TIME,
        "completion_time": SERVER_TIME if expected_players == 0 else None,
        "correlation_id": correlation_id,
        UPDATED_AT: SERVER_TIME,
        **sharded,
    }


def shard_document() -> dict[str, Any]:
    """Return a counter shard that has counted nothing."""
    return {COMPLETED_COUNT: 0, TOTAL_PREDICTIONS: 0}


def completion_document(player_lookup: str, predictions_count: int) -> dict[str, Any]:
    """Return a completion as of now."""
    return {"player_lookup": player_lookup, "completed_at": SERVER_TIME, "predictions_count": predictions_count}


def earlier_completion(batch: Document, player_lookup: str, predictions_count: int | None) -> dict[str, Any]:
    """Return the document of a completion that so far only the array has; None where its predictions are not noted."""
    # The array does not say when a player completed; this is the latest possible time.
    ended = batch.data.get("completion_time")
    return {
        "player_lookup": player_lookup,
        "completed_at": ended if isinstance(ended, datetime) else batch.update_time,
        "predictions_count": predictions_count,
        "backfilled_at": SERVER_TIME,
    }


def noted_predictions(batch: Document) -> dict[str, int]:
    """Return the predictions that a batch notes beside its array, by player.

    Values that are not counts are left out.
    """
    noted = batch.data.get(PREDICTIONS_BY_PLAYER)
    if not isinstance(noted, dict):
        return {}
    return {player_of_key(key): value for key, value in noted.items() if is_count(value)}


def player_of_key(key: str) -> str:
    """Return the player of a key of `predictions_by_player`: the tracker escapes ids there, old code did not."""
    if "%" not in key:
        return key
    try:
        return decode_id(key)
    except DataError:
        return key


def is_count(value: object) -> TypeGuard[int]:
    """Say whether `value` is an integer from 0 up."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def required_batch(reader: Reader, batch_id: str) -> Document:
    """Return the document of a batch. Raises NotFoundError if there is none."""
    batch = reader.get(batch_path(batch_id))
    if batch is None:
        raise missing_batch(batch_id)
    return batch


def batch_id_of(document: Document) -> str:
    """Return the id of a batch. Raises DataError if its document says another one."""
    batch_id = decode_id(document.id)
    stored = document.data.get("batch_id", batch_id)
    if stored != batch_id:
        raise bad_field(document, "batch_id", f"is {stored!r}, but the document is that of {batch_id!r}")
    return batch_id


def count_of(document: Document, field: str) -> int:
    """Return a counter. Raises DataError unless it is an integer from 0 up."""
    value = document.data.get(field)
    if value is None:
        raise bad_field(document, field, "is missing" if field not in document.data else "is null")
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad_field(document, field, f"is {value!r}, not an integer")
    if value < 0:
        raise bad_field(document, field, f"is {value}, which is below 0")
    return value


def total_of(batch: Document) -> int:
    """Return the predictions that the document of a batch has counted, those of subcollection-only writers included.

    An old batch without the counter has the predictions that it notes by player.
    """
    own = (
        count_of(batch, TOTAL_PREDICTIONS)
        if TOTAL_PREDICTIONS in batch.data
        else sum(noted_predictions(batch).values())
    )
    return own + (count_of(batch, TOTAL_PREDICTIONS_SUBCOLL) if TOTAL_PREDICTIONS_SUBCOLL in batch.data else 0)


def shards_of(document: Document) -> int:
    """Return how many counter shards a batch has, 0 if it counts in its own document."""
    if COUNTER_SHARDS not in document.data:
        return 0
    shards = count_of(document, COUNTER_SHARDS)
    if shards > MAX_SHARDS:
        raise bad_field(document, COUNTER_SHARDS, f"is {shards}; at most {MAX_SHARDS} are of use")
    return shards


def has_array(document: Document) -> bool:
    """Say whether a batch was begun with the array of players, or given it since."""
    return COMPLETED_PLAYERS in document.data


def listed_players(document: Document) -> frozenset[str]:
    """Return the array of completed players without its unusable elements, where progress is not read from it."""
    value = document.data.get(COMPLETED_PLAYERS)
    if not isinstance(value, list):
        return frozenset()
    return frozenset(player for player in value if isinstance(player, str) and player)


def players_of(document: Document, field: str) -> frozenset[str]:
    """Return an array of players as a set: a player who is in it twice counts once.

    Raises DataError for a value that is not an array, and for an element that is not a player id.
    """
    value = document.data.get(field, [])
    if not isinstance(value, list):
        raise bad_field(document, field, f"is a {type(value).__name__}, not an array")
    players = frozenset(player for player in value if isinstance(player, str) and player)
    if len(players) < len(value):
        for index, player in enumerate(value):
            if not isinstance(player, str) or not player:
                raise bad_field(document, field, f"has {player!r} at index {index}, which is not a player id")
    return players


def game_date_of(document: Document) -> GameDate:
    """Return the game date of a batch."""
    value = document.data.get("game_date")
    try:
        return GameDate(date.fromisoformat(value))  # type: ignore[arg-type]  # anything else is refused below
    except (TypeError, ValueError) as error:
        raise bad_field(document, "game_date", f"is {value!r}, not YYYY-MM-DD") from error


def flag_of(document: Document, field: str) -> bool:
    """Return a boolean."""
    value = document.data.get(field)
    if not isinstance(value, bool):
        raise bad_field(document, field, f"is {value!r}, not true or false")
    return value


def instant_of(document: Document, field: str) -> datetime | None:
    """Return a time, None where there is none."""
    value = document.data.get(field)
    if value is not None and not isinstance(value, datetime):
        raise bad_field(document, field, f"is {value!r}, not a time")
    return value


def text_of(document: Document, field: str) -> str | None:
    """Return a text, None where there is none."""
    value = document.data.get(field)
    if value is not None and not isinstance(value, str):
        raise bad_field(document, field, f"is {value!r}, not a text")
    return value


def missing_batch(batch_id: str) -> NotFoundError:
    """Return the error for a batch that does not exist."""
    return NotFoundError(
        f"there is no batch '{batch_id}'",
        cause="It was not created, or this is another project's store.",
        next_step="List them: nbactl batches list",
        details={"batch_id": batch_id},
    )


def batch_changed(batch_id: str) -> ContentionError:
    """Return the error for a batch that other writers keep changing."""
    return ContentionError(
        f"the batch {batch_id} was changed by another writer each time it was read",
        cause="Many players complete at the same moment.",
        next_step="Try again; nothing was recorded in part.",
    )


def bad_field(document: Document, field: str, what: str) -> DataError:
    """Return the error for an invalid field; `what` follows its name."""
    return DataError(
        f"{document.path}: {field} {what}",
        cause="The progress of the batch cannot be computed from this document.",
        next_step="List all problems: nbactl migrate completions --validate",
        details={"path": document.path, "field": field},
    )

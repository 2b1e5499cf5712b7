"""What a prediction batch has in the document store beside its completions.

| document | what it holds |
|---|---|
| `prediction_batches/{batch}` | the tracker's fields, and those of `START` below |
| `…/players/{n}` | who is expected, a thousand players a document, in the order in which they are requested |
| `…/inputs/{player}` | the inputs of a player, where they are too large for a message |
| `…/staged/{player}` | the rows that a worker made, until the batch is merged |
| `…/failures/{player}` | why a player has no prediction |
| `rejected_messages/{key}` | a message that belongs to no batch |
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.ids import decode_id, encode_id
from nbactl.core.completions.documents import UPDATED_AT, batch_path
from nbactl.errors import DataError
from nbactl.frozen import frozen
from nbactl.ports.documents import SERVER_TIME, Create, Query, Set, Update

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.messages import PhaseTrigger
    from nbactl.ports.documents import Document, FieldPath, Reader

TASK: Final = "player_prop_predictions"
NEXT_CHECK: Final = "_next_check_at"
"""When the clock looks at the batch next; a batch without it is finished."""
STARTED_BY: Final = "started_by"
"""What the start of the batch was: the key of a trigger, which another attempt of the same number does not have."""
PUBLISHED: Final = "published_players"
"""How many players have been requested; an interrupted start resumes from there."""
PUBLISHED_AT: Final = "published_at"
CONSOLIDATED_AT: Final = "consolidated_at"
MERGED: Final = "merged_players"
"""How many players' rows the last merge had."""
CLEAN_AT: Final = "_clean_at"
"""When what was staged is deleted."""
CHECK_FAILURES: Final = "check_failures"
REJECTED: Final = "rejected_messages"
STAGED, INPUTS = "staged", "inputs"
_LISTED: Final = 1_000


@frozen
class Staged:
    """The rows of a player that wait to be merged."""

    player: str
    rows: list[dict[str, Any]]


def batch_id_of(game_date: GameDate, attempt: int) -> str:
    """Return the id of the batch of a date and attempt."""
    return f"batch_{game_date}_{attempt}"


def done_key(game_date: GameDate, batch_id: str) -> str:
    """Return the key under which the end of a batch is announced, once."""
    return f"done/phase5/{game_date}/{TASK}/{batch_id}"


def start_fields(
    trigger: PhaseTrigger, key: str, *, mode: str, instance: str, next_check: datetime
) -> dict[str, Any]:  # fmt: skip
    """Return the fields of a new batch beside the tracker's: production's, and what a resumed start needs."""
    return {
        "created_at": SERVER_TIME,
        "created_by_instance": instance,
        "dataset_prefix": "",
        "attempt": trigger.attempt,
        "prediction_run_mode": mode,
        "partial": trigger.partial,
        STARTED_BY: key,
        PUBLISHED: 0,
        NEXT_CHECK: next_check,
    }


def player_lists(batch_id: str, players: Sequence[str]) -> list[Create]:
    """Return the documents that list the players of a batch."""
    return [
        Create(f"{batch_path(batch_id)}/players/{start // _LISTED:04}", {"players": players[start : start + _LISTED]})
        for start in range(0, len(players), _LISTED)
    ]


def expected_players(reader: Reader, batch_id: str) -> list[str]:
    """Return who is expected, in the order in which they are requested."""
    lists = reader.query(Query(f"{batch_path(batch_id)}/players"))
    return [player for document in lists for player in document.data["players"]]


def inputs_path(batch_id: str, player: str) -> str:
    """Return where the inputs of a player are that are too large for a message."""
    return f"{batch_path(batch_id)}/{INPUTS}/{encode_id(player)}"


def inputs_write(path: str, inputs: Mapping[str, Any]) -> Set:
    """Return the write that keeps inputs."""
    return Set(path, {"inputs": json.dumps(inputs), "created_at": SERVER_TIME})


def kept_inputs(document: Document) -> dict[str, Any]:
    """Return inputs that were kept. Raises DataError for damaged ones."""
    found: dict[str, Any] = _parsed(document, "inputs", dict)
    return found


def staged_in(batch_id: str) -> str:
    """Return the collection of rows that wait to be merged."""
    return f"{batch_path(batch_id)}/{STAGED}"


def staged_path(batch_id: str, player: str) -> str:
    """Return where a player's rows wait to be merged."""
    return f"{staged_in(batch_id)}/{encode_id(player)}"


def staged_write(batch_id: str, player: str, rows: Sequence[Mapping[str, Any]]) -> Create:
    """Return the write that stages a player's rows, once."""
    fields = {"player_lookup": player, "rows": json.dumps(rows), "predictions": len(rows), "staged_at": SERVER_TIME}
    return Create(staged_path(batch_id, player), fields)


def read_staged(reader: Reader, batch_id: str) -> Iterator[Staged]:
    """Yield what is staged in a batch. Raises DataError for what cannot be read."""
    for document in reader.query(Query(staged_in(batch_id))):
        yield Staged(decode_id(document.id), _parsed(document, "rows", list))


def staged_players(reader: Reader, batch_id: str) -> frozenset[str]:
    """Return whose rows are staged."""
    return frozenset(decode_id(name) for name in reader.list_ids(staged_in(batch_id)))


def failure_write(batch_id: str, player: str, error: Exception) -> Set:
    """Return the write that keeps why a player has no prediction."""
    fields = {"player_lookup": player, "reason": str(error), "error": type(error).__name__, "failed_at": SERVER_TIME}
    return Set(f"{batch_path(batch_id)}/failures/{encode_id(player)}", fields)


def rejection_write(kind: str, batch_id: str, player: str, data: Mapping[str, Any], reason: str) -> Set:
    """Return the write that keeps a message that belongs to no batch."""
    fields = {"kind": kind, "data": json.dumps(data), "reason": reason, "rejected_at": SERVER_TIME}
    return Set(f"{REJECTED}/{encode_id(f'{kind}/{batch_id}/{player}')}", fields)


def check_at(batch_id: str, at: datetime) -> Update:
    """Return the write that has the clock look at a batch."""
    fields: dict[FieldPath, Any] = {NEXT_CHECK: at, UPDATED_AT: SERVER_TIME}
    return Update(batch_path(batch_id), fields)


def message_key(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return batch and player of a request or a ready message. Raises DataError if one of them is missing."""
    found = []
    for name in ("batch_id", "player_lookup"):
        value = data.get(name)
        if not isinstance(value, str) or not value:
            raise DataError(f"the message has no {name}", next_step="Publish it again with its batch and player.")
        found.append(value)
    return found[0], found[1]


def _parsed(document: Document, field: str, kind: type[Any]) -> Any:  # noqa: ANN401 - the caller names the kind
    try:
        content = json.loads(document.data[field])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{document.path}: its {field} cannot be read", cause=str(error)) from error
    if not isinstance(content, kind):
        raise DataError(f"{document.path}: its {field} are not a JSON {kind.__name__}")
    return content

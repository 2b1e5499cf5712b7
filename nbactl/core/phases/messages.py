"""The messages of the phases, in the form of production.

A processor announces its own end on the topic of its phase. The orchestrator starts a phase on its trigger topic.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.fields import as_time
from nbactl.core.phases.modes import MODES, Mode
from nbactl.errors import DataError, UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

CompletionStatus = Literal["success", "partial", "no_data", "skipped", "failed"]
STATUSES: Final[tuple[CompletionStatus, ...]] = get_args(CompletionStatus)
COUNTED: Final = ("success", "partial")
"""The states that count towards a phase."""
_EXPORTS: Final = ("predictions",)


@frozen
class Completion:
    """What a processor announces. `rows` is what it verified to have written; None if it did not say."""

    processor: str
    phase: str
    game_date: GameDate
    status: CompletionStatus
    rows: int | None = None
    output_table: str | None = None
    output_dataset: str | None = None
    execution_id: str | None = None
    correlation_id: str | None = None
    is_incremental: bool = False
    entities_changed: tuple[str, ...] = ()
    at: datetime | None = None
    """When it ended, aware UTC."""
    players_done: int | None = None
    """Of a batch: how many players have predictions, of `players_expected`."""
    players_expected: int | None = None


@frozen
class PhaseTrigger:
    """The start of a phase for a game date. `phase` is the one that starts; `attempt` counts from 1.

    `missing` names what the phase before lacks; `partial` is also true if an earlier phase lacked something.
    """

    phase: str
    game_date: GameDate
    attempt: int = 1
    mode: Mode | None = None
    reason: str | None = None
    correlation_id: str | None = None
    partial: bool = False
    missing: tuple[str, ...] = ()
    decided_at: datetime | None = None
    """When the phase before was handed on, aware UTC; all messages of the start have the same."""

    @property
    def key(self) -> str:
        """What identifies the start: it is worked on once."""
        return f"{self.phase}/{self.game_date}/{self.attempt}"


def completion_data(completion: Completion) -> dict[str, Any]:
    """Return a completion as the data of a message."""
    return {
        "processor_name": completion.processor,
        "phase": completion.phase,
        "game_date": str(completion.game_date),
        "output_table": completion.output_table,
        "output_dataset": completion.output_dataset,
        "status": completion.status,
        "record_count": completion.rows,
        "execution_id": completion.execution_id,
        "correlation_id": completion.correlation_id,
        "metadata": {
            "is_incremental": completion.is_incremental,
            "entities_changed": list(completion.entities_changed),
            **{name: count for name, count in _players(completion).items() if count is not None},
        },
        "timestamp": None if completion.at is None else completion.at.astimezone(UTC).isoformat(),
    }


def parse_completion(data: Mapping[str, Any]) -> Completion:
    """Return the completion in the data of a message. Raises DataError for one that nobody can use."""
    status = _text(data, "status")
    if status not in STATUSES:
        raise DataError(f"'{status}' is not a status of a processor", next_step=f"Use one of {', '.join(STATUSES)}.")
    metadata = data.get("metadata")
    details: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
    entities = details.get("entities_changed")
    return Completion(
        processor=_text(data, "processor_name"),
        phase=_optional_text(data, "phase") or "",
        game_date=_date(data, "game_date"),
        status=status,
        rows=_count(data, "record_count"),
        output_table=_optional_text(data, "output_table"),
        output_dataset=_optional_text(data, "output_dataset"),
        execution_id=_optional_text(data, "execution_id"),
        correlation_id=_optional_text(data, "correlation_id"),
        is_incremental=details.get("is_incremental") is True,
        entities_changed=tuple(map(str, entities)) if isinstance(entities, list) else (),
        at=_time(data, "timestamp"),
        players_done=_count(details, "players_done"),
        players_expected=_count(details, "players_expected"),
    )


def trigger_data(trigger: PhaseTrigger, tables: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Return the messages that start a phase: phase 4 gets one for each of the `tables` it reads, others get one."""
    day = str(trigger.game_date)
    common = {
        "game_date": day,
        "correlation_id": trigger.correlation_id,
        "trigger_source": "orchestrator",
        "mode": trigger.mode,
        "trigger_reason": trigger.reason,
        "attempt": trigger.attempt,
        "partial": trigger.partial,
        "missing": list(trigger.missing),
        "decided_at": None if trigger.decided_at is None else trigger.decided_at.isoformat(),
    }
    if trigger.phase == "phase4":
        return [{**common, "source_table": table, "analysis_date": day, "success": True} for table in tables or ("",)]
    if trigger.phase == "phase6":
        return [{**common, "export_types": list(_EXPORTS), "target_date": day}]
    return [common]


def parse_trigger(phase: str, data: Mapping[str, Any]) -> PhaseTrigger:
    """Return the start of `phase` in the data of a message, ours or production's. Raises DataError."""
    field = next((name for name in ("game_date", "analysis_date", "target_date") if data.get(name)), "game_date")
    mode = data.get("mode")
    missing = data.get("missing")
    return PhaseTrigger(
        phase,
        _date(data, field),
        attempt=_count(data, "attempt") or 1,
        mode=cast("Mode", mode) if mode in MODES else None,
        reason=_optional_text(data, "trigger_reason"),
        correlation_id=_optional_text(data, "correlation_id"),
        partial=data.get("partial") is True,
        missing=tuple(map(str, missing)) if isinstance(missing, list) else (),
        decided_at=_time(data, "decided_at"),
    )


def _players(completion: Completion) -> dict[str, int | None]:
    return {"players_done": completion.players_done, "players_expected": completion.players_expected}


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise DataError(f"the message has no {name}" if value is None else f"the {name} of the message is not a text")
    return value


def _optional_text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def _date(data: Mapping[str, Any], name: str) -> GameDate:
    text = _text(data, name)
    try:
        return GameDate.iso(text)
    except UsageError as error:
        raise DataError(f"the {name} of the message is not a date of a game: '{text[:40]}'") from error


def _count(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JavaScript and JSON know no other numbers
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DataError(f"the {name} of the message is not a whole number from 0 up")
    return value


def _time(data: Mapping[str, Any], name: str) -> datetime | None:
    text = _optional_text(data, name)
    return None if text is None else as_time(text)[0]

"""The document of a migration, `migrations/{name}`, and those of its chunks, `migrations/{name}/chunks/{n}`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError
from nbactl.migrations.model import Checkpoint, MigrationState, Pause, StageChange, Validation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from nbactl.ports.documents import Document

    T = TypeVar("T")

MIGRATIONS = "migrations"


def state_path(name: str) -> str:
    """Return the path of a migration's document."""
    return f"{MIGRATIONS}/{name}"


def chunk_path(name: str, number: int) -> str:
    """Return the path of a chunk of the action that is under way; the first has the number 1."""
    return f"{state_path(name)}/chunks/{number:06d}"


def state_document(state: MigrationState) -> dict[str, Any]:
    """Return a migration as a document."""
    return {
        "name": state.name,
        "project": state.project,
        "stage": state.stage,
        "changed_at": state.changed_at,
        "settle_until": state.settle_until,
        "paused": _fields(state.paused),
        "pending": state.pending,
        "checkpoint": _fields(state.checkpoint),
        "last_validation": _fields(state.last_validation),
        "drift_at": state.drift_at,
        "history": [
            {
                "at": change.at,
                "who": change.who,
                "why": change.why,
                "from": change.before,
                "to": change.after,
                "forced": list(change.forced),
            }
            for change in state.history
        ],
    }


def read_state(document: Document, name: str) -> MigrationState:
    """Return the migration that a document holds. Raises DataError for one that is none."""
    data = document.data
    try:
        return MigrationState(
            name=name,
            stage=data["stage"],
            project=data["project"],
            changed_at=data["changed_at"],
            settle_until=data["settle_until"],
            paused=_read(Pause, data["paused"]),
            pending=data["pending"],
            checkpoint=_read(Checkpoint, data["checkpoint"]),
            last_validation=_read(Validation, data["last_validation"]),
            drift_at=data["drift_at"],
            history=tuple(_read_change(entry) for entry in data["history"]),
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{document.path} cannot be read",
            cause=f"It is no document of a migration as nbactl writes it: {type(error).__name__} {error}.",
            next_step="See who wrote it; the stage is not guessed.",
            details={"path": document.path},
        ) from error


def _fields(record: Pause | Checkpoint | Validation | None) -> dict[str, Any] | None:
    return None if record is None else asdict(record)


def _read(kind: Callable[..., T], data: Mapping[str, Any] | None) -> T | None:
    return None if data is None else kind(**data)


def _read_change(data: Mapping[str, Any]) -> StageChange:
    return StageChange(data["at"], data["who"], data["why"], data["from"], data["to"], tuple(data["forced"]))

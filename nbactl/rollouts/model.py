"""A rollout: its plan as it was at the start, its stage, and its history."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from nbactl.errors import DataError

COLLECTION: Final = "rollouts"
_KEPT: Final = 200
"""Entries of the history that a rollout's document keeps; the flag's own history has every change."""


class RolloutStatus(StrEnum):
    """The status of a rollout."""

    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    COMPLETED = "completed"


class RolloutAction(StrEnum):
    """What a tick or an operator did with a rollout."""

    START = "start"
    ADVANCE = "advance"
    HOLD = "hold"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class RolloutStage:
    """A percentage, and how long it bakes, in seconds."""

    percent: float
    bake: float


@dataclass(frozen=True, slots=True)
class RolloutGuard:
    """A metric that ends the rollout when it is above `above` (a ratio) over `window` seconds."""

    name: str
    metric: str
    above: float
    window: float
    minimum_sample: int


@dataclass(frozen=True, slots=True)
class RolloutEntry:
    """One step: when, what, by whom and why; `percent` is that of the flag afterwards."""

    at: datetime
    action: RolloutAction
    percent: float
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout of one flag. `stage` counts from 1; `flag_version` is that of the flag after its last change by it.

    `before` and `was_enabled` are the flag's position at the start; an abort takes it back there. `version` grows with
    every change; `alerted_version` is the last one that an alert was sent for.
    """

    key: str
    status: RolloutStatus
    stages: tuple[RolloutStage, ...]
    guards: tuple[RolloutGuard, ...]
    stage: int
    entered_at: datetime
    started_at: datetime
    before: float
    was_enabled: bool
    flag_version: int
    version: int
    alerted_version: int
    history: tuple[RolloutEntry, ...]

    @property
    def percent(self) -> float:
        """The percentage of its stage."""
        return self.stages[self.stage - 1].percent

    @property
    def bakes_until(self) -> datetime:
        """When its stage has baked."""
        return self.entered_at + timedelta(seconds=self.stages[self.stage - 1].bake)

    @property
    def is_last(self) -> bool:
        """Whether no stage follows."""
        return self.stage == len(self.stages)

    @property
    def is_open(self) -> bool:
        """Whether it is running or paused."""
        return self.status in (RolloutStatus.RUNNING, RolloutStatus.PAUSED)


def path_of(key: str) -> str:
    """Return the path of a flag's rollout."""
    return f"{COLLECTION}/{key}"


def fields_of(rollout: Rollout) -> dict[str, Any]:
    """Return the fields of a rollout's document."""
    return {
        "key": rollout.key,
        "status": rollout.status.value,
        "stages": [asdict(stage) for stage in rollout.stages],
        "guards": [asdict(guard) for guard in rollout.guards],
        "stage": rollout.stage,
        "entered_at": rollout.entered_at,
        "started_at": rollout.started_at,
        "before": rollout.before,
        "was_enabled": rollout.was_enabled,
        "flag_version": rollout.flag_version,
        "version": rollout.version,
        "alerted_version": rollout.alerted_version,
        "history": [{**asdict(entry), "action": entry.action.value} for entry in rollout.history[-_KEPT:]],
    }


def rollout_of(path: str, fields: dict[str, Any]) -> Rollout:
    """Return the rollout of a document. Raises DataError for one that was not written by nbactl, or damaged."""
    try:
        rollout = Rollout(
            key=fields["key"],
            status=RolloutStatus(fields["status"]),
            stages=tuple(RolloutStage(float(stage["percent"]), float(stage["bake"])) for stage in fields["stages"]),
            guards=tuple(RolloutGuard(**guard) for guard in fields["guards"]),
            stage=fields["stage"],
            entered_at=fields["entered_at"],
            started_at=fields["started_at"],
            before=float(fields["before"]),
            was_enabled=fields["was_enabled"],
            flag_version=fields["flag_version"],
            version=fields["version"],
            alerted_version=fields["alerted_version"],
            history=tuple(
                RolloutEntry(**{**entry, "action": RolloutAction(entry["action"])}) for entry in fields["history"]
            ),
        )
        _ = rollout.bakes_until
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            cause="It was not written by nbactl, or damaged.",
            next_step=f"Start it again: nbactl flags rollout start {path.split('/')[1]} --force",
        ) from error
    return rollout

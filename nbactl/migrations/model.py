"""What is known of a migration: its stage, how it came there, and what was proved on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts, and why, as it is written into the history."""

    who: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class StageChange:
    """One entry of the history. `forced` names the gates that were overridden."""

    at: datetime
    who: str
    why: str | None
    before: str
    after: str
    forced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """The wish that whatever works on the migration holds on."""

    at: datetime
    who: str
    why: str | None


@dataclass(frozen=True, slots=True)
class Validation:
    """What a comparison of everything found. `at` is when its first read was made: nothing older was seen."""

    at: datetime
    finished_at: datetime
    stage: str
    consistent: bool
    digest: str
    batches: int
    completions: int
    findings: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an action has come. `cursor` is what it goes on from; `scope` and `stage` say for which call it holds."""

    action: str
    scope: str
    stage: str
    started_at: datetime
    chunks: int
    cursor: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MigrationState:
    """A migration at one moment.

    Until `settle_until` some writer may not know of the last step yet. `pending` names an action that a step began and
    that must be finished before the next one. `drift_at` is when an inconsistency was last seen.
    """

    name: str
    stage: str
    project: str
    changed_at: datetime | None = None
    settle_until: datetime | None = None
    paused: Pause | None = None
    pending: str | None = None
    checkpoint: Checkpoint | None = None
    last_validation: Validation | None = None
    drift_at: datetime | None = None
    history: tuple[StageChange, ...] = field(default=())

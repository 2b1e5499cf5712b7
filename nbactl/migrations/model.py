"""The state of a migration: its stage, its history, and what was proved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts, and why, as the history records it."""

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
    """A request that the running action waits."""

    at: datetime
    who: str
    why: str | None


@dataclass(frozen=True, slots=True)
class Validation:
    """What a full comparison found. `at` is the time of its first read: it saw nothing older."""

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
    """The progress of an action. It resumes from `cursor` if `scope` and `stage` are the same."""

    action: str
    scope: str
    stage: str
    started_at: datetime
    chunks: int
    cursor: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MigrationState:
    """A migration at one moment.

    Until `settle_until` some writer may not know of the last step. `pending` names an action that must be finished
    before the next step. `drift_at` is when an inconsistency was last seen.
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

"""Prediction batches of phase 5: what they have recorded, making one complete, taking back what it recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.cli.ask import Question, operator, proceed
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import DataError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.completions.batches import BatchEntry, Progress
    from nbactl.core.completions.reset import Reset
    from nbactl.core.completions.stages import CompletionMode

DEFAULT_LIMIT: Final = 20
_LEASE: Final = "migrations/completions"
"""Resets and the migration move the same documents, so only one of them runs at a time."""


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """Which batches to list. `date` is a game date, or a word that stands for one; `stalled` is in seconds."""

    date: str | None = None
    incomplete: bool = False
    stalled: float | None = None
    limit: int = DEFAULT_LIMIT

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that a batch needs to be found by this filter."""
        by_state = ("is_complete",) if self.incomplete or self.stalled is not None else ()
        return (*(("game_date",) if self.date is not None else ()), *by_state) or ("start_time",)


@dataclass(frozen=True, slots=True)
class BatchList:
    """Batches at `now`. `total` counts those left out by the limit; `unlisted` lack a field of the filter."""

    request: BatchFilter
    batches: tuple[BatchEntry, ...]
    total: int
    unlisted: tuple[BatchEntry, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class BatchDetails:
    """A batch at `now`: its progress, where its completions are, and the last reset that can be undone."""

    entry: BatchEntry
    progress: Progress
    mode: CompletionMode
    reset: Reset | None
    now: datetime


@dataclass(frozen=True, slots=True)
class BatchChange:
    """A batch after a command. `message` says what was done, or would be."""

    entry: BatchEntry
    reset: Reset | None
    changed: bool
    message: str
    undoable: bool = False
    """Whether it was a reset, which can be undone."""


def list_batches(app: Container, request: BatchFilter) -> BatchList:
    """Return batches, those begun last first; stalled ones the longest stalled first."""
    now = app.clock.now()
    unlisted = tuple(app.batches.unlisted(request.fields))
    if request.stalled is not None:
        if request.date is not None or request.incomplete:
            raise UsageError(
                "--stalled already means all incomplete batches", next_step="Leave out --date and --incomplete."
            )
        stalled = tuple(app.completions.stalled(now, timedelta(seconds=request.stalled)))
        return BatchList(request, stalled, len(stalled), unlisted, now)
    day = None
    if request.date is not None:
        day = GameDate.parse(request.date, now=now, latest=lambda: GameDate(app.source.latest()))
    found = tuple(app.batches.list(date=day, incomplete=request.incomplete, limit=request.limit))
    if day is not None or request.incomplete:
        total = app.batches.count(date=day, incomplete=request.incomplete)
        return BatchList(request, found, total, unlisted, now)
    return BatchList(request, found, app.batches.count() - len(unlisted), unlisted, now)


def show_batch(app: Container, batch: str) -> BatchDetails:
    """Return a batch by its id, the beginning of it, or `last`. Raises NotFoundError, DataError if it is unreadable."""
    entry, progress = _find(app, batch)
    return BatchDetails(
        entry, progress, app.batches.mode(entry.batch_id), app.batch_resets.known(entry.batch_id), app.clock.now()
    )


def complete_batch(app: Container, batch: str, *, dry_run: bool = False, confirm: Confirm = proceed) -> BatchChange:
    """Make a batch complete without the players that are missing. A complete batch is not changed."""
    entry, progress = _find(app, batch)
    name, missing = entry.batch_id, missing_players(progress)
    if progress.is_complete:
        return _changed(app, name, f"Nothing to do: {name} is already complete.", changed=False)
    if dry_run:
        return _changed(app, name, f"Would make {name} complete: {missing}.", changed=False)
    confirm(Question(f"Make {name} complete ({missing})?"))
    done = app.completions.complete(name)
    return _changed(app, name, f"{name} is complete: {missing_players(done.progress)}.", changed=done.became_complete)


def reset_batch(app: Container, batch: str, *, dry_run: bool = False, confirm: Confirm = proceed) -> BatchChange:
    """Save and remove everything that a batch has recorded, so that it can run again."""
    name = app.batches.find(batch)
    last = app.batch_resets.last(name)
    if (last is None or last.state == "removed") and app.batch_resets.is_empty(name):
        return _changed(app, name, _nothing_to_remove(name, last), changed=False)
    what = _recorded(app.batches.entry(name))
    if dry_run:
        return _changed(app, name, f"Would save and remove {what} of {name}.", changed=False)
    confirm(Question(f"Remove {what} of {name}?", ("They are saved first; --undo restores them.",), always=True))
    done = _with_lease(app, name, undo=False)
    if done is None:  # another reset was faster
        return _changed(app, name, _nothing_to_remove(name, app.batch_resets.last(name)), changed=False)
    message = f"Removed {done.players} players of {name}. To restore them: nbactl batches reset {name} --undo"
    return replace(_changed(app, name, message, changed=True), undoable=True)


def undo_reset(app: Container, batch: str, *, dry_run: bool = False, confirm: Confirm = proceed) -> BatchChange:
    """Restore what the last reset of a batch removed. Raises NotFoundError if there is nothing to restore."""
    name = app.batches.find(batch)
    last = app.batch_resets.last(name)
    if last is None:
        raise app.batch_resets.not_reset(name)
    what = f"{last.players} players that {last.by} removed from {name}"
    if dry_run:
        return _changed(app, name, f"Would restore {what}.", changed=False)
    confirm(Question(f"Restore {what}?"))
    _with_lease(app, name, undo=True)
    return _changed(app, name, f"Restored {what}.", changed=True)


def missing_players(progress: Progress) -> str:
    """Return who is missing: `2 of 10 players are missing, 1 has failed`."""
    parts = []
    if progress.missing:
        verb = "is" if progress.missing == 1 else "are"
        parts.append(f"{progress.missing} of {progress.expected} players {verb} missing")
    if failed := len(progress.failed):
        parts.append(f"{failed} {'has' if failed == 1 else 'have'} failed")
    return ", ".join(parts) or "no player is missing"


def _find(app: Container, name: str) -> tuple[BatchEntry, Progress]:
    entry = app.batches.entry(app.batches.find(name))
    if entry.progress is None:
        raise entry.error or DataError(f"the batch {entry.batch_id} cannot be read")
    return entry, entry.progress


def _nothing_to_remove(batch_id: str, last: Reset | None) -> str:
    message = f"Nothing to do: {batch_id} has nothing recorded."
    if last is None:
        return message
    return f"{message} To undo the last reset: nbactl batches reset {batch_id} --undo"


def _with_lease(app: Container, batch_id: str, *, undo: bool) -> Reset | None:
    """Reset or undo under the lease that keeps out the migration and other resets."""
    from nbactl.core.lease.holder import process_identity  # noqa: PLC0415 - only resets need it

    limits = app.config.timeouts.leases["run"]
    lease = app.leases.acquire(_LEASE, process_identity("batches-reset"), limits.ttl)

    def renew() -> None:
        nonlocal lease
        lease = app.leases.renew(lease, limits.ttl)

    try:
        if undo:
            return app.batch_resets.restore(batch_id, between=renew)
        return app.batch_resets.remove(batch_id, operator(), between=renew)
    finally:
        app.leases.release(lease)


def _recorded(entry: BatchEntry) -> str:
    if entry.progress is None:
        return "everything that is recorded"
    failed = f" and {len(entry.progress.failed)} failed" if entry.progress.failed else ""
    return f"{entry.progress.completed} completed{failed} players ({entry.progress.predictions} predictions)"


def _changed(app: Container, batch_id: str, message: str, *, changed: bool) -> BatchChange:
    return BatchChange(app.batches.entry(batch_id), app.batch_resets.known(batch_id), changed, message)

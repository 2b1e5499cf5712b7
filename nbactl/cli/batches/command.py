"""`nbactl batches`: the prediction batches of phase 5."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import console, container, settings
from nbactl.cli.ask import operator
from nbactl.cli.batches.text import batch_json, missing_told, mode_json, reset_json, show_batch, show_batches
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration, parse_duration
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import CancelledError, DataError, NbactlError, NotFoundError, UsageError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console
    from nbactl.core.completions.batches import BatchEntry
    from nbactl.core.completions.progress import Progress
    from nbactl.core.completions.reset import Reset

app = group()

_LEASE = "migrations/completions"
"""Resets and the migration move the same documents, so only one of them is at work at a time."""

BatchArgument = Annotated[
    str, typer.Argument(metavar="BATCH", help="Id of a batch, the beginning of one, or `last`.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


@command(
    app,
    "list",
    examples=["nbactl batches list", "nbactl batches list --incomplete", "nbactl batches list --stalled 1h"],
)
def list_(
    ctx: typer.Context,
    date: Annotated[str | None, typer.Option(help="Batches of this game date.", metavar="DATE")] = None,
    incomplete: Annotated[bool, typer.Option("--incomplete", help="Only batches that are not complete.")] = False,
    stalled: Annotated[
        str | None,
        typer.Option(
            help="Only incomplete batches in which nothing was recorded for this long; exits with 1 if there is one.",
            metavar="DURATION",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many, those begun last.", min=1, metavar="N")] = 20,
) -> View:
    """List prediction batches, those begun last first.

    Exits with 1 if a batch cannot be read.
    """
    services = container(ctx, reads_only=True)
    now = services.clock.now()
    if stalled is not None:
        if date is not None or incomplete:
            raise UsageError(
                "--stalled looks at all incomplete batches", next_step="Leave --date and --incomplete out."
            )
        seconds = parse_duration(stalled)
        return _stalled(services, seconds)
    day = GameDate.parse(date, now=now, latest=lambda: GameDate(services.source.latest())) if date else None
    entries = services.batches.list(date=day, incomplete=incomplete, limit=limit)
    filtered = day is not None or incomplete
    unlisted = 0 if filtered else services.batches.unlisted()
    bad = [entry for entry in entries if entry.error is not None]

    def show(console: Console) -> None:
        if entries:
            show_batches(console, entries, now)
        else:
            console.note("No batch fits." if filtered else "There is no batch yet.")

    return View(
        {"batches": [batch_json(entry) for entry in entries], "unlisted": unlisted},
        show,
        items="batches",
        exit_code=1 if bad else 0,
        error=bad[0].error if bad else None,
        warnings=(f"{unlisted} without start_time can only be listed by --date or --incomplete",) if unlisted else (),
    )


@command(app, "show", examples=["nbactl batches show last", "nbactl batches show last -o json"])
def show_(ctx: typer.Context, batch: BatchArgument) -> View:
    """Show a batch: who has completed and failed, who is missing, where it is recorded."""
    services = container(ctx, reads_only=True)
    entry, progress = _find(services, batch)
    mode, reset = services.batches.mode(entry.batch_id), services.batch_resets.last(entry.batch_id)
    now = services.clock.now()

    def show(console: Console) -> None:
        show_batch(console, entry, progress, mode, now)
        if reset is not None:
            console.note(
                f"{reset.players} players were removed at {moment(reset.at)} by {reset.by}; "
                f"bring them back: nbactl batches reset {entry.batch_id} --undo"
            )

    return View({"batch": batch_json(entry), "mode": mode_json(mode), "reset": reset_json(reset)}, show)


@command(app, "complete", examples=["nbactl batches complete last --dry-run"])
def complete(ctx: typer.Context, batch: BatchArgument, dry_run: DryRun = False) -> View:
    """Make a batch complete as it is, so that phase 6 goes on without whoever is missing.

    Players who complete later are still counted. A complete batch is left as it is.
    """
    services = container(ctx, reads_only=True)
    entry, progress = _find(services, batch)
    lacking = missing_told(progress)
    if progress.is_complete:
        return _told(services, entry.batch_id, f"{entry.batch_id} is complete already.", changed=False)
    if dry_run:
        return _told(services, entry.batch_id, f"Would make {entry.batch_id} complete: {lacking}.", changed=False)
    _confirm(ctx, f"Make {entry.batch_id} complete? {lacking[:1].upper()}{lacking[1:]}.", always=False)
    done = services.completions.complete(entry.batch_id)
    told = f"{entry.batch_id} is complete: {missing_told(done.progress)}."
    return _told(services, entry.batch_id, told, changed=done.became_complete)


@command(app, "reset", examples=["nbactl batches reset last --dry-run"])
def reset(
    ctx: typer.Context,
    batch: BatchArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back what the last reset of this batch removed.")] = False,
    dry_run: DryRun = False,
) -> View:
    """Remove everything a batch has recorded, so that it can be run again from its beginning.

    All of it is saved before it is removed, and --undo brings it back. The same command goes on after an interruption.
    """
    services = container(ctx, reads_only=True)
    batch_id = services.batches.find(batch)
    last = services.batch_resets.last(batch_id)
    if undo:
        return _undone(ctx, services, batch_id, last, dry_run=dry_run)
    entry = services.batches.entry(batch_id)
    what = _recorded(entry)
    if dry_run:
        return _told(services, batch_id, f"Would save and remove {what} of {batch_id}.", changed=False)
    _confirm(ctx, f"Remove {what} of {batch_id}? --undo brings it back.", always=True)
    done = _alone(services, batch_id, undo=False)
    told = f"Removed {done.players} players of {batch_id}; bring them back: nbactl batches reset {batch_id} --undo"
    return _told(services, batch_id, told, changed=True)


def _undone(ctx: typer.Context, services: Container, batch_id: str, last: Reset | None, *, dry_run: bool) -> View:
    if last is None:
        raise NotFoundError(f"the batch '{batch_id}' was not reset, or everything was brought back already")
    told = f"{last.players} players that {last.by} removed from {batch_id} at {moment(last.at)}"
    if dry_run:
        return _told(services, batch_id, f"Would bring back {told}.", changed=False)
    _confirm(ctx, f"Bring back {told}?", always=False)
    _alone(services, batch_id, undo=True)
    return _told(services, batch_id, f"Brought back {told}.", changed=True)


def _alone(services: Container, batch_id: str, *, undo: bool) -> Reset:
    """Reset or undo under the lease that keeps the migration, and other resets, away."""
    from nbactl.core.lease.holder import process_identity  # noqa: PLC0415

    limits = services.config.timeouts.leases["run"]
    lease = services.leases.acquire(_LEASE, process_identity("batches-reset"), limits.ttl)

    def renew() -> None:
        nonlocal lease
        lease = services.leases.renew(lease, limits.ttl)

    try:
        if undo:
            return services.batch_resets.restore(batch_id, between=renew)
        return services.batch_resets.remove(batch_id, operator(), between=renew)
    finally:
        services.leases.release(lease)


def _find(services: Container, name: str) -> tuple[BatchEntry, Progress]:
    entry = services.batches.entry(services.batches.find(name))
    if entry.progress is None:
        raise entry.error or DataError(f"the batch {entry.batch_id} cannot be read")
    return entry, entry.progress


def _stalled(services: Container, seconds: float) -> View:
    now = services.clock.now()
    entries = services.completions.stalled(now, timedelta(seconds=seconds))

    def show(console: Console) -> None:
        if not entries:
            console.note(f"In every incomplete batch something was recorded within {format_duration(seconds)}.")
            return
        show_batches(console, entries, now)
        for entry in entries:
            if entry.progress is not None:
                console.note(f"{entry.batch_id}: {missing_told(entry.progress)}.")

    error = None
    if entries:
        error = NbactlError(
            f"{len(entries)} {'batches have' if len(entries) > 1 else 'batch has'} stalled",
            next_step="Let phase 6 go on without the missing: nbactl batches complete BATCH",
        )
    return View(
        {"batches": [batch_json(entry) for entry in entries], "unlisted": 0},
        show,
        items="batches",
        exit_code=1 if entries else 0,
        error=error,
    )


def _recorded(entry: BatchEntry) -> str:
    if entry.progress is None:
        return "everything that is recorded"
    failed = f" and {len(entry.progress.failed)} failed" if entry.progress.failed else ""
    return f"{entry.progress.completed} completed{failed} players ({entry.progress.predictions} predictions)"


def _confirm(ctx: typer.Context, question: str, *, always: bool) -> None:
    """Ask on gcp, and everywhere if `always`. Raises NbactlError if the answer is no."""
    if (always or settings(ctx).target == "gcp") and not console(ctx).confirm(question):
        raise CancelledError


def _told(services: Container, batch_id: str, text: str, *, changed: bool) -> View:
    data: dict[str, Any] = {
        "batch": batch_json(services.batches.entry(batch_id)),
        "changed": changed,
        "reset": reset_json(services.batch_resets.last(batch_id)),
    }
    return View(data, lambda console: console.note(text))

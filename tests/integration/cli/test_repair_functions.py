"""The commands that look after the pipeline's state, called from Python: no Typer, no console, no process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.batches import command as batches
from nbactl.cli.breakers import command as breakers
from nbactl.cli.demo import command as demo
from nbactl.cli.leases import command as leases
from nbactl.cli.migrate import command as migrate
from nbactl.cli.migrate.request import MigrateRequest
from nbactl.cli.migrate.result import BackfillResult, CleanupResult, RollbackResult
from nbactl.cli.outbox import command as outbox
from nbactl.config.settings import load_settings
from nbactl.core._support.aio import Cancellation
from nbactl.core.calls.breaker import Breaker, BreakerSettings
from nbactl.core.completions.stages import CompletionStage
from nbactl.core.lease.holder import process_identity
from nbactl.errors import CancelledError, InterruptedRunError, LeaseHeldError, NotFoundError, PreconditionError
from nbactl.ports.documents import Delete
from tests.kit.batches import add_batch
from tests.kit.migration import PassingClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.cli.ask import Question
    from nbactl.migrations.work import ProgressEvent

DAY = 86_400.0
NOTHING = MigrateRequest()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Container]:
    state = tmp_path / "state"
    add_batch(state, "night-1", completed=4)
    add_batch(state, "night-2", completed=2, failed=1)
    with Container(load_settings({"state_dir": str(state)}, {}, tmp_path), clock=PassingClock()) as made:
        yield made


def refuse(question: Question) -> None:
    assert question.text.endswith("?")
    raise CancelledError


def settle(app: Container, days: float = 0) -> None:
    """Let every writer learn of the last step, and days pass."""
    app.clock.sleep(app.completions_migration.limits.settle + 0.1 + days * DAY)


def test_the_migration_goes_to_its_end_and_back(app: Container) -> None:
    [state] = migrate.list_migrations(app)
    assert (state.name, state.stage) == ("completions", "legacy")
    found = migrate.plan(app, NOTHING).plan
    assert (found.batches, found.players, found.to_create) == (2, 6, 6)
    planned = migrate.start_dual_write(app, MigrateRequest(dry_run=True))
    assert (planned.moved, planned.dry_run, planned.state.stage) == (False, True, "legacy")
    with pytest.raises(CancelledError):
        migrate.backfill(app, NOTHING, confirm=refuse)
    with pytest.raises(PreconditionError, match="the stage is legacy"):
        migrate.switch_reads(app, NOTHING)

    moved = migrate.start_dual_write(app, MigrateRequest(reason="day 1"))
    assert (moved.moved, moved.state.stage, moved.state.history[-1].why) == (True, "dual_write", "day 1")
    assert migrate.start_dual_write(app, NOTHING).moved is False
    settle(app)
    events: list[ProgressEvent] = []
    copied = migrate.backfill(app, NOTHING, observer=events.append)
    assert isinstance(copied, BackfillResult)
    assert (copied.report.counts.created, copied.state.stage) == (6, "backfilled")
    assert {event.action for event in events} == {"backfill"}

    app.documents.commit([Delete("prediction_batches/night-1/completions/p0")])
    assert not migrate.validate(app, NOTHING).consistent
    preview = migrate.repair(app, MigrateRequest(dry_run=True))
    assert ([step.kind for step in preview.plan.steps], preview.result) == (["create_document"], None)
    repaired = migrate.repair(app, NOTHING)
    assert repaired.result is not None
    assert (len(repaired.result.steps), repaired.is_partial) == (1, False)
    assert migrate.validate(app, NOTHING).consistent
    assert migrate.switch_reads(app, NOTHING).state.stage == "reads_switched"
    settle(app, days=8)
    migrate.validate(app, NOTHING)
    assert migrate.stop_dual_write(app, NOTHING).state.stage == "dual_write_stopped"
    settle(app, days=15)
    with pytest.raises(CancelledError):
        migrate.cleanup(app, NOTHING, confirm=refuse)
    removed = migrate.cleanup(app, NOTHING)
    assert isinstance(removed, CleanupResult)
    assert (removed.cleaned.batches, removed.state.stage) == (2, "cleaned")

    restored = migrate.undo_cleanup(app, MigrateRequest(undo=app.settings.state_dir / removed_file(removed)))
    assert (restored.restored.restored, restored.state.stage) == (2, "dual_write_stopped")
    settle(app)
    back = migrate.rollback(app, MigrateRequest(to=CompletionStage.LEGACY), acknowledged=False)
    assert isinstance(back, RollbackResult)
    assert (back.rolled_back.before, back.rolled_back.after) == ("dual_write_stopped", "legacy")
    assert migrate.show_status(app).state.pending == "rollback"
    migrate.acknowledge(app, back)
    status = migrate.show_status(app)
    assert (status.state.stage, status.state.pending, status.lease) == ("legacy", None, None)
    assert migrate.rollback(app, MigrateRequest(to=CompletionStage.LEGACY)).state.stage == "legacy"


def removed_file(removed: CleanupResult) -> str:
    """Return the export of a clean-up, relative to the state."""
    return "migrations/" + removed.cleaned.export.rpartition("/")[2]


def test_a_migration_is_paused_cancelled_and_watched(app: Container) -> None:
    assert migrate.pause(app, MigrateRequest(reason="lunch")).state.paused is not None
    with pytest.raises(PreconditionError, match="paused the migration"):
        migrate.start_dual_write(app, NOTHING)
    assert migrate.resume(app, NOTHING).state.paused is None
    migrate.start_dual_write(app, NOTHING)
    settle(app)
    stopped = Cancellation()
    stopped.request("SIGINT")
    with pytest.raises(InterruptedRunError):
        migrate.backfill(app, NOTHING, cancellation=stopped)
    migrate.backfill(app, NOTHING)
    alerts: list[str] = []
    reports = migrate.watch(app, NOTHING, range(1), alert=alerts.append)
    assert [report.consistent for report in reports] == [True]
    assert alerts == []


def test_batches(app: Container) -> None:
    assert [batch.batch_id for batch in batches.list_batches(app, batches.BatchFilter()).batches] == [
        *("night-2", "night-1"),
    ]
    cut = batches.list_batches(app, batches.BatchFilter(limit=1))
    assert (len(cut.batches), cut.total) == (1, 2)
    cut = batches.list_batches(app, batches.BatchFilter(date="2025-01-06", limit=1))
    assert (len(cut.batches), cut.total) == (1, 2)
    details = batches.show_batch(app, "last")
    assert (details.progress.completed, details.progress.missing, details.mode.write_array) == (2, 1, True)
    with pytest.raises(NotFoundError) as missed:
        batches.show_batch(app, "nigth-2")
    assert missed.value.next_step == "Did you mean 'night-2'?"
    with pytest.raises(CancelledError):
        batches.complete_batch(app, "night-2", confirm=refuse)
    assert not batches.complete_batch(app, "night-2", dry_run=True).changed
    assert batches.complete_batch(app, "night-2").changed
    assert not batches.complete_batch(app, "night-2").changed
    with pytest.raises(CancelledError):
        batches.reset_batch(app, "night-2", confirm=refuse)
    reset = batches.reset_batch(app, "night-2")
    assert reset.reset is not None
    assert (reset.changed, reset.reset.players, batches.show_batch(app, "last").progress.completed) == (True, 2, 0)
    assert batches.undo_reset(app, "night-2").changed
    assert batches.show_batch(app, "last").progress.completed == 2


def test_breakers(app: Container) -> None:
    breaker = Breaker(
        BreakerSettings("stats_nba", failure_rate=0.5, minimum_calls=1, open_for=30.0, window=60.0), app.clock
    )
    breaker.open("down", seconds=60)
    app.shared_breakers.sync(breaker)
    [found] = breakers.list_breakers(app, open_only=True).breakers
    assert (found.name, found.state) == ("stats_nba", "open")
    with pytest.raises(CancelledError):
        breakers.reset_breakers(app, breakers.ResetRequest(every=True), confirm=refuse)
    assert not breakers.reset_breakers(app, breakers.ResetRequest(("stats_nba",), dry_run=True)).changed
    done = breakers.reset_breakers(app, breakers.ResetRequest(("stats_nba",), reason="fixed"))
    assert (done.changed, [closed.state for closed in done.breakers]) == (True, ["open"])
    assert breakers.list_breakers(app, open_only=True).breakers == ()


def test_the_outbox(app: Container) -> None:
    app.documents.commit([app.outbox.message(f"m/{number}", "nba-phase3-trigger", {}) for number in range(3)])
    listed = outbox.list_messages(app, 2)
    assert ([message.key for message in listed.messages], listed.total) == (["m/0", "m/1"], 3)
    assert outbox.drive_messages(app, outbox.DriveRequest(dry_run=True)).published == []
    with pytest.raises(CancelledError):
        outbox.drive_messages(app, outbox.DriveRequest(), confirm=refuse)
    assert outbox.drive_messages(app, outbox.DriveRequest(("m/1",))).published == ["m/1"]
    assert outbox.drive_messages(app, outbox.DriveRequest(("m/1",))).published_before == ("m/1",)
    assert outbox.drive_messages(app, outbox.DriveRequest()).published == ["m/0", "m/2"]


def test_leases(app: Container) -> None:
    app.leases.acquire("phase3/2024-01-15", process_identity("run-1"), 3600.0)
    [held] = leases.list_leases(app).leases
    assert (held.lease.name, held.state) == ("phase3/2024-01-15", "held")
    with pytest.raises(LeaseHeldError):
        leases.release_lease(app, leases.ReleaseRequest(held.lease.name))
    with pytest.raises(CancelledError):
        leases.release_lease(app, leases.ReleaseRequest(held.lease.name, force=True), confirm=refuse)
    assert leases.release_lease(app, leases.ReleaseRequest(held.lease.name, force=True)).changed
    assert leases.list_leases(app).leases == ()


def test_the_demo(app: Container) -> None:
    assert len(demo.create_demo(app).created) == 10
    assert demo.create_demo(app).created == ()
    assert [progress.completed for progress in demo.grow_live_batch(app, range(3))] == [61, 62, 63]
    assert len(batches.list_batches(app, batches.BatchFilter()).batches) == 2

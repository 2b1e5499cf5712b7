"""What each action of `nbactl migrate completions` does, and what it shows."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.migrate import json as as_json
from nbactl.cli.migrate import text
from nbactl.cli.show.render import View
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import CancelledError, DataError, NbactlError
from nbactl.migrations.completions.gates import COMMAND, next_action
from nbactl.migrations.completions.migration import LEASE, NAME
from nbactl.migrations.completions.rollback import stages_back
from nbactl.migrations.gates import pass_gates

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbactl.bootstrap import Container
    from nbactl.cli.migrate.request import Request
    from nbactl.cli.show.console import Console
    from nbactl.migrations.completions.migration import Caller, CompletionsMigration
    from nbactl.migrations.completions.repair import RepairPlan
    from nbactl.migrations.model import MigrationState

_NAMED: Final = 10
_DEFAULT_RATE: Final = 500.0
"""Where Firestore's ramp begins; what a plan reckons with unless it is told."""


class Actions:
    """The actions of one call. `ask` raises unless the operator agrees; `note` tells them something first."""

    def __init__(
        self,
        services: Container,
        request: Request,
        caller: Caller,
        ask: Callable[..., None],
        note: Callable[[str], None],
    ) -> None:
        self._services = services
        self._migration: CompletionsMigration = services.completions_migration
        self._request = request
        self._caller = caller
        self._ask = ask
        self._note = note

    def run(self) -> View:
        """Do what was asked."""
        action: Callable[[], View] = getattr(self, "_" + self._request.action.replace("-", "_"))
        return action()

    def _status(self) -> View:
        state, now = self._state(), self._services.clock.now()
        upcoming = (next_action(state) or "").removeprefix("--")
        gates = self._migration.gates(upcoming) if upcoming in _GATED else []
        lease = self._services.leases.current(LEASE)
        return View(
            as_json.status_json(state, gates, lease),
            lambda console: text.show_status(console, state, gates, lease, environ=os.environ, now=now),
        )

    def _plan(self) -> View:
        rate = self._request.rate or _DEFAULT_RATE
        plan = self._migration.plan(self._request.selection, rate, self._caller)
        data = {**self._head(), **plan.as_json()}
        return View(data, lambda console: text.show_plan(console, plan))

    def _start_dual_write(self) -> View:
        return self._step(
            CompletionStage.DUAL_WRITE,
            "Writers will write the array and the subcollection.",
            lambda: self._migration.start_dual_write(self._caller, force=self._request.force),
        )

    def _switch_reads(self) -> View:
        return self._step(
            CompletionStage.READS_SWITCHED,
            "Readers will read the subcollection.",
            lambda: self._migration.switch_reads(
                self._caller, force=self._request.force, max_age=self._request.max_age
            ),
        )

    def _stop_dual_write(self) -> View:
        return self._step(
            CompletionStage.DUAL_WRITE_STOPPED,
            "Writers will write the subcollection alone.",
            lambda: self._migration.stop_dual_write(
                self._caller, force=self._request.force, max_age=self._request.max_age
            ),
        )

    def _backfill(self) -> View:
        request = self._request
        if request.dry_run:
            pass_gates("--backfill", self._migration.gates("backfill"), force=False)
            return self._plan()
        self._ask(f"Create the missing documents of {request.selection}?")
        report = self._migration.backfill(request.selection, self._caller, rate=request.rate)
        state = self._state()
        error = None
        if report.refused:
            error = DataError(
                f"{len(report.refused)} documents were refused",
                cause=str(report.refused[0].error),
                next_step=f"{COMMAND} --validate names all that cannot be stored.",
            )
        return View(
            as_json.backfill_json(state, report),
            lambda console: text.show_backfill(console, state, report),
            exit_code=0 if error is None else error.exit_code,
            error=error,
        )

    def _validate(self) -> View:
        report = self._migration.validate(self._request.selection, self._caller)
        return View(
            as_json.report_json(NAME, report),
            lambda console: text.show_report(console, report),
            exit_code=0 if report.consistent else 1,
        )

    def _repair(self) -> View:
        plan, _ = self._migration.plan_repair(self._request.selection, self._caller)
        state, dry_run = self._state(), self._request.dry_run
        done = export = None
        if plan.steps and not dry_run:
            self._show_before(plan)
            self._ask(f"Make these {len(plan.steps)} changes?", always=plan.overwrites)
            done, export = self._migration.repair(plan, self._caller)
        left = bool(plan.by_hand or (done is not None and done.busy))
        return View(
            as_json.repair_json(state, plan, done, export, dry_run=dry_run),
            lambda console: text.show_repair(console, plan, done, export),
            exit_code=1 if left else 0,
            error=DataError("not everything could be repaired", next_step=f"{COMMAND} --validate") if left else None,
        )

    def _show_before(self, plan: RepairPlan) -> None:
        kinds = Counter((step.kind.replace("_", " "), step.winner) for step in plan.steps)
        for (kind, winner), times in sorted(kinds.items()):
            self._note(f"{times:,} x {kind}, the {winner} is believed")
        self._note("--dry-run shows each of them.")

    def _cleanup(self) -> View:
        request, state = self._request, self._state()
        if request.undo is not None:
            return self._undo_cleanup(request.undo)
        if state.stage == CompletionStage.CLEANED:
            return self._told(state, "Nothing to do: the arrays are gone already.")
        forced = pass_gates("--cleanup", self._migration.gates("cleanup"), force=request.force)
        if request.dry_run:
            return self._would("The arrays will be removed from all batches, each saved before.", forced)
        self._ask("Remove the arrays from all batches? No rollback leads back from there.", always=True)
        cleaned = self._migration.clean_up(self._caller, force=request.force)
        data = {
            **self._head(),
            "removed": cleaned.batches,
            "export": {"file": cleaned.export, "batches": cleaned.exported, "sha256": cleaned.sha256},
        }

        def show(console: Console) -> None:
            console.print(f"{cleaned.batches:,} arrays removed; {cleaned.exported:,} are saved in {cleaned.export}")
            console.print(f"  sha256   {cleaned.sha256}")
            console.note(f"They can be put back: {COMMAND} --cleanup --undo {cleaned.export}")

        return View(data, show)

    def _undo_cleanup(self, file: Path) -> View:
        request = self._request
        planned = self._migration.undo_clean_up(file, request.selection, self._caller, dry_run=True)
        done = planned
        if not request.dry_run:
            self._ask(f"Put {planned.restored:,} arrays back?")
            done = self._migration.undo_clean_up(file, request.selection, self._caller)
        state = self._state()

        def show(console: Console) -> None:
            words = "would be put back" if done.dry_run else "were put back"
            console.print(f"{done.restored:,} of {done.saved:,} arrays {words} from {done.file}.")
            if done.there:
                console.print(f"{done.there:,} batches have an array, which stays as it is.")
            if not done.dry_run:
                text.show_stage(console, state, os.environ)

        gone = f"{len(done.gone):,} batches of the file are gone: {', '.join(done.gone[:_NAMED])}"
        return View({**as_json.state_json(state), **asdict(done)}, show, warnings=(gone,) if done.gone else ())

    def _rollback(self) -> View:
        state = self._state()
        stages = stages_back(state, self._request.to)
        if not stages:
            return self._told(state, f"Nothing to do: the stage is {state.stage} already.")
        if self._request.dry_run:
            return self._would(f"The stage will be {stages[-1]}.", ())
        self._ask(
            f"Go back from {state.stage} to {stages[-1]}?" if state.pending is None else f"Finish the {state.pending}?"
        )
        rolled = self._migration.roll_back(self._caller, to=self._request.to, told=False)
        # As it is once this was told.
        after, now = replace(self._state(), pending=None), self._services.clock.now()
        data = {
            **as_json.state_json(after),
            "from": rolled.before,
            "to": rolled.after,
            "put_back": {"batches": rolled.put_back.batches, "players": rolled.put_back.players},
        }

        def show(console: Console) -> None:
            console.print(f"Went back from {rolled.before} to {rolled.after}.")
            if rolled.put_back.players:
                count = f"{rolled.put_back.players:,} players were put back into the arrays"
                console.print(f"{count} of {rolled.put_back.batches:,} batches.")
            text.show_moved(console, after, os.environ, now)

        return View(data, show, once_told=lambda: self._migration.tell_rolled_back(rolled))

    def _pause(self) -> View:
        if self._request.dry_run:
            return self._would("Whatever works on the migration will hold on.", ())
        state = self._migration.pause(self._caller.operator)
        return self._told(state, f"Paused; whatever is at work holds on after its chunk. Go on: {COMMAND} --resume")

    def _resume(self) -> View:
        if self._request.dry_run:
            return self._would("Whatever was held up will go on.", ())
        return self._told(self._migration.resume(), "The migration may go on.")

    def _step(self, after: CompletionStage, what: str, take: Callable[[], MigrationState]) -> View:
        request, state = self._request, self._state()
        if state.stage == after and state.pending is None:
            return self._told(state, f"Nothing to do: the stage is {after} already.")
        gates = self._migration.gates(request.action, max_age=request.max_age, look=True)
        forced = pass_gates(f"--{request.action}", gates, force=request.force)
        if request.dry_run:
            return self._would(what, forced)
        self._ask(what + (f" Forced: {', '.join(forced)}." if forced else "") + " Go on?", always=bool(forced))
        state, now = take(), self._services.clock.now()
        return View(as_json.state_json(state), lambda console: text.show_moved(console, state, os.environ, now))

    def _would(self, what: str, forced: tuple[str, ...]) -> View:
        data = {**self._head(), "dry_run": True, "would": what, "forced": list(forced)}
        return View(data, lambda console: console.print(f"{what} Nothing was changed (--dry-run)."))

    def _told(self, state: MigrationState, words: str) -> View:
        return View(as_json.state_json(state), lambda console: console.note(words))

    def _head(self) -> dict[str, Any]:
        return {"migration": NAME, "stage": self._state().stage}

    def _state(self) -> MigrationState:
        return self._migration.record.read()


_GATED: Final = frozenset({"start-dual-write", "backfill", "switch-reads", "stop-dual-write", "cleanup"})


def refused_answer() -> NbactlError:
    """Return the error for an operator who said no."""
    return CancelledError()

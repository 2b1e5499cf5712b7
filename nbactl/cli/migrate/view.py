"""What each action of the completions migration returns: data, text, exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.migrate import json, text
from nbactl.cli.migrate.command import SUMMARY, acknowledge, finding_counts
from nbactl.cli.migrate.result import PlanResult, StageResult
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time, moment
from nbactl.errors import DataError
from nbactl.migrations.completions.gates import COMMAND
from nbactl.migrations.completions.selection import no_batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.bootstrap import Container
    from nbactl.cli.migrate.result import (
        BackfillResult,
        CleanupResult,
        MigrationStatus,
        RepairOutcome,
        RestoreResult,
        RollbackResult,
    )
    from nbactl.cli.show.console import Console
    from nbactl.core._support.clock import Clock
    from nbactl.migrations.completions.validate import ValidationReport
    from nbactl.migrations.model import MigrationState

_NAMED: Final = 10
_TOUCHED: Final = "completions of prediction batches"


def migration_list(states: tuple[MigrationState, ...]) -> View:
    """Show the migrations."""

    def show(console: Console) -> None:
        console.table(
            ("migration", "stage", "since", "what"),
            [
                (state.name, state.stage, moment(state.changed_at) if state.changed_at else "", SUMMARY)
                for state in states
            ],
        )

    rows = [{**json.state_json(state), "summary": SUMMARY} for state in states]
    return View({"migrations": rows}, show, items="migrations")


def status(found: MigrationStatus) -> View:
    """Show the stage."""
    return View(json.status_json(found), lambda console: text.show_status(console, found))


def stage_result(result: StageResult) -> View:
    """Show a step."""
    return View(
        json.stage_json(result),
        lambda console: text.show_stage_result(console, result),
        touched=_TOUCHED,
        undo=(("migrate", "completions", "--rollback"),) if result.moved else (),
    )


def plan(result: PlanResult) -> View:
    """Show a plan."""
    return View(json.plan_json(result), lambda console: text.show_plan(console, result.plan))


def backfill(result: PlanResult | BackfillResult) -> View:
    """Show a backfill; it fails if the store refused documents."""
    if isinstance(result, PlanResult):
        return replace(plan(result), touched=_TOUCHED)
    refused, error = result.report.refused, None
    if refused:
        error = DataError(
            f"{len(refused)} documents were refused",
            cause=str(refused[0].error),
            next_step=f"To list what cannot be stored: {COMMAND} --validate",
        )
    return View(
        json.backfill_json(result),
        lambda console: text.show_backfill(console, result),
        touched=f"completions of {result.report.scope}",
        exit_code=0 if error is None else error.exit_code,
        error=error,
    )


def validation(report: ValidationReport) -> View:
    """Show a validation; it fails if the sides do not agree, and if there was nothing to compare."""
    error = None if report.validation.batches else no_batches(report.selection)
    return View(
        json.report_json(report),
        lambda console: text.show_report(console, report),
        exit_code=error.exit_code if error is not None else 0 if report.consistent else 1,
        error=error,
    )


def watched(reports: Iterator[ValidationReport], console: Console, clock: Clock) -> View:
    """Show validations, a line each, as they are made."""

    def rounds() -> Iterator[ValidationReport]:
        for report in reports:
            yield report
            console.out.flush()

    def as_items() -> Iterator[dict[str, Any]]:
        for report in rounds():
            yield json.report_json(report)

    def show(console: Console) -> None:
        for report in rounds():
            word = Styled("consistent", "green") if report.consistent else Styled(finding_counts(report), "bold red")
            checked = report.validation
            rest = f"  {checked.completions:,} completions in {checked.batches:,} batches, stage {report.stage}"
            console.print(f"{clock_time(clock.now())}  ", word, rest)

    return View({"rounds": as_items()}, show, items="rounds")


def repair(outcome: RepairOutcome) -> View:
    """Show a repair; it fails if something is left to repair."""
    error = None
    if outcome.is_partial:
        error = DataError("not everything could be repaired", next_step=f"To list what is left: {COMMAND} --validate")
    return View(
        json.repair_json(outcome),
        lambda console: text.show_repair(console, outcome),
        touched=_TOUCHED,
        exit_code=0 if error is None else 1,
        error=error,
    )


def cleanup(result: StageResult | CleanupResult) -> View:
    """Show a clean-up."""
    if isinstance(result, StageResult):
        return stage_result(result)
    return View(json.cleanup_json(result), lambda console: text.show_cleanup(console, result), touched=_TOUCHED)


def restore(result: RestoreResult) -> View:
    """Show the undo of a clean-up."""
    gone = result.restored.gone
    warning = f"{len(gone):,} batches of the file no longer exist: {', '.join(gone[:_NAMED])}"
    return View(
        json.restore_json(result),
        lambda console: text.show_restore(console, result),
        touched=_TOUCHED,
        warnings=(warning,) if gone else (),
    )


def rollback(app: Container, result: StageResult | RollbackResult) -> View:
    """Show a rollback; it is acknowledged when all of it was written."""
    if isinstance(result, StageResult):
        return stage_result(result)
    return View(
        json.rollback_json(result),
        lambda console: text.show_rollback(console, result),
        touched=_TOUCHED,
        after_output=lambda: acknowledge(app, result),
    )

"""`nbactl schedule`: when workflows are due."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli import app as root
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console
    from nbactl.config.workflows import Workflow
    from nbactl.core.outbox.outbox import Swept
    from nbactl.rollouts.tick import Decided
    from nbactl.schedule.occurrences import Occurrence

_SHOWN_TIMES = 4

app = group()


@command(
    app,
    "show",
    examples=[
        "nbactl schedule show",
        "nbactl schedule show --date 2024-01-15 --first-game 19:00",
        "nbactl schedule show --date 2024-03-10 -o json",
    ],
)
def show(
    ctx: typer.Context,
    date: Annotated[
        str, typer.Option("--date", help="Calendar day in Eastern time: YYYY-MM-DD, today, yesterday or latest.")
    ] = "today",
    first_game: Annotated[
        str | None,
        typer.Option("--first-game", help="That day's first tip-off, HH:MM Eastern; some workflows count from it."),
    ] = None,
) -> View:
    """Show when each workflow is due on a day, and which game date it works on."""
    from nbactl.schedule.occurrences import occurrences  # noqa: PLC0415 - not needed for help

    application = root.container(ctx)
    day = GameDate.parse(date, now=application.clock.now(), latest=lambda: GameDate(application.source.latest()))
    tip_off = None if first_game is None else _tip_off(day, first_game)
    rows = []
    for name, workflow in application.config.workflows.workflows.items():
        due = [] if workflow.schedule is None else occurrences(workflow.schedule, day.day, tip_off)
        rows.append((name, workflow, due, None if due else _why_not(workflow)))
    rows.sort(key=lambda row: (row[2][0].due_at.isoformat() if row[2] else "~", row[0]))
    data = {
        "date": str(day),
        "first_game": tip_off,
        "workflows": [_described(name, workflow, due, reason) for name, workflow, due, reason in rows],
    }

    def table(console: Console) -> None:
        console.table(
            ["workflow", "due (Eastern)", "game date", "what it does"],
            [
                (name, reason or _times(due, day), str(due[0].game_date) if due else "", workflow.description)
                for name, workflow, due, reason in rows
            ],
            optional=["what it does"],
        )

    return View(data, table, items="workflows")


@command(
    app,
    "tick",
    examples=["nbactl schedule tick --dry-run", "nbactl schedule tick -o json"],
)
def tick(
    ctx: typer.Context,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Decide as of this time (ISO, with its zone), for trying out: nothing is changed."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Decide on every rollout under way, and do it; then publish what waits in the outbox. For cron, every few minutes.

    Ticks may overlap: each step is taken once. With too little data a rollout stays where it is. Exit 1 if one was
    aborted, 7 if one could not be decided on or a message could not be published.
    """
    from nbactl.core.alerts import TextChannel  # noqa: PLC0415 - not needed for help
    from nbactl.rollouts.model import Action  # noqa: PLC0415

    services = root.container(ctx, reads_only=dry_run)
    now = services.clock.now() if at is None else _instant(at)
    out = root.console(ctx)
    alerts = services.alerts(TextChannel(out.note))
    ticker = services.ticker(lambda alert: alerts.send(alert, ("console", "slack")))
    only_look = dry_run or at is not None
    decided = ticker.tick(now, dry_run=only_look)
    swept = None if only_look else services.outbox.sweep()
    if not only_look:
        services.sweep_expired()
    data = {
        "decisions": [decision_json(each) for each in decided],
        "at": now,
        "outbox": None if swept is None else _swept_json(swept),
    }
    failures = [*(each.error for each in decided), *(() if swept is None else swept.failed.values())]
    failed = next((error for error in failures if error is not None), None)
    aborted = [each for each in decided if each.done and each.decision.action is Action.ABORT]
    error = failed
    if aborted:
        names = ", ".join(each.rollout.key for each in aborted)
        error = CheckFailedError(
            f"aborted and rolled back: {names}", cause=aborted[0].decision.why,
            next_step=f"nbactl flags rollout status {aborted[0].rollout.key}",
        )  # fmt: skip

    def table(console: Console) -> None:
        if decided:
            console.table(
                ["flag", "decision", "stage", "why"],
                [
                    (each.rollout.key, each.decision.action.value, f"{each.rollout.percent:g} %", each.decision.why)
                    for each in decided
                ],
            )
        else:
            console.note("Nothing is being rolled out.")
        if swept is None:
            console.note("Nothing was changed.")
            return
        if swept.published:
            console.note(f"Published from the outbox: {', '.join(swept.published)}")
        for key, failure in swept.failed.items():
            console.note(f"{key} stays in the outbox: {failure.message}")

    return View(data, table, items="decisions", exit_code=0 if error is None else error.exit_code, error=error)


def decision_json(decided: Decided) -> dict[str, Any]:
    """Return a decision for programs."""
    from nbactl.cli.flags.rollout_text import verdict  # noqa: PLC0415 - not needed for help

    return {
        "kind": "rollout",
        "name": decided.rollout.key,
        "action": decided.decision.action.value,
        "reason": decided.decision.why,
        "percent": decided.rollout.percent,
        "done": decided.done,
        "guards": [{"guard": each.guard, "verdict": verdict(each), "why": each.why} for each in decided.verdicts],
        "error": None if decided.error is None else decided.error.message,
    }


def _swept_json(swept: Swept) -> dict[str, Any]:
    failed = [{"key": key, "code": error.code, "message": error.message} for key, error in swept.failed.items()]
    return {"published": list(swept.published), "failed": failed}


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--at: '{text}' is no time", next_step="Give 2024-01-15T12:00:00-05:00.") from error
    if instant.tzinfo is None:
        raise UsageError(f"--at: '{text}' has no zone", next_step=f"Write {text}-05:00, or {text}Z.")
    return instant.astimezone(UTC)


def _tip_off(day: GameDate, text: str) -> datetime:
    try:
        return datetime.combine(day.day, time.fromisoformat(text), EASTERN)
    except ValueError as error:
        raise UsageError(f"--first-game: '{text}' is no time of day", next_step="Give HH:MM, Eastern time.") from error


def _why_not(workflow: Workflow) -> str:
    if workflow.schedule is None:
        return "by hand"
    return "first game not known (--first-game)" if workflow.schedule.before_first_game else "not on this day"


def _described(name: str, workflow: Workflow, due: list[Occurrence], reason: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "description": workflow.description,
        "tasks": [use.task for use in workflow.tasks],
        "due": [{"at": each.due_at, "until": each.until, "game_date": str(each.game_date)} for each in due],
        "reason": reason,
    }


def _times(due: list[Occurrence], day: GameDate) -> str:
    """Return the times of a row; of many the first ones and the last."""
    texts = [_local(each.due_at, day) for each in due]
    if due[0].until is not None:
        return f"{texts[0]} to {_local(due[0].until, day)}"
    if len(texts) <= _SHOWN_TIMES:
        return ", ".join(texts)
    return f"{', '.join(texts[: _SHOWN_TIMES - 1])} ... {texts[-1]} ({len(texts)} times)"


def _local(instant: datetime, day: GameDate) -> str:
    there = instant.astimezone(EASTERN)
    return f"{there:%H:%M}" if there.date() == day.day else f"{there:%H:%M} (+1)"

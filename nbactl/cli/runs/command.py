"""`nbactl runs`: the ledger."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import console, container, settings
from nbactl.cli.completion.values import runs
from nbactl.cli.frame import command, group
from nbactl.cli.run.json import run_json
from nbactl.cli.run.text import show_details, show_run_list, show_title
from nbactl.cli.runs.log import LogFile, LogFilter, for_a_person
from nbactl.cli.show.files import write_whole
from nbactl.cli.show.render import View
from nbactl.cli.show.states import INTERRUPTED, look
from nbactl.cli.signals import until_left
from nbactl.core._support.durations import format_duration, parse_duration
from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.core._support.names import did_you_mean
from nbactl.core.observe.logging import SEVERITIES, run_log_path
from nbactl.errors import NotFoundError, StillRunningError, UsageError
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console
    from nbactl.workflows.model import RunRecord

app = group()

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Id of a run, the beginning of one, or `last`.", show_default=False, autocompletion=runs
    ),
]
_STATES = (*(status.value for status in RunStatus if status is not RunStatus.SKIPPED), INTERRUPTED)
_GANTT_WIDTH = 100


@command(app, "list", examples=["nbactl runs list", "nbactl runs list --name phase3 --status failed --since 7d"])
def list_(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    name: Annotated[str | None, typer.Option(help="Runs of this phase, workflow or task.")] = None,
    date: Annotated[str | None, typer.Option(help="Runs of this game date.", metavar="DATE")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Runs started within this time (`12h`) or since this date.", metavar="DURATION|DATE"),
    ] = None,
    status: Annotated[
        str | None, typer.Option(help=f"Runs in this state: {', '.join(_STATES)}.", metavar="STATE")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1, metavar="N")] = 20,
) -> View:
    """List runs, the newest first."""
    services = container(ctx, reads_only=True)
    if status is not None and status not in _STATES:
        raise UsageError(f"'{status}' is no state of a run", next_step=did_you_mean(status, _STATES))
    day = _date(services, date) if date else None
    runs = services.ledger.list(name, day, _since(services, since), status, limit)
    shown = [(run, _state(services, run)) for run in runs]

    def show(console: Console) -> None:
        if not shown:
            console.note("No run fits." if any((name, date, since, status)) else "There is no run yet.")
        else:
            show_run_list(console, shown)

    return View({"runs": [run_json(run, state) for run, state in shown]}, show, items="runs")


@command(app, "show", examples=["nbactl runs show last", "nbactl runs show last -v"])
def show_(ctx: typer.Context, run: RunArgument) -> View:
    """Show a run: its tasks, what they wrote, and what went wrong; -v adds tracebacks."""
    services = container(ctx, reads_only=True)
    record = services.ledger.find(run)
    state = _state(services, record)
    log = run_log_path(_logs(services), record.run_id)

    def show(console: Console) -> None:
        show_details(console, record, state, log if log.exists() else None)

    return View({"run": run_json(record, state)}, show, run_id=record.run_id)


@command(app, "logs", examples=["nbactl runs logs last", "nbactl runs logs last --follow --level warning"])
def logs(
    ctx: typer.Context,
    run: RunArgument,
    task: Annotated[str | None, typer.Option(help="What this task logged.", metavar="TASK")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    level: Annotated[
        str, typer.Option(help="At least this severe: debug, info, warning, error, critical.", metavar="LEVEL")
    ] = "info",
) -> View:
    """Show what a run logged, in Eastern time."""
    services = container(ctx, reads_only=True)
    record = services.ledger.find(run)
    names = [each.name for each in record.tasks]
    if task is not None and task not in names:
        raise NotFoundError(f"run {record.run_id} has no task '{task}'", next_step=did_you_mean(task, names))
    if level.upper() not in SEVERITIES:
        levels = [severity.lower() for severity in SEVERITIES]
        raise UsageError(f"'{level}' is no level", next_step=did_you_mean(level, levels))
    path = run_log_path(_logs(services), record.run_id)
    if not path.exists() and not follow:
        raise NotFoundError(
            f"run {record.run_id} has no log here",
            cause=f"There is no {path}; another machine or state directory may have it.",
            next_step=f"See what the ledger knows: nbactl runs show {record.run_id} -v",
        )
    file = LogFile(path, LogFilter(level.upper(), task))
    entries: Iterable[dict[str, Any]] = _entries(services, record.run_id, file, console(ctx), follow=follow)
    if settings(ctx).output in ("json", "yaml"):
        entries = list(entries)

    def show(console: Console) -> None:
        for entry in entries:
            console.print(for_a_person(entry))

    return View({"entries": entries}, show, items="entries", run_id=record.run_id)


@command(app, "cancel", examples=["nbactl runs cancel last --dry-run"])
def cancel(
    ctx: typer.Context,
    run: RunArgument,
    timeout: Annotated[
        str | None,
        typer.Option(
            help="Wait this long for its end.", metavar="DURATION", show_default="run.cancel_wait in timeouts.yaml"
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it has ended.", show_default="wait")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be cancelled, and change nothing.")
    ] = False,
) -> View:
    """Stop a run in an orderly way, from another terminal: what is done stays, and it can be resumed."""
    services = container(ctx, reads_only=True)
    record = services.ledger.find(run)
    if record.status is RunStatus.CANCELLED:
        return _cancelled(services, record, f"{record.run_id} was cancelled already.")
    seconds = parse_duration(timeout) if timeout else services.config.timeouts["run.cancel_wait"]
    if dry_run:
        open_tasks = ", ".join(task.name for task in record.tasks if task.finished_at is None)
        state = _state(services, record)
        told = f"Would stop {record.run_id} ({record.name}), which still has: {open_tasks}."
        return _cancelled(
            services, record, told if state == "running" else f"Nothing to stop: {record.run_id} is {look(state).word}."
        )
    services.ledger.request_cancel(record.run_id)
    if not wait:
        return _cancelled(services, record, f"{record.run_id} was asked to stop.")
    ended = _wait_for_end(services, record.run_id, seconds)
    if ended.status is RunStatus.RUNNING and not services.ledger.interrupted(ended):
        raise StillRunningError(
            f"{record.run_id} was asked to stop, but is still running after {format_duration(seconds)}",
            cause="Its process may be busy with something that cannot be stopped.",
            next_step=f"Look again: nbactl runs show {record.run_id}",
        )
    told = f"{ended.run_id} ended: {look(_state(services, ended)).word}."
    if ended.status is not RunStatus.CANCELLED and ended.group is not None:
        told += " The runs of its command that were to follow are not begun."
    return _cancelled(services, ended, told)


@command(app, "gantt", examples=["nbactl runs gantt last", "nbactl runs gantt last --html run.html"])
def gantt(
    ctx: typer.Context,
    run: RunArgument,
    html: Annotated[
        Path | None, typer.Option(help="Write it as one self-contained page instead.", metavar="FILE")
    ] = None,
) -> View:
    """Draw when each task of a run began and ended, and how many ran at once."""
    services = container(ctx, reads_only=True)
    record = services.ledger.find(run)
    state = _state(services, record)
    now = services.clock.now()
    data: dict[str, Any] = {"run": run_json(record, state), "html": None}
    if html is not None:
        from nbactl.cli.runs.gantt_html import gantt_page  # noqa: PLC0415 - only then

        data["html"] = str(write_whole(html, gantt_page(record, state, now)))

    def show(console: Console) -> None:
        if html is not None:
            console.note(f"Wrote {html}.")
            return
        from nbactl.cli.runs.gantt import gantt_lines  # noqa: PLC0415 - loads Rich

        show_title(console, record, state)
        width = console.out.width if console.out.is_terminal else _GANTT_WIDTH
        for line in gantt_lines(record, now, width):
            console.print(*line)

    return View(data, show, run_id=record.run_id)


def _state(services: Container, run: RunRecord) -> str:
    return INTERRUPTED if services.ledger.interrupted(run) else run.status.value


def _logs(services: Container) -> Path:
    return Path(services.settings.state_dir) / "logs"


def _date(services: Container, text: str) -> GameDate:
    return GameDate.parse(text, now=services.clock.now(), latest=lambda: GameDate(services.source.latest()))


def _since(services: Container, text: str | None) -> datetime | None:
    """Return the moment that a duration before now, or the beginning of a date, stands for."""
    if text is None:
        return None
    if text[:1].isdigit() and "-" not in text:
        return services.clock.now() - timedelta(seconds=parse_duration(text))
    return datetime.combine(_date(services, text).day, time(), EASTERN)


def _entries(
    services: Container, run_id: str, file: LogFile, console: Console, *, follow: bool
) -> Iterator[dict[str, Any]]:
    """Yield log entries; while following, until the run has ended or the reader leaves."""
    if not follow:
        yield from file.new_entries(last=True)
        return
    for _ in until_left(services.config.timeouts["run.watch_poll"]):
        # Ask first: whatever the run wrote before its end was recorded is in the file by then.
        record = services.ledger.find(run_id)
        ended = record.status is not RunStatus.RUNNING or services.ledger.interrupted(record)
        yield from file.new_entries(last=ended)
        console.out.flush()
        if ended:
            return


def _wait_for_end(services: Container, run_id: str, seconds: float) -> RunRecord:
    clock = services.clock
    give_up_at = clock.monotonic() + seconds
    while True:
        record = services.ledger.find(run_id)
        ended = record.status is not RunStatus.RUNNING or services.ledger.interrupted(record)
        left = give_up_at - clock.monotonic()
        if ended or left <= 0:
            return record
        clock.sleep(min(left, services.config.timeouts["run.watch_poll"]))


def _cancelled(services: Container, run: RunRecord, told: str) -> View:
    state = _state(services, run)
    return View({"run": run_json(run, state)}, lambda console: console.note(told), run_id=run.run_id)

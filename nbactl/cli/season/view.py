"""The season as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.ask import command_line
from nbactl.cli.season.command import span_text
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time, moment
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from nbactl.cli.season.command import HaltChanged, SeasonDay, SeasonShown
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.season.halts import Halt

_STYLES: Final = {"halted": "bold yellow", "break": "cyan", "off_season": "dim", "no_games": "dim"}


def season(found: SeasonShown) -> View:
    """Show what is expected of a range of dates."""
    shown = found.season

    def show(console: Console) -> None:
        name = "no declared season" if shown is None else f"season {shown.name}, {shown.first} to {shown.last}"
        console.print(Styled(str(found.first), "bold"), f" to {found.last}: {name}")
        rows = [
            (str(day.date), _games(day), _tip_off(day), Styled(_state(day), _STYLES.get(_state(day), "")), _remark(day))
            for day in found.days
        ]
        console.table(["date", "games", "first", "state", "remark"], rows, optional=["first"])
        halts = [halt for halt in found.halts if console.verbosity or not halt.is_over(found.first)]
        if halts:
            console.print()
            console.table(
                ["halt", "from", "until", "reason", "by", "remark"],
                [
                    (halt.id, str(halt.first), str(halt.until or "open-ended"), halt.reason, halt.by, _ended(halt))
                    for halt in halts
                ],
                optional=["by"],
            )
        if found.coming:
            console.print()
            console.print(Styled("Next", "bold"))
        for event in found.coming:
            console.print(f"  {event.date}  {event.detail}")
        if found.as_of is not None:
            console.note(Styled(f"The schedule was read at {moment(found.as_of)}.", "dim"))

    unknown = found.unknown
    warnings: tuple[str, ...] = ()
    error = None
    if len(unknown) == len(found.days):
        error = NotFoundError(
            f"the schedule does not cover {found.first} to {found.last}",
            cause="Whether these dates have games is not known.",
            next_step="Choose other dates with --from and --to, or collect the schedule: nbactl run p2_schedule",
        )
    elif unknown:
        dates = f"{unknown[0]} to {unknown[-1]}" if len(unknown) > 1 else str(unknown[0])
        warnings = (f"the schedule does not cover {len(unknown)} of {len(found.days)} dates: {dates}",)
    return View(
        {
            "from": str(found.first),
            "to": str(found.last),
            "season": None if shown is None else {"name": shown.name, **_span(shown.first, shown.last)},
            "days": [_line(day) for day in found.days],
            "games": sum(day.game_day.games for day in found.days if day.game_day is not None),
            "breaks": [
                {**_span(pause.first, pause.last), "reason": pause.reason}
                for declared in found.declared
                for pause in declared.breaks
                if pause.first <= found.last and pause.last >= found.first
            ],
            "halts": [{**_halt(halt), "over": halt.is_over(found.today)} for halt in found.halts],
            "next": [{"date": str(event.date), "what": event.what, "detail": event.detail} for event in found.coming],
            "as_of": found.as_of,
        },
        show,
        items="days",
        exit_code=0 if error is None else error.exit_code,
        warnings=warnings,
        error=error,
    )


def halted(done: HaltChanged, settings: Settings) -> View:
    """Show which halt was made."""

    def say(console: Console, halt: Halt) -> None:
        what = f"no games are expected {span_text(halt.first, halt.until)}: {halt.reason}"
        if not done.changed:
            console.note(f"Nothing to do: {halt.id} holds already, {what}.")
        elif done.dry_run:
            console.note(f"Would halt: {what}.")
        else:
            console.print(f"{halt.id}: {what}.")

    return _changed(done, settings, say)


def resumed(done: HaltChanged, settings: Settings) -> View:
    """Show which halt was ended."""

    def say(console: Console, halt: Halt) -> None:
        if not done.changed:
            console.note(f"Nothing to do: {halt.id} was resumed on {halt.resumed_on}.")
        elif done.dry_run:
            console.note(f"Would end {halt.id} ({halt.reason}): games are expected from {halt.resumed_on} on.")
        else:
            console.print(f"{halt.id} ({halt.reason}) is over: games are expected from {halt.resumed_on} on.")

    return _changed(done, settings, say)


def _changed(done: HaltChanged, settings: Settings, say: Any) -> View:  # noqa: ANN401 - one of the two above
    undo = [command_line(settings, *done.undo)] if done.undo else []

    def show(console: Console) -> None:
        if done.halt is None:
            console.note("Nothing to do: no halt holds then or later.")
            return
        say(console, done.halt)
        for line in undo:
            console.note(Styled("undo: ", "cyan"), line)

    halt = done.halt
    data = {
        "halt": None if halt is None else _halt(halt),
        "changed": done.changed and not done.dry_run,
        "undo": undo,
    }
    touched = f"{halt.id} {span_text(halt.first, halt.until)}" if halt is not None and done.changed else None
    return View(data, show, touched=touched, undo=(done.undo,) if done.undo else ())


def _state(day: SeasonDay) -> str:
    if day.idle is not None:
        return day.idle.kind
    return "expected" if day.known else "unknown"


def _games(day: SeasonDay) -> str:
    if day.game_day is not None:
        return str(day.game_day.games)
    return "0" if day.known else ""


def _tip_off(day: SeasonDay) -> str:
    first = None if day.game_day is None else day.game_day.first_tip_off
    return "" if first is None else clock_time(first)[:5]


def _remark(day: SeasonDay) -> str:
    if day.idle is None:
        return "" if day.known else "the schedule does not cover it"
    # Off season the reason has a date of its own.
    until = None if day.idle.kind == "off_season" else day.idle.until
    return day.idle.reason if until is None or until == day.date else f"{day.idle.reason}, until {until}"


def _ended(halt: Halt) -> str:
    return "" if halt.resumed_on is None else f"resumed on {halt.resumed_on} by {halt.resumed_by}"


def _line(day: SeasonDay) -> dict[str, Any]:
    games = day.game_day
    nothing = 0 if day.known else None
    return {
        "date": str(day.date),
        "state": _state(day),
        "reason": None if day.idle is None else day.idle.reason,
        "until": None if day.idle is None else _text(day.idle.until),
        "games": nothing if games is None else games.games,
        "over": nothing if games is None else games.over,
        "first_tip_off": None if games is None else games.first_tip_off,
        "last_tip_off": None if games is None else games.last_tip_off,
    }


def _halt(halt: Halt) -> dict[str, Any]:
    return {
        "id": halt.id,
        "from": str(halt.first),
        "until": _text(halt.until),
        "reason": halt.reason,
        "by": halt.by,
        "at": halt.at,
        "resumed_on": _text(halt.resumed_on),
        "resumed_by": halt.resumed_by,
        "resumed_at": halt.resumed_at,
    }


def _span(first: GameDate, last: GameDate) -> dict[str, str]:
    return {"first": str(first), "last": str(last)}


def _text(day: GameDate | None) -> str | None:
    return None if day is None else str(day)

"""The grid as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.expect.command import mend_command, to_mend
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled, copyable
from nbactl.cli.show.times import clock_time, zone_name
from nbactl.errors import CheckFailedError, DataError, PartialRunError
from nbactl.outputs.html import MEANINGS, WORDS
from nbactl.outputs.model import WRONG, OutputState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.cli.expect.command import HeldUp
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.config.settings import Settings
    from nbactl.core._support.gamedate import GameDate
    from nbactl.errors import NbactlError
    from nbactl.outputs.model import Grid, Output

_STYLES: Final[Mapping[OutputState, str]] = {
    OutputState.COMPLETE: "green",
    OutputState.EMPTY_OK: "green",
    OutputState.EXPECTED: "dim",
    OutputState.PARTIAL: "yellow",
    OutputState.STALE: "yellow",
}
_WRONG: Final = "bold red"
_IDLE: Final = Styled("-", "dim")
_OPTIONAL_MARK: Final = " (optional)"
_COLUMN: Final = 7
"""Columns of a date: `01-15` and the gap."""
_ROWS_SHOWN: Final = 12
"""How many rows of a phase are explained one by one."""


def grid(drawn: Grid, settings: Settings, held: Sequence[HeldUp] = ()) -> View:
    """Show the grid: exit code 1 if a required output is missing, failed or late, 3 if not all was looked at."""
    mends = {phase: mend_command(outputs, settings) for phase, outputs in to_mend(drawn).items()}
    error = _error(drawn, settings)

    def show(console: Console) -> None:
        show_grid(console, drawn, mends)
        for one in held:
            more = f" and {len(one.outputs) - 1} more" if len(one.outputs) > 1 else ""
            console.print(Styled("✗ ", "red"), f"job {one.job}, which {one.outputs[0]}{more} need: {one.what}")
            if one.mend is not None:
                console.print("  ", copyable(one.mend))

    return View(
        {
            "outputs": [output_json(output, settings) for output in drawn.outputs],
            "summary": drawn.summary,
            "idle": [
                {
                    "game_date": str(day),
                    "kind": idle.kind,
                    "reason": idle.reason,
                    "until": idle.until and str(idle.until),
                }
                for day, idle in drawn.idle.items()
            ],
            "unknown": [str(day) for day in drawn.unknown],
            "wrong": len(drawn.wrong),
            "jobs": [
                {"job": one.job, "what": one.what, "outputs": list(one.outputs), "mend": one.mend} for one in held
            ],
        },
        show,
        items="outputs",
        exit_code=0 if error is None else error.exit_code,
        warnings=drawn.warnings,
        error=error,
    )


def output_json(output: Output, settings: Settings) -> dict[str, Any]:
    """Return an expected output. Times are UTC."""
    return {
        "game_date": str(output.game_date),
        "phase": output.phase,
        "name": output.name,
        "state": output.state.value,
        "required": output.required,
        "on_time": output.on_time,
        "due_at": output.due_at,
        "made_at": output.made_at,
        "by": output.by,
        "run_id": output.run_id,
        "rows": output.rows,
        "expected": output.expected,
        "unit": output.unit,
        "reason": output.reason,
        "mend": mend_command([output], settings) if output.state in _TO_MEND else None,
    }


_TO_MEND: Final = frozenset(OutputState) - {OutputState.COMPLETE, OutputState.EMPTY_OK, OutputState.EXPECTED}


def _error(drawn: Grid, settings: Settings) -> NbactlError | None:
    if wrong := drawn.wrong:
        states = {state: sum(output.state is state for output in wrong) for state in OutputState}
        summary = ", ".join(f"{number} {state.value}" for state, number in states.items() if number)
        only_late = all(output.state is OutputState.LATE for output in wrong)
        next_step = f"{'Watch' if only_late else 'Mend'}: {mend_command(wrong, settings)}"
        return CheckFailedError(f"{summary} of {len(drawn.outputs)} expected outputs", next_step=next_step)
    if not drawn.outputs and not drawn.idle:
        return DataError(
            "nothing is known of these dates",
            cause="Neither the schedule nor any run covers them.",
            next_step="Choose another --date, or give a --source that has it.",
        )
    if drawn.unknown:
        return PartialRunError(f"nothing was looked at on {len(drawn.unknown)} of the dates", next_step=_OTHER_DATES)
    if drawn.unchecked:
        return PartialRunError("not everything could be looked at", cause=drawn.warnings[0], next_step=_AGAIN)
    return None


_OTHER_DATES: Final = "Choose other dates, or give a --source that has them."
_AGAIN: Final = "Check the warehouse: nbactl doctor"


def show_grid(console: Console, drawn: Grid, mends: Mapping[str, str]) -> None:
    """Show the grid, its legend, and what is wrong with the command that mends it."""
    days = sorted({*drawn.idle, *(output.game_date for output in drawn.outputs)})
    if drawn.outputs:
        _show_cells(console, drawn, days)
    for kind, idle_days in _idle_by_reason(drawn).items():
        shown = ", ".join(map(str, idle_days[:_ROWS_SHOWN]))
        rest = f" and {len(idle_days) - _ROWS_SHOWN} more" if len(idle_days) > _ROWS_SHOWN else ""
        console.print(Styled(f"Nothing is expected on {shown}{rest}: {kind}", "dim"))
    for phase, outputs in to_mend(drawn).items():
        console.print()
        console.print(Styled(phase, "bold"), "  ", copyable(mends[phase]))
        rows = _rows(outputs)
        console.table(["  date", "output", "state", "why"], rows[:_ROWS_SHOWN])
        console.showing(min(len(rows), _ROWS_SHOWN), len(rows), f"rows of {phase}", more="All: -o json.")


def _rows(outputs: Sequence[Output]) -> list[list[Segment | None]]:
    """Return a row for each output; one for all of a date that are in the same state, unless it failed."""
    groups: dict[tuple[GameDate, OutputState, str], list[Output]] = {}
    for output in outputs:
        apart = output.name if output.state in _APART else ""
        groups.setdefault((output.game_date, output.state, apart), []).append(output)
    return [
        [
            f"  {day}",
            _names(found),
            _cell(state),
            next((output.reason for output in found if output.reason), None),
        ]
        for (day, state, _), found in groups.items()
    ]


_APART: Final = (OutputState.FAILED, OutputState.PARTIAL)


def _names(outputs: Sequence[Output]) -> str:
    if len(outputs) > 1:
        return f"{outputs[0].name} and {len(outputs) - 1} more"
    return outputs[0].name + ("" if outputs[0].required else _OPTIONAL_MARK)


def _cell(state: OutputState) -> Styled:
    """Return the state as a word that can be read without its colour: what is wrong is in capitals."""
    return Styled(WORDS[state].upper() if state in WRONG else WORDS[state], _STYLES.get(state, _WRONG))


def _show_cells(console: Console, drawn: Grid, days: Sequence[GameDate]) -> None:
    by_cell = {(output.phase, output.name, output.game_date): output for output in drawn.outputs}
    names = list(dict.fromkeys((output.phase, output.name) for output in drawn.outputs))
    label = max(len(name) for _, name in names) + 2
    room = len(days) if console.out.wide else max((console.out.width - label) // _COLUMN, 1)
    shown = days[-room:]
    heads = [day.day.strftime("%m-%d") for day in shown]
    rows: list[list[Segment | None]] = []
    for phase in dict.fromkeys(phase for phase, _ in names):
        rows.append([Styled(phase, "bold"), *[None] * len(shown)])
        for name in (name for of_phase, name in names if of_phase == phase):
            found = [(day, by_cell.get((phase, name, day))) for day in shown]
            rows.append(
                [
                    f"  {name}",
                    *(_cell(out.state) if out else _IDLE if day in drawn.idle else None for day, out in found),
                ]
            )
    years = str(shown[0]) if len(shown) == 1 else f"{shown[0]} to {shown[-1]}"
    console.print(Styled(years, "bold"), f"  as of {clock_time(drawn.now)} {zone_name()}")
    console.table(["", *heads], rows)
    console.showing(len(shown), len(days), "dates, the newest", more="All: -o wide, or fewer with --from and --to.")
    used = [state for state in OutputState if drawn.summary[state.value]]
    legend = ", ".join(f"{_cell(state).text} = {MEANINGS[state]}" for state in used)
    console.out.print_hanging("", text=f"{legend}{', - = nothing is expected' if drawn.idle else ''}", indent=0)


def _idle_by_reason(drawn: Grid) -> dict[str, list[GameDate]]:
    found: dict[str, list[GameDate]] = {}
    for day, idle in drawn.idle.items():
        found.setdefault(idle.reason, []).append(day)
    return found

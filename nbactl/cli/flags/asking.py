"""`nbactl flags eval` and `diff`: what an entity gets, and who would get something else."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.flags.desk import open_desk
from nbactl.cli.flags.group import KeyArgument, KeysArgument, app
from nbactl.cli.frame import command
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core.flags.explaining import explain
from nbactl.core.flags.moves import Position, parse_percent, position_of
from nbactl.core.flags.snapshot import as_text, compile_flags
from nbactl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console
    from nbactl.core.flags.explaining import FlagExplanation
    from nbactl.core.flags.model import FlagValue

_SHOWN = 20


@command(
    app,
    "eval",
    examples=[
        "nbactl flags eval query_caching --entity player-stats-2024-01-15",
        "ENABLE_QUERY_CACHING=true nbactl flags eval query_caching",
    ],
)
def eval_(
    ctx: typer.Context,
    key: KeyArgument,
    entity: Annotated[
        str | None, typer.Option(help="Id of a player, batch, game date or request.", metavar="ID")
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="What targeting rules look at; may be repeated.", metavar="NAME=VALUE")
    ] = None,
) -> View:
    """Evaluate a flag as a service with this environment would, and explain which step decided."""
    attributes = dict(_attribute(text) for text in attribute or ())
    desk = open_desk(ctx, reads_only=True)
    desk.flag(key)
    explanation = explain(desk.snapshot, key, entity, attributes)
    answer = explanation.evaluation
    data = {
        "key": key,
        "entity": entity,
        "value": answer.value,
        "reason": answer.reason,
        "bucket": explanation.bucket,
        "percent": explanation.percent,
        "source": answer.source,
        "error": answer.error,
        "steps": [asdict(step) for step in explanation.steps],
    }
    return View(data, lambda console: _show(console, key, entity, explanation), warnings=desk.snapshot.problems)


@command(
    app,
    "diff",
    examples=[
        "nbactl flags diff query_caching --percent 50 --entities <(printf '%s\\n' lebronjames stephencurry)",
        "nbactl flags diff query_caching --percent 50 --entities - -o json <<< lebronjames",
    ],
)
def diff(
    ctx: typer.Context,
    percent: Annotated[str, typer.Option(help="The percentage to try.", metavar="P", show_default=False)],
    entities: Annotated[
        str, typer.Option(help="File with one id a line; - for standard input.", metavar="FILE", show_default=False)
    ],
    keys: KeysArgument = None,
) -> View:
    """Name the entities that would get another value at another percentage. Nothing is changed."""
    after = Position(parse_percent(percent), enabled=True)
    desk = open_desk(ctx, reads_only=True)
    chosen, ids = desk.chosen(keys), _read_ids(entities)
    moves = [desk.move(key, after) for key in chosen]
    then = compile_flags(desk.file.definitions(), desk.after(moves).states, desk.environ)
    flips = [
        {"key": key, "entity": entity, "from": was, "to": becomes}
        for key in chosen
        for entity in ids
        if (was := desk.snapshot.evaluate(key, entity).value) != (becomes := then.evaluate(key, entity).value)
    ]
    counts = {key: sum(flip["key"] == key for flip in flips) for key in chosen}

    def show(console: Console) -> None:
        for key in chosen:
            here = position_of(desk.state(key))
            console.print(Styled(key, "bold"), f"  {here} to {after}: {counts[key]:,} of {len(ids):,} would flip")
        rows = flips if console.verbosity else flips[:_SHOWN]
        if rows:
            console.table(
                ["flag", "entity", "from", "to"],
                [(str(f["key"]), str(f["entity"]), as_text(_set(f["from"])), as_text(_set(f["to"]))) for f in rows],
            )
        if len(rows) < len(flips):
            console.note(f"{len(flips) - len(rows):,} more; -v names all of them.")

    data = {"percent": after.percent, "entities": len(ids), "counts": counts, "flips": flips}
    return View(data, show, items="flips", warnings=desk.snapshot.problems)


def _show(console: Console, key: str, entity: str | None, explanation: FlagExplanation) -> None:
    answer = explanation.evaluation
    value = Styled("none" if answer.value is None else as_text(answer.value), "bold")
    console.print(key, f" for {entity} is " if entity else " is ", value, f"  ({answer.reason}, from {answer.source})")
    if answer.error:
        console.print("  ", Styled(answer.error, "red"))
    for number, step in enumerate(explanation.steps, start=1):
        mark = console.out.glyph("▸", ">") if step.decided else " "
        head = Styled(f"{mark} {number} {step.name:<14}", "bold" if step.decided else "dim")
        console.out.print_hanging(head, text=step.finding, indent=19)


def _set(value: object) -> FlagValue:
    assert isinstance(value, (bool, int, str))  # noqa: S101 - every declared flag serves a value
    return value


def _attribute(text: str) -> tuple[str, FlagValue]:
    """Return name and value: true and false are booleans, digits a number, all else text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--attribute: '{text}' is not NAME=VALUE", next_step="Write it as team=BOS.")
    words: dict[str, Any] = {"true": True, "false": False}
    return name, words.get(value, int(value) if value.removeprefix("-").isdecimal() else value)


def _read_ids(file: str) -> list[str]:
    """Return the ids of a file, each once."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {file}", next_step="Name a file with one id a line.") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read", cause=error.strerror, next_step="Name a file of ids.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8", cause=str(error), next_step="Save it as UTF-8.") from error
    ids = list(dict.fromkeys(filter(None, map(str.strip, text.splitlines()))))
    if not ids:
        raise UsageError(f"{file} has no ids", next_step="Write one id a line.")
    return ids

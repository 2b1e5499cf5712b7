"""`nbactl help`: short texts on what holds for every command, and the help of each command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli.frame import command, find, single
from nbactl.cli.help.topics import TOPICS
from nbactl.cli.show.render import View
from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console

app = single()


def _complete(ctx: typer.Context) -> list[tuple[str, str]]:
    commands = ctx.find_root().command.commands  # type: ignore[attr-defined]
    topics = [(name, topic.summary) for name, topic in TOPICS.items()]
    return [*topics, *((name, found.get_short_help_str()) for name, found in commands.items())]


@command(app, "help", examples=["nbactl help", "nbactl help exit-codes", "nbactl help runs list"])
def help_(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Argument(help="environment, exit-codes, output, dates, or a command.", autocompletion=_complete),
    ] = None,
) -> View:
    """Explain what holds for every command, or one command.

    The topics are environment, exit-codes, output and dates.
    """
    if not topic:
        rows = [(name, found.summary) for name, found in TOPICS.items()]
        data = {"topics": [{"name": name, "summary": summary} for name, summary in rows]}
        return View(data, lambda console: console.table(["topic", "about"], rows), items="topics")
    name = " ".join(topic)
    text = TOPICS[name].text() if name in TOPICS else _help_of(ctx, topic)

    def show(console: Console) -> None:
        console.out.write(text)

    return View({"topic": name, "text": text}, show)


def _help_of(ctx: typer.Context, words: list[str]) -> str:
    root = ctx.find_root().command
    found = find(root, words)
    if found is None:
        name = " ".join(words)
        known = [*TOPICS, *root.commands]  # type: ignore[attr-defined]
        raise NotFoundError(f"There is no help topic '{name}'", next_step=did_you_mean(name, known))
    command_, context = found
    context.obj = ctx.obj if ctx.obj.settings.output == "table" else None  # no colours inside JSON
    return str(command_.get_help(context)) + "\n"

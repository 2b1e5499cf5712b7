"""`nbactl help`: topics that hold for every command, the guides that ship with nbactl, and the help of each command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli.frame import command, find, single
from nbactl.cli.help.guides import guides, read_guide
from nbactl.cli.help.topics import TOPICS
from nbactl.cli.show.render import View
from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console

app = single()

_GUIDE = "guide"


def _complete(ctx: typer.Context) -> list[tuple[str, str]]:
    commands = ctx.find_root().command.commands  # type: ignore[attr-defined]
    topics = [(name, topic.summary) for name, topic in TOPICS.items()]
    return [*topics, *guides().items(), *((name, found.get_short_help_str()) for name, found in commands.items())]


@command(
    app,
    "help",
    examples=["nbactl help", "nbactl help exit-codes", "nbactl help runs list", "nbactl help guide flags"],
)
def help_(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Argument(help="A topic, a command, or `guide NAME`.", show_default=False, autocompletion=_complete),
    ] = None,
) -> View:
    """Explain a topic or a command, or print a guide.

    Without an argument it lists the topics and the guides. `guide` may be left out unless a command has the same name.
    """
    if not topic:
        return _overview()
    name = " ".join(topic)
    if name in TOPICS:
        text = TOPICS[name].text()
    elif topic[0] == _GUIDE and len(topic) > 1:
        text = read_guide(" ".join(topic[1:]))
    else:
        text = _help_of(ctx, topic)

    def show(console: Console) -> None:
        console.out.write(text)

    return View({"topic": name, "text": text}, show)


def _overview() -> View:
    topics = [{"name": name, "summary": topic.summary} for name, topic in TOPICS.items()]
    found = [{"name": name, "summary": summary} for name, summary in guides().items()]

    def show(console: Console) -> None:
        console.table(["topic", "about"], [(topic["name"], topic["summary"]) for topic in topics])
        console.print()
        console.table(["guide", "about"], [(guide["name"], guide["summary"]) for guide in found])
        console.note("Run 'nbactl help TOPIC', 'nbactl help guide NAME' or 'nbactl help COMMAND'.")

    return View({"topics": topics, "guides": found}, show, items="topics")


def _help_of(ctx: typer.Context, words: list[str]) -> str:
    root = ctx.find_root().command
    found = find(root, words)  # type: ignore[arg-type]
    if found is not None:
        command_, context = found
        context.obj = ctx.obj if ctx.obj.settings.for_person else None  # no colours inside JSON
        return f"{command_.get_help(context)}\n"
    name = " ".join(words)
    if name in guides():
        return read_guide(name)
    known = [*TOPICS, *guides(), *root.commands]  # type: ignore[attr-defined]
    raise NotFoundError(
        f"there is no help topic '{name}'",
        next_step=did_you_mean(name, known, otherwise="Run 'nbactl help' to list the topics."),
    )

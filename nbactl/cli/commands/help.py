"""`nbactl help`: short texts on what holds for every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli._typer import command, single
from nbactl.cli.result import Result
from nbactl.cli.topics import TOPICS
from nbactl.core.names import did_you_mean
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from nbactl.cli.console import Console

app = single()


@command(app, "help", examples=["nbactl help", "nbactl help exit-codes"])
def help_(
    topic: Annotated[
        str | None,
        typer.Argument(help="environment, exit-codes, output or dates.", autocompletion=lambda: list(TOPICS)),
    ] = None,
) -> Result:
    """Explain what holds for every command: environment, exit codes, output, dates."""
    if topic is None:
        rows = [(name, found.summary) for name, found in TOPICS.items()]
        data = {"topics": [{"name": name, "summary": summary} for name, summary in rows]}
        return Result(data, lambda console: console.table(["topic", "about"], rows), items="topics")
    if topic not in TOPICS:
        raise NotFoundError(f"There is no help topic '{topic}'", next_step=did_you_mean(topic, TOPICS))
    text = TOPICS[topic].text()

    def show(console: Console) -> None:
        console.out.write(text)

    return Result({"topic": topic, "text": text}, show)

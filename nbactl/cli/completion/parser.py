"""`nbactl completion`: the script that makes a shell complete commands, options and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nbactl.cli.completion.shells import INSTALL, SCRIPTS
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console

app = single()


@command(app, "completion", examples=["nbactl completion bash", "nbactl completion zsh"])
def completion(shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="bash, zsh or fish.")]) -> View:
    """Print the script that completes nbactl's commands, options and values in your shell.

    bash: add `source <(nbactl completion bash)` to ~/.bashrc.

    zsh: add `source <(nbactl completion zsh)` to ~/.zshrc, after compinit.

    fish: run `nbactl completion fish > ~/.config/fish/completions/nbactl.fish`.
    """
    script = SCRIPTS[shell]

    def show(console: Console) -> None:
        console.out.write(script)
        if console.out.is_terminal:
            console.note(INSTALL[shell])

    return View({"shell": shell, "script": script}, show)

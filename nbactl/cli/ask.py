"""Ask before something is changed that others use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.app import console, settings
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    import typer


def consent(ctx: typer.Context, question: str, *, always: bool = False) -> None:
    """Ask on gcp, and everywhere if `always`. Raises NbactlError if the answer is no, UsageError if nobody is there."""
    given = settings(ctx)
    where = f" on {given.target} ({given.project})" if given.target == "gcp" else ""
    if (always or given.target == "gcp") and not console(ctx).confirm(question.replace("?", f"{where}?", 1)):
        raise NbactlError("nothing was changed", cause="The answer was no.")

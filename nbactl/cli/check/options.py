"""Options that `nbactl check code` and `nbactl bq lint` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from nbactl.cli.app import settings
from nbactl.cli.check.command import explain_rule
from nbactl.errors import UsageError

_FORMATS: Final = ("github", "sarif")


def code_rules(incomplete: str) -> list[tuple[str, str]]:
    """Return the rules over code that begin so, each with its summary."""
    return [(name, summary) for name, summary, is_sql in _rules(incomplete) if not is_sql]


def sql_rules(incomplete: str) -> list[tuple[str, str]]:
    """Return the rules over SQL that begin so, each with its summary."""
    return [(name, summary) for name, summary, is_sql in _rules(incomplete) if is_sql]


def all_rules(incomplete: str) -> list[tuple[str, str]]:
    """Return the rules that begin so, each with its summary."""
    return [(name, summary) for name, summary, _ in _rules(incomplete)]


def _rules(incomplete: str) -> list[tuple[str, str, bool]]:
    return [
        (rule.name, rule.summary, rule.statements is not None)
        for rule in explain_rule()
        if rule.name.startswith(incomplete)
    ]


def formats(incomplete: str) -> list[str]:
    """Return the formats that begin so."""
    return [name for name in _FORMATS if name.startswith(incomplete)]


Since = Annotated[
    str | None, typer.Option("--since", help="Only lines that differ from this revision of Git.", metavar="REV")
]
Baseline = Annotated[
    Path | None, typer.Option("--baseline", help="Leave out the findings that this file knows.", metavar="FILE")
]
UpdateBaseline = Annotated[
    bool, typer.Option("--update-baseline", help="Take findings that are gone out of the baseline, or create its file.")
]
Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Files, or folders with some; this folder by default.", metavar="[PATH]...", show_default=False
    ),
]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", help="Leave out a file or folder. Repeatable.", metavar="PATH")
]
Fix = Annotated[bool, typer.Option("--fix", help="Write the rewrites that are safe.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="Annotations for GitHub, or SARIF 2.1.", metavar="github|sarif", autocompletion=formats
    ),
]


def checked_format(ctx: typer.Context, form: str | None) -> None:
    """Raise UsageError for a format that there is not, or that does not go together with --output."""
    if form is not None and form not in _FORMATS:
        raise UsageError(f"--format: there is no format '{form}'", next_step=f"Known: {', '.join(_FORMATS)}.")
    if form is not None and not settings(ctx).for_person:
        raise UsageError(
            f"--format {form} cannot be combined with --output {settings(ctx).output}",
            cause=f"The output is set by {settings(ctx).origins['output']}.",
            next_step="Leave one of them out.",
        )

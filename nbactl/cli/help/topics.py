"""The texts of `nbactl help TOPIC`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.cli.options import SHARED, SharedOption
from nbactl.cli.show.text import KEEP_WORDS
from nbactl.config.settings import SETTINGS_FILE
from nbactl.config.variables import GIVEN, environment_variables
from nbactl.errors import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTH: Final = 80
"""The texts have one form, which fits every terminal."""


class Topic(NamedTuple):
    """A text and the line that announces it."""

    summary: str
    text: Callable[[], str]


def _environment() -> str:
    return (
        "Every setting can be given as a flag, as an environment variable, or as a key of\n"
        f"{SETTINGS_FILE} in the working directory or in --config-dir. A flag overrides a\n"
        "variable, a variable overrides the file, and the file overrides the default.\n"
        "'nbactl config show --origin' shows each value in force and where it comes from.\n\n"
        + _columns(environment_variables())
        + "\nAn empty variable counts as not set. Switches take true/false, yes/no, on/off\n"
        + "or 1/0.\n\n"
        + "A task that is a command (`command:` in workflows.yaml) gets:\n\n"
        + _columns(GIVEN)
    )


def _exit_codes() -> str:
    return "Every command uses the same exit codes.\n\n" + _columns(
        {str(code): meaning for code, meaning in EXIT_CODES.items()}
    )


def _output() -> str:
    return """\
Data go to stdout; progress, notes, warnings, questions and errors go to stderr.

  -o table   aligned columns for a person (the default)
  -o wide    the same with every column, however narrow the terminal is
  -o json    exactly one JSON document, on failure too; --json is the same
  -o yaml    the same document as YAML
  -o jsonl   the items of a list, one JSON object a line
  -o csv     rows as CSV: query, tables and quarantine list only

  --fields KEY,...   only these keys: of the items of a list, else of "data";
                     of CSV only these columns
  --utc              times for a person in UTC instead of Eastern time

The JSON document:

  {"schema": "nbactl/runs.list/v1", "ok": true, "target": "local",
   "run_id": null, "data": {...}, "warnings": [], "error": null}

"ok" is true if the exit code is 0. After a failure "error" has "code",
"message", "cause", "next" and "retryable". Keys are only ever added; the text
for people may change.

Colours appear on a terminal only (--color, NO_COLOR). Where stdout is not a
terminal, nothing is cut or wrapped to fit a width. Where rows or columns are
left out, a note on stderr says how many. Control characters in data are shown
as text, such as \\x1b.
"""


def _options() -> str:
    return (
        "Every command takes these options, before or after its name.\n\n"
        + _columns({_written(option): option.help for option in SHARED})
        + "\nMost can also be set by a variable or in a file: run 'nbactl help environment'.\n"
    )


def _written(option: SharedOption) -> str:
    names = ", ".join(option.declarations)
    names = names if len(option.declarations) > 1 else f"    {names}"
    return f"{names} {option.metavar}" if option.metavar else names


def _dates() -> str:
    return """\
A game date is a calendar date in America/New_York, whatever the zone of this
machine.

  YYYY-MM-DD   that date
  today        the date it is now in New York
  yesterday    the date before
  latest       the newest game date of the source (--source)

Durations are a number and a unit: 500ms, 90s, 30m, 4h, 7d, or joined, 1h30m.
"""


def _columns(rows: dict[str, str]) -> str:
    indent = max(map(len, rows)) + 4
    return "".join(
        textwrap.fill(
            text, _WIDTH, initial_indent=f"  {name:<{indent - 2}}", subsequent_indent=" " * indent, **KEEP_WORDS
        )
        + "\n"
        for name, text in rows.items()
    )


TOPICS = {
    "options": Topic("options that every command takes", _options),
    "environment": Topic("variables and the settings file", _environment),
    "exit-codes": Topic("what each exit code means", _exit_codes),
    "output": Topic("table, wide, json, yaml, jsonl; the JSON envelope", _output),
    "dates": Topic("game dates and durations", _dates),
}

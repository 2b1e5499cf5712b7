"""The texts of `nbactl help TOPIC`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

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
        f"{SETTINGS_FILE} in the working directory or in --config-dir. The flag wins over the\n"
        "variable, the variable over the file, the file over the default.\n"
        "'nbactl config show --origin' tells the value in force and where it comes from.\n\n"
        + _columns(environment_variables())
        + "\nAn empty variable counts as not set. Switches take true/false, yes/no, on/off\n"
        + "or 1/0.\n\n"
        + "A task that is a command (`command:` in workflows.yaml) finds:\n\n"
        + _columns(GIVEN)
    )


def _exit_codes() -> str:
    return "The exit code says how it ended, the same for every command.\n\n" + _columns(
        {str(code): meaning for code, meaning in EXIT_CODES.items()}
    )


def _output() -> str:
    return """\
Data go to stdout; progress, notes, warnings, questions and errors go to stderr.

  -o table   aligned columns for a person (the default)
  -o json    exactly one JSON document, on failure too; --json is the same
  -o jsonl   the items of a list, one JSON object a line

The JSON document:

  {"schema": "nbactl/runs.list/v1", "ok": true, "target": "local",
   "run_id": null, "data": {...}, "warnings": [], "error": null}

"ok" is true exactly if the exit code is 0. After a failure "error" has "code",
"message", "cause", "next" and "retryable". Keys are only ever added; the text for
people may change.

Colours appear on a terminal only (--color, NO_COLOR). Where stdout is no terminal,
nothing is cut or wrapped to fit a width.
"""


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
        textwrap.fill(text, _WIDTH, initial_indent=f"  {name:<{indent - 2}}", subsequent_indent=" " * indent) + "\n"
        for name, text in rows.items()
    )


TOPICS = {
    "environment": Topic("variables and the settings file", _environment),
    "exit-codes": Topic("what each exit code means", _exit_codes),
    "output": Topic("table, json, jsonl; the JSON envelope", _output),
    "dates": Topic("game dates and durations", _dates),
}

"""Problems found in configuration files: each with file, line, column and, where one is likely, the right spelling."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from nbactl.core._support.names import closest, did_you_mean
from nbactl.errors import ConfigError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_FEW = 12


@frozen
class Problem:
    """One thing that is wrong. `line` and `column` count from 1; `suggestion` is a sentence.

    Of an environment variable `file` is the name, and there is neither line nor column.
    """

    file: str
    line: int | None
    column: int | None
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        """Return `file:line:column: message`, the form that editors and terminals make clickable."""
        hint = f" {self.suggestion}" if self.suggestion else ""
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.message}.{hint}"


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return what to say of a name that is not among the `known` ones, None where that would be a long list."""
    names = list(known)
    return did_you_mean(name, names) if closest(name, names) or 0 < len(names) <= _FEW else None


def config_error(problems: Sequence[Problem]) -> ConfigError:
    """Return one error that names every problem, in the order of the files' lines."""
    ordered = sorted(set(problems), key=lambda item: (item.file, item.line or 0, item.column or 0, item.message))
    files = ", ".join(sorted({problem.file for problem in ordered}))
    return ConfigError(
        f"{len(ordered)} problem{'s' if len(ordered) > 1 else ''} in {files}",
        cause="\n".join(map(str, ordered)),
        next_step="Correct what is named above; `nbactl config validate` checks again. Nothing was started.",
        details={"problems": [asdict(problem) for problem in ordered]},
    )


def shown(value: object) -> str:
    """Return a value of a file for a message."""
    if value is None or value in ((), {}):
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"'{value}'" if isinstance(value, str) else str(value)

"""Problems found in configuration files: each with file, line, column and, where one is likely, the right spelling."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` and `column` count from 1; `suggestion` is what was probably meant."""

    file: str
    line: int
    column: int
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        """Return `file:line:column: message`, the form editors and terminals make clickable."""
        hint = f" (did you mean '{self.suggestion}'?)" if self.suggestion else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` is most likely a misspelling of, or None."""
    matches = difflib.get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def config_error(problems: Sequence[Problem]) -> ConfigError:
    """Return one error that names every problem, in the order of the files' lines."""
    ordered = sorted(set(problems), key=lambda each: (each.file, each.line, each.column, each.message))
    files = " and ".join(sorted({problem.file for problem in ordered}))
    message = str(ordered[0]) if len(ordered) == 1 else f"{len(ordered)} problems in {files}"
    return ConfigError(
        message,
        cause=None if len(ordered) == 1 else "\n".join(map(str, ordered)),
        next_step="Correct the lines named above; `nbactl config validate` checks again. Nothing was started.",
        details={"problems": [asdict(problem) for problem in ordered]},
    )

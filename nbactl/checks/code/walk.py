"""One walk over Python code that serves every rule."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from nbactl.core._support.files import read_regular
from nbactl.errors import DataError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


_MAX_FILE_BYTES: Final = 64 * 1024 * 1024


class CodeRule(Protocol):
    """A rule over Python code. It keeps what it finds."""

    def visit(self, file: Path, node: ast.AST) -> None:
        """Look at one node of a file's syntax tree; parents come before their children."""
        ...


@dataclass(slots=True)
class Walked:
    """How many files a walk came to, and which of them are not Python, each with the reason."""

    files: int = 0
    unparsed: list[tuple[Path, str]] = field(default_factory=list)


def walk(paths: Iterable[Path], rules: Sequence[CodeRule]) -> Walked:
    """Show every node of every Python file under `paths` to all rules.

    Raises NotFoundError for a path that is missing or has no Python file, DataError if no file at all can be parsed: a
    rule that looked at nothing found nothing (invariant 24).
    """
    walked = Walked()
    for file in _files(paths):
        walked.files += 1
        try:
            tree = ast.parse(read_regular(file, _MAX_FILE_BYTES), filename=str(file))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            walked.unparsed.append((file, str(error) or "nested too deeply"))
            continue
        except OSError as error:
            walked.unparsed.append((file, error.strerror or str(error)))
            continue
        for node in ast.walk(tree):
            for rule in rules:
                rule.visit(file, node)
    if walked.unparsed and len(walked.unparsed) == walked.files:
        file, why = walked.unparsed[0]
        raise DataError(
            f"nothing was searched: none of the {walked.files:,} files is Python that can be parsed",
            cause=f"{file}: {why}",
            next_step="Name Python files, or folders that hold some.",
        )
    return walked


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"there is no {path}", next_step="Name Python files, or folders that hold some.")
        if path.is_file():
            yield path
            continue
        found = [
            file
            for file in sorted(path.rglob("*.py"))
            if not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
        if not found:
            raise NotFoundError(
                f"nothing was searched: there is no Python file in {path}",
                next_step="Name Python files, or folders that hold some.",
            )
        yield from found

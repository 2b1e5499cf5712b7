"""Which files are looked at, and reading them."""

from __future__ import annotations

import ast
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbactl.core._support.files import read_regular
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

MAX_BYTES: Final = 1024 * 1024
"""A larger file is generated; its tree would take more memory than all others together."""
PYTHON: Final = frozenset({".py", ".pyi"})
SCRIPTS: Final = frozenset({".sh", ".bash", ".yaml", ".yml"})
SQL: Final = frozenset({".sql", ".bqsql"})
SOURCES: Final = frozenset({".py"})
"""Python files that SQL is looked for in."""
_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
_DEPLOYING: Final = frozenset({".github", ".cloudbuild"})
"""Hidden folders that say how services are deployed."""
_NEXT: Final = "Name files, or folders that hold some."


def find_files(
    paths: Iterable[Path], suffixes: Collection[str] = PYTHON, exclude: Collection[Path] = ()
) -> Iterator[Path]:
    """Yield the files under `paths` with these suffixes, in order, and each file that is named itself.

    Hidden folders (other than .github and .cloudbuild), virtual environments and installed packages are left out.
    Raises NotFoundError for a path that is missing or has no such file: a rule that looked at nothing found nothing
    (invariant 24). Folders and files of `exclude` are left out.
    """
    seen: set[Path] = set()
    left_out = {path.resolve() for path in exclude}
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"there is no {path}", next_step=_NEXT)
        count = 0
        for file in [path] if not path.is_dir() else _below(path, suffixes):
            count += 1
            if left_out and not left_out.isdisjoint((resolved := file.resolve(), *resolved.parents)):
                continue
            if file not in seen:
                seen.add(file)
                yield file
        if not count:
            what = "Python file" if set(suffixes) >= PYTHON else "file of SQL or Python"
            raise NotFoundError(f"nothing was searched: there is no {what} in {path}", next_step=_NEXT)


def _below(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED
            and (not name.startswith(".") or name in _DEPLOYING)
            and not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))  # noqa: PTH110, PTH118 - called for each folder
        )
        for name in sorted(names):
            if os.path.splitext(name)[1] in suffixes and not name.startswith("."):  # noqa: PTH122
                yield Path(place, name)


def read(path: Path) -> bytes:
    """Return the content of a file. Raises OSError, also for one that is too large."""
    return read_regular(path, MAX_BYTES)


def parse(content: bytes) -> ast.Module:
    """Return the tree of Python code. Raises SyntaxError with a line where there is one, whatever is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(content)
    except SyntaxError:
        raise
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "nested too deeply") from error


def is_test(path: Path) -> bool:
    """Return whether a file is test code or a benchmark, by its name or its folder."""
    return (
        path.name.startswith("test_")
        or path.name.endswith("_test.py")
        or path.name == "conftest.py"
        or not {"test", "tests", "benchmarks"}.isdisjoint(path.parts)
    )

"""`bq lint`: CPU beside sqlglot parsing the same files, beside sqlfluff, and again without changes; its memory.

The files are 520 different ones, made of the statements of the pipeline. With sqlglot[c] both sides are faster; which
of the two is installed is noted. sqlfluff gets a part of the files, because it takes minutes for all of them.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.measure import Command, Line, in_turn, nbactl, run_once

_FILES: Final = 520
_PART: Final = 4
"""sqlfluff gets every so many-th file."""
_PARSE: Final = """
import pathlib, sys, sqlglot
for path in pathlib.Path(sys.argv[1]).iterdir():
    sqlglot.parse(path.read_text(), dialect="bigquery")
"""
_SQL: Final = Path(__file__).parents[1] / "nbactl" / "pipeline" / "sql"


def measure(runs: int) -> list[Line]:
    """Measure in turn: the floor, a first run, a run without changes; sqlfluff on a part if it is installed."""
    with tempfile.TemporaryDirectory() as name:
        folder, part, cache = Path(name, "all"), Path(name, "part"), Path(name, "cache")
        folder.mkdir()
        part.mkdir()
        size = _fill(folder, part)
        caches = iter(range(1_000_000))
        commands = [
            Command("parse", lambda: [sys.executable, "-c", _PARSE, str(folder)]),
            Command("lint", lambda: _lint(folder, Path(name, f"cache{next(caches)}"))),
            Command("again", lambda: _lint(folder, cache)),
            Command("part", lambda: _lint(part, Path(name, f"cache{next(caches)}"))),
        ]
        taken = in_turn(commands, runs)
        if importlib.util.find_spec("sqlfluff"):
            taken["sqlfluff"] = run_once(Command("sqlfluff", lambda: _sqlfluff(part)))
    lint = taken["lint"]
    parser = importlib.util.find_spec("sqlglot.parser")
    kind = "sqlglot" if parser is None or str(parser.origin).endswith(".py") else "sqlglot[c]"
    note = f"{_FILES} files, {size / 1e6:.1f} MB, {kind}"
    lines = [
        Line("bq lint, CPU", lint.cpu / taken["parse"].cpu, "x sqlglot.parse", 2.5, note),
        Line("bq lint, unchanged", taken["again"].wall, "s", 1.0, f"{taken['again'].cpu:.2f} s CPU"),
        Line("bq lint, memory", lint.peak_mb, "MB", 300.0, "the largest process"),
    ]
    if "sqlfluff" in taken:
        ratio = taken["sqlfluff"].cpu / taken["part"].cpu
        lines.append(
            Line("bq lint beside sqlfluff", 1 / ratio, "of its CPU", 1 / 25, f"sqlfluff takes {ratio:.0f} x as long")
        )
    return lines


def _fill(folder: Path, part: Path) -> int:
    """Write the files, no two of them alike; returns their bytes."""
    sources = [path.read_text() for path in sorted(_SQL.rglob("*.sql"))]
    size = 0
    for number in range(_FILES):
        text = f"-- {number}\n{sources[number % len(sources)]}"
        size += len(text)
        (folder / f"{number}.sql").write_text(text)
        if number % _PART == 0:
            (part / f"{number}.sql").write_text(text)
    return size


def _lint(folder: Path, cache: Path) -> list[str]:
    command = ["env", f"XDG_CACHE_HOME={cache}", *nbactl("bq", "lint", str(folder), "-o", "json")]
    return ["sh", "-c", '"$@" >/dev/null || test $? = 1', "sh", *command]


def _sqlfluff(folder: Path) -> list[str]:
    command = [sys.executable, "-m", "sqlfluff", "lint", "--dialect", "bigquery", "--processes", "1", str(folder)]
    return ["sh", "-c", '"$@" >/dev/null || true', "sh", *command]

"""`check code`: CPU beside `ast.parse` of the same files, beside pylint, and again without changes; its memory.

The files are those of the standard library and of installed packages, up to 34 MB, each once. pylint runs the rules
that it has of ours, on a part of the files, because it takes minutes for all of them.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Command, Line, in_turn, nbactl, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator

_BYTES: Final = 34_000_000
_PART: Final = 6
"""pylint gets every so many-th file."""
_PARSE: Final = """
import ast, pathlib, sys, warnings
warnings.simplefilter("ignore")
for path in pathlib.Path(sys.argv[1]).iterdir():
    ast.parse(path.read_bytes())
"""
_PYLINT: Final = "bare-except,broad-exception-caught,missing-timeout"


def measure(runs: int) -> list[Line]:
    """Measure in turn: the floor, a first run, a run without changes; pylint on a part if it is installed."""
    with tempfile.TemporaryDirectory() as name:
        folder, part, cache = Path(name, "all"), Path(name, "part"), Path(name, "cache")
        folder.mkdir()
        part.mkdir()
        count, size = _fill(folder, part)
        caches = iter(range(1_000_000))

        def fresh(*arguments: str) -> list[str]:
            place = Path(name, f"cache{next(caches)}")
            return ["env", f"XDG_CACHE_HOME={place}", *nbactl("check", "code", *arguments, "-o", "json")]

        commands = [
            Command("parse", lambda: [sys.executable, "-c", _PARSE, str(folder)]),
            Command("check", lambda: ["sh", "-c", '"$@" >/dev/null || test $? = 1', "sh", *fresh(str(folder))]),
            Command("again", lambda: _again(folder, cache)),
            Command("part", lambda: ["sh", "-c", '"$@" >/dev/null || test $? = 1', "sh", *fresh(str(part))]),
        ]
        taken = in_turn(commands, min(runs, 3))
        if importlib.util.find_spec("pylint"):
            taken["pylint"] = run_once(Command("pylint", lambda: _pylint(part)))  # once: two minutes
    floor, note = taken["parse"].cpu, f"{count:,} files, {size / 1e6:.0f} MB"
    check = taken["check"]
    lines = [
        Line("check code, CPU", check.cpu / floor, "x ast.parse", 2.0, note),
        Line("check code, wall", check.wall, "s", 6.0, "on two idle cores"),
        Line("check code, unchanged", taken["again"].wall, "s", 1.0, f"{taken['again'].cpu:.2f} s CPU"),
        Line("check code, memory", check.peak_mb, "MB", 300.0, "the largest process"),
    ]
    if "pylint" in taken:
        ratio = taken["pylint"].cpu / taken["part"].cpu
        lines.append(
            Line("check code beside pylint", 1 / ratio, "of its CPU", 1 / 50, f"pylint takes {ratio:.0f} times as long")
        )
    return lines


def _fill(folder: Path, part: Path) -> tuple[int, int]:
    """Copy files, each content once; returns how many and their bytes."""
    seen: set[bytes] = set()
    size = 0
    for path in _sources():
        content = path.read_bytes()
        if content in seen or len(content) > 1 << 20 or size > _BYTES:
            continue
        try:
            compile(content, str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):
            continue
        seen.add(content)
        size += len(content)
        (folder / f"m{len(seen)}.py").write_bytes(content)
        if len(seen) % _PART == 0:
            (part / f"m{len(seen)}.py").write_bytes(content)
    return len(seen), size


def _sources() -> Iterator[Path]:
    for name in ("stdlib", "purelib"):
        for path in sorted(Path(sysconfig.get_path(name)).rglob("*.py")):
            if "test" not in path.parts and "lib2to3" not in path.parts:
                yield path


def _again(folder: Path, cache: Path) -> list[str]:
    return [
        "sh",
        "-c",
        '"$@" >/dev/null || test $? = 1',
        "sh",
        "env",
        f"XDG_CACHE_HOME={cache}",
        *nbactl("check", "code", str(folder), "-o", "json"),
    ]


def _pylint(part: Path) -> list[str]:
    command = [sys.executable, "-m", "pylint", "--disable=all", f"--enable={_PYLINT}", str(part)]
    return ["sh", "-c", '"$@" >/dev/null || true', "sh", *command]

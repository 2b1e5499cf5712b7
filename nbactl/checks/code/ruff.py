"""The rules of ruff, run once as a process over all files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbactl.checks.code.content import Located, digest_of, locate
from nbactl.checks.code.files import read
from nbactl.checks.code.rule import Hit
from nbactl.checks.code.rules import RULES
from nbactl.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.checks.code.workers import Job

_CODES: Final = {code: rule.name for rule in RULES.values() for code in rule.ruff}
_WHOLE: Final = frozenset({"S110", "S112"})
"""Rules whose range is a whole handler; its first line is the place."""
NAMES: Final = frozenset(_CODES.values())


def find_ruff() -> str:
    """Return the path of ruff, the one of this environment first. Raises UsageError if there is none."""
    beside = Path(sys.executable).with_name("ruff.exe" if os.name == "nt" else "ruff")
    found = str(beside) if beside.exists() else shutil.which("ruff")
    if found is None:
        raise UsageError(
            "ruff is not installed",
            cause=f"{', '.join(sorted(NAMES))} are rules of ruff.",
            next_step="Run: pip install 'nbactl[check]'. Or choose other rules with --rule.",
        )
    return found


def version_of(ruff: str) -> str:
    """Return what tells this ruff from another one."""
    status = Path(ruff).stat()
    return f"{ruff} {status.st_size} {status.st_mtime_ns}"


def ruff_hits(ruff: str, jobs: Sequence[Job]) -> Mapping[str, list[Located]]:
    """Return what ruff finds in each content, by digest. Raises UnavailableError if ruff fails."""
    found: dict[str, list[Hit]] = {job.digest: [] for job in jobs}
    if not jobs:
        return {}
    by_path = {os.path.abspath(job.path): job for job in jobs}  # noqa: PTH100 - links are not followed
    for item in _run(ruff, list(by_path)):
        name = _name(item["code"])
        job = by_path.get(item["filename"])
        if name is None or job is None:
            continue  # a syntax error: our own parser reports it
        row, column = item["location"]["row"], item["location"]["column"]
        end = row if item["code"] in _WHOLE else item["end_location"]["row"]
        found[job.digest].append(Hit(name, row, column, end, f"{item['message']} ({item['code']})"))
    located = {}
    for job in jobs:
        hits = _without_repeats(found[job.digest])
        content = read(job.path) if hits else b""
        if not hits or digest_of(content, job.kind) == job.digest:  # else the file changed meanwhile
            located[job.digest] = locate(hits, content)
    return located


def _name(code: str | None) -> str | None:
    if code is None:
        return None
    return _CODES.get(code) or next((name for prefix, name in _CODES.items() if code.startswith(prefix)), None)


def _without_repeats(hits: list[Hit]) -> list[Hit]:
    """Return one hit a line where a narrower rule says the same as a broad handler."""
    narrow = {hit.line for hit in hits if hit.rule in ("bare-except", "swallowed-exception")}
    return sorted(
        (hit for hit in hits if hit.rule != "broad-except" or hit.line not in narrow),
        key=lambda hit: (hit.line, hit.column),
    )


def _run(ruff: str, paths: Sequence[str]) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as names:
        names.write("\n".join(paths))
        names.flush()
        command = [
            ruff,
            "check",
            "--isolated",
            "--no-cache",
            "--no-fix",
            "--exit-zero",
            "--quiet",
            "--no-respect-gitignore",
        ]
        command += ["--output-format", "json", "--select", ",".join(_CODES), f"@{names.name}"]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the path was looked up
    if done.returncode:
        cause = done.stderr.decode(errors="replace").strip().splitlines()
        raise UnavailableError(
            f"ruff exited with {done.returncode}", cause=cause[-1] if cause else None, next_step="Run: ruff --version."
        )
    found: list[dict[str, Any]] = json.loads(done.stdout or b"[]")
    return found

"""Looking at many contents, on every core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.checks.code.content import Analysis, Kind, analyse, digest_of, unparsed
from nbactl.checks.code.files import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ALONE: Final = 400_000
"""Bytes below which starting another process takes longer than the work."""


class Job(NamedTuple):
    """One content that is to be looked at."""

    digest: str
    kind: Kind
    path: Path
    size: int


def analyse_all(jobs: Sequence[Job], processes: int | None = None) -> Mapping[str, Analysis]:
    """Return the analysis of each content by its digest. A file that a process dies of is a finding of that file."""
    cores = processes or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if sum(job.size for job in jobs) < _ALONE and processes is None:
        return {job.digest: analysis for job in jobs for analysis in [_here(job)]}
    shares: list[list[Job]] = [[] for _ in range(max(1, min(cores, len(jobs))))]
    loads = [0] * len(shares)
    for job in sorted(jobs, key=lambda job: -job.size):
        least = loads.index(min(loads))
        shares[least].append(job)
        loads[least] += job.size
    with ThreadPoolExecutor(len(shares)) as threads:
        return dict(pair for found in threads.map(_share, shares) for pair in found)


def _here(job: Job) -> Analysis:
    try:
        content = read(job.path)
    except OSError as error:
        return Analysis([unparsed(error.strerror or str(error))], [])
    return _same(job, digest_of(content, job.kind), analyse(content, job.kind))


def _share(jobs: Sequence[Job]) -> list[tuple[str, Analysis]]:
    """Look at these files in a process; if it dies, at the rest in another one."""
    answered: list[tuple[str, Analysis]] = []
    while len(answered) < len(jobs):
        rest = jobs[len(answered) :]
        found, why = _answers(rest)
        answered += found
        if len(found) < len(rest):
            answered.append((rest[len(found)].digest, Analysis([unparsed(f"the process crashed ({why})")], [])))
    return answered


def _answers(jobs: Sequence[Job]) -> tuple[list[tuple[str, Analysis]], str]:
    """Return what a process says of these files, until the one it died of, and its last words."""
    package = Path(__file__).resolve().parents[3]
    # -P: a folder that is looked at may hold a types.py.
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-m", "nbactl.checks.code.worker"],
        input="".join(json.dumps([job.kind, str(job.path)]) + "\n" for job in jobs).encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(package), "PYTHONWARNINGS": "ignore"},
        check=False,
    )
    lines = done.stdout.split(b"\n")[:-1]  # what is behind the last line break was cut off
    found = []
    for job, line in zip(jobs, lines, strict=False):
        digest, encoded = json.loads(line)
        found.append((job.digest, _same(job, digest, Analysis.decode(encoded))))
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return found, said[-1] if said else f"exit code {done.returncode}"


def _same(job: Job, digest: str, analysis: Analysis) -> Analysis:
    """Return the analysis if it is of the content that was asked for, else the finding that the file changed."""
    return analysis if digest == job.digest else Analysis([unparsed("the file changed meanwhile; run it again")], [])

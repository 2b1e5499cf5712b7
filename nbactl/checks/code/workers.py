"""Looking at many contents, on every core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.checks.code.content import Analysis, Kind, analyse, digest_of, unreadable
from nbactl.checks.code.files import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.checks.sql.tables import Tables

_ALONE: Final = {"python": 400_000, "script": 400_000, "sql": 6_000_000, "embedded": 3_000_000}
"""Bytes below which starting another process takes longer than the work; that of SQL loads a parser first."""


class Job(NamedTuple):
    """One content that is to be looked at."""

    digest: str
    kind: Kind
    path: Path
    size: int


def analyse_all(
    jobs: Sequence[Job], processes: int | None = None, tables: Tables | None = None
) -> Mapping[str, Analysis]:
    """Return the analysis of each content by its digest. A file that a process dies of is a finding of that file."""
    cores = processes or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if sum(job.size / _ALONE[job.kind] for job in jobs) < 1 and processes is None:
        return {job.digest: analysis for job in jobs for analysis in [_here(job, tables)]}
    shares: list[list[Job]] = [[] for _ in range(max(1, min(cores, len(jobs))))]
    loads = [0] * len(shares)
    for job in sorted(jobs, key=lambda job: -job.size):
        least = loads.index(min(loads))
        shares[least].append(job)
        loads[least] += job.size
    crew = _Crew(tables)
    with ThreadPoolExecutor(len(shares)) as threads:
        answers = [threads.submit(_share, share, crew) for share in shares]
        try:
            return dict(pair for answer in answers for pair in answer.result())
        except BaseException:
            crew.stop()  # Ctrl-C and SIGTERM come here
            raise


class _Crew:
    """The processes that are at work, so that they can be stopped."""

    def __init__(self, tables: Tables | None) -> None:
        self._tables = tables
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.stopped = False

    def run(self, names: bytes) -> tuple[int, bytes, bytes]:
        """Have a process look at the files with these names; returns its exit code and what it wrote."""
        package = Path(__file__).resolve().parents[3]
        with self._lock:
            if self.stopped:
                return 1, b"", b"stopped"
            # -P: a folder that is looked at may hold a types.py.
            module = ["-m", "nbactl.checks.code.worker"]
            process = subprocess.Popen(  # noqa: S603 - this Python and this module
                # The parser of SQL is an installed package.
                [sys.executable, "-P", *(["-S", *module] if self._tables is None else [*module, "sql"])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(package), "PYTHONWARNINGS": "ignore"},
            )
            self._running.add(process)
        with process:
            if self._tables is not None:
                names = json.dumps(self._tables.encode()).encode() + b"\n" + names
            out, err = process.communicate(names)
        with self._lock:
            self._running.discard(process)
        return process.returncode, out, err

    def stop(self) -> None:
        """End all processes, and start no more."""
        with self._lock:
            self.stopped = True
            for process in self._running:
                process.kill()


def _here(job: Job, tables: Tables | None) -> Analysis:
    try:
        content = read(job.path)
    except OSError as error:
        return unreadable(error.strerror or str(error))
    return _same(job, digest_of(content, job.kind), analyse(content, job.kind, tables))


def _share(jobs: Sequence[Job], crew: _Crew) -> list[tuple[str, Analysis]]:
    """Look at these files in a process; if it dies, at the rest in another one."""
    answered: list[tuple[str, Analysis]] = []
    while len(answered) < len(jobs) and not crew.stopped:
        rest = jobs[len(answered) :]
        found, why = _answers(rest, crew)
        answered += found
        if len(found) < len(rest):
            answered.append((rest[len(found)].digest, unreadable(f"the process crashed ({why})")))
    return answered


def _answers(jobs: Sequence[Job], crew: _Crew) -> tuple[list[tuple[str, Analysis]], str]:
    """Return what a process says of these files, until the one it died of, and its last words."""
    names = "".join(json.dumps([job.kind, str(job.path)]) + "\n" for job in jobs)
    code, out, err = crew.run(names.encode())
    found = []
    for job, line in zip(jobs, out.split(b"\n")[:-1], strict=False):  # what is behind the last line break was cut off
        digest, encoded = json.loads(line)
        found.append((job.digest, _same(job, digest, Analysis.decode(encoded))))
    said = err.decode(errors="replace").strip().splitlines()
    return found, said[-1] if said else f"exit code {code}"


def _same(job: Job, digest: str, analysis: Analysis) -> Analysis:
    """Return the analysis if it is of the content that was asked for, else the finding that the file changed."""
    return analysis if digest == job.digest else unreadable("the file changed meanwhile; run it again")

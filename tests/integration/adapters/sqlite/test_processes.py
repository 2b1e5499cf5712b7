"""The store and its leases between processes, killed ones among them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.holder import is_dead
from nbactl.core.lease.leases import Leases
from nbactl.errors import LeaseHeldError
from nbactl.ports.documents import Query, Set
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PREAMBLE = """
import fcntl, os, sys, time
from pathlib import Path
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.core.lease.leases import Leases
from nbactl.errors import LeaseHeldError
from nbactl.ports.documents import Create, Increment, Query, Set, Update

place = Path(sys.argv[1])
clock = SystemClock()
store = SqliteDocuments(place / "documents.db", clock=clock, busy_timeout=60.0)
leases = Leases(store, clock, is_dead=is_dead)
"""

CREATE = 'store.commit([Create(f"c/{os.getpid()}", {})])'

COUNT = """
for number in range(50):
    store.transaction(lambda t: t.write(Set("c/n", {"n": (d.data["n"] if (d := t.get("c/n")) else 0) + 1})))
"""

KILLED = """
faults.arm_from_environment(sys.argv[2] + "=kill")
store.commit([Create("c/a", {"n": 1}), Create("c/b", {"n": 1})])
"""

HOLD = """
lease = leases.acquire("phase3/2024-01-15", process_identity("run-held"), 3600.0)
print(lease.token, flush=True)
time.sleep(600)
"""

# The lock on the file is the judge: the kernel gives it to one process at a time and frees it when that one dies.
COMPETE = """
end = time.monotonic() + float(sys.argv[2])
judge = open(place / "judge", "ab", buffering=0)
turn = 0
while time.monotonic() < end:
    turn += 1
    try:
        lease = leases.acquire("phase3/2024-01-15", process_identity(f"run-{turn}"), 3600.0)
    except LeaseHeldError:
        time.sleep(0.001)
        continue
    fcntl.flock(judge, fcntl.LOCK_EX | fcntl.LOCK_NB)
    judge.write(f"{lease.token} {os.getpid()}\\n".encode())
    time.sleep(0.002)
    lease = leases.renew(lease, 3600.0)
    fcntl.flock(judge, fcntl.LOCK_UN)
    leases.release(lease)
"""

FORK = """
store.commit([Set("c/before", {})])
assert store.get("c/before") is not None
pid = os.fork()
if pid == 0:
    store.commit([Set("c/child", {})])
    store.close()
    os._exit(0)
store.commit([Set("c/parent", {})])
assert os.waitpid(pid, 0)[1] == 0
assert list(store.list_ids("c")) == ["before", "child", "parent"], list(store.list_ids("c"))
"""

# With a connection inherited, the parent's closing would remove the log into which the child goes on to write.
FORK_AND_CLOSE = """
store.commit([Set("c/before", {})])
closed, parent = os.pipe()
child_ready, ready = os.pipe()
pid = os.fork()
if pid == 0:
    store.get("c/before")
    store.commit([Set("c/early", {})])
    os.write(ready, b"x")
    os.read(closed, 1)
    store.commit([Set("c/late", {})])
    os._exit(0)
store.get("c/before")
os.read(child_ready, 1)
store.close()
os.write(parent, b"x")
assert os.waitpid(pid, 0)[1] == 0
store = SqliteDocuments(place / "documents.db", clock=clock, busy_timeout=60.0)
assert list(store.list_ids("c")) == ["before", "early", "late"], list(store.list_ids("c"))
"""

# What the child must not do: SQLite would take no lock on the file, so that others remove the log under it.
FORK_IN_USE = """
store.commit([Set(f"c/{n}", {}) for n in range(3)])
stream = store.query(Query("c"))
next(stream)
pid = os.fork()
if pid == 0:
    for again in (store, SqliteDocuments(place / "documents.db", clock=clock, busy_timeout=60.0)):
        try:
            again.get("c/0")
        except RuntimeError as error:
            assert "was forked while" in str(error)
        else:
            os._exit(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert len(list(stream)) == 2
store.commit([Set("c/parent", {})])
"""

FORK_IN_TRANSACTION = """
import threading
inside, leave = threading.Event(), threading.Event()
thread = threading.Thread(target=lambda: store.transaction(lambda t: (inside.set(), leave.wait(30))))
thread.start()
inside.wait(30)
pid = os.fork()
if pid == 0:
    try:
        store.get("c/0")
    except RuntimeError:
        os._exit(0)
    os._exit(1)
leave.set()
thread.join()
assert os.waitpid(pid, 0)[1] == 0
store.commit([Set("c/parent", {})])
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", PREAMBLE + script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(processes: list[subprocess.Popen[str]]) -> list[int]:
    codes = []
    for process in processes:
        _, errors = process.communicate(timeout=100)
        assert process.returncode in (0, -signal.SIGKILL), errors
        codes.append(process.returncode)
    return codes


def opened(place: Path) -> SqliteDocuments:
    return SqliteDocuments(place / "documents.db", clock=SystemClock(), busy_timeout=30.0)


def test_processes_that_create_the_file_at_the_same_time_share_it(tmp_path: Path) -> None:
    place = tmp_path / "new" / "folder"
    processes = [start(CREATE, place) for _ in range(6)]
    assert finished(processes) == [0] * 6
    with closing(opened(place)) as store:
        assert sorted(store.list_ids("c")) == sorted(str(process.pid) for process in processes)


def test_processes_that_count_together_lose_nothing(tmp_path: Path) -> None:
    assert finished([start(COUNT, tmp_path) for _ in range(4)]) == [0] * 4
    with closing(opened(tmp_path)) as store:
        document = store.get("c/n")
        assert document is not None
        assert document.data == {"n": 200}


@pytest.mark.parametrize(("point", "there"), [("documents.before_commit", []), ("documents.after_commit", ["a", "b"])])
def test_inv_20_a_process_killed_around_its_commit_leaves_all_or_nothing(
    tmp_path: Path, point: str, there: list[str]
) -> None:
    assert finished([start(KILLED, tmp_path, point)]) == [-signal.SIGKILL]
    with closing(opened(tmp_path)) as store:
        assert list(store.list_ids("c")) == there
        store.commit([Set("c/a", {})])


@pytest.mark.parametrize(
    "script", [FORK, FORK_AND_CLOSE, FORK_IN_USE, FORK_IN_TRANSACTION], ids=["idle", "closing", "reading", "writing"]
)
def test_a_forked_child_has_connections_of_its_own_or_is_refused(tmp_path: Path, script: str) -> None:
    assert finished([start(script, tmp_path)]) == [0]


def test_inv_12_a_killed_holder_is_taken_over_at_once_and_a_live_one_never(tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path)
    assert holder.stdout is not None
    token = int(holder.stdout.readline())
    with closing(opened(tmp_path)) as store:
        leases = Leases(store, SystemClock(), is_dead=is_dead)
        for _ in range(20):
            with pytest.raises(LeaseHeldError, match=f"pid {holder.pid} on .*, run run-held"):
                leases.acquire("phase3/2024-01-15", "me", 30.0)
        holder.kill()
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, but still a zombie
        assert leases.acquire("phase3/2024-01-15", "me", 30.0).token > token
    holder.communicate()


def test_inv_12_one_holder_at_a_time_among_competing_and_killed_processes(tmp_path: Path) -> None:
    with ExitStack() as stack:
        victims = [start(COMPETE, tmp_path, 60) for _ in range(4)]
        for victim in victims:
            stack.callback(victim.kill)
        survivors = [start(COMPETE, tmp_path, 6) for _ in range(2)]
        judge = tmp_path / "judge"
        for victim in victims:
            _until_held_by(victim.pid, judge)
            victim.kill()
        assert finished(victims) == [-signal.SIGKILL] * 4
        assert finished(survivors) == [0] * 2  # every flock succeeded: nobody else was inside
    lines = [line.split() for line in judge.read_text().splitlines()]
    tokens = [int(token) for token, _ in lines]
    assert tokens == sorted(set(tokens))
    held = Counter(pid for _, pid in lines)
    assert all(held[str(process.pid)] for process in (*victims, *survivors))


def _until_held_by(pid: int, judge: Path) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        if judge.exists() and (lines := judge.read_text().splitlines()) and lines[-1].endswith(f" {pid}"):
            return
        time.sleep(0.0005)
    raise AssertionError(f"process {pid} never held the lease")


def test_a_reader_sees_whole_commits_while_others_write(tmp_path: Path) -> None:
    endless = 'n = 0\nwhile True:\n    n += 1\n    store.commit([Set("c/a", {"n": n}), Set("c/b", {"n": n})])'
    with closing(opened(tmp_path)) as store, ExitStack() as stack:
        store.commit([Set("c/a", {"n": 0}), Set("c/b", {"n": 0})])
        writer = start(endless, tmp_path)
        stack.callback(writer.communicate)
        stack.callback(writer.kill)
        seen: set[int] = set()
        give_up = time.monotonic() + 60
        while len(seen) < 200:
            assert writer.poll() is None
            assert time.monotonic() < give_up
            values = {document.data["n"] for document in store.query(Query("c"))}
            assert len(values) == 1
            values = {document.data["n"] for document in store.get_all(["c/a", "c/b"]) if document}
            assert len(values) == 1
            seen |= values

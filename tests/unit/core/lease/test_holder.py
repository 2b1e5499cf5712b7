from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbactl.core.lease.holder import describe, is_dead, is_running, process_identity

if TYPE_CHECKING:
    from collections.abc import Iterator


def fields(owner: str) -> dict[str, str]:
    return dict(zip(("host", "boot", "pid", "start", "run"), owner.split(":", 4), strict=True))


def joined(owner: str, **changes: str) -> str:
    return ":".join((fields(owner) | changes).values())


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def owner_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - a file of the kernel
        start = stat.read().rpartition(")")[2].split()[19]
    return joined(process_identity("run-child"), pid=str(pid), start=start)


def test_this_process_lives() -> None:
    assert not is_dead(process_identity("run-1"))
    assert fields(process_identity("run:with:colons"))["run"] == "run:with:colons"
    assert fields(process_identity("run-1"))["pid"] == str(os.getpid())


def test_a_killed_process_is_dead_as_a_zombie_and_after(child: subprocess.Popen[bytes]) -> None:
    owner = owner_of(child.pid)
    assert not is_dead(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner)
    child.wait()
    assert is_dead(owner)


def test_another_process_with_its_number_does_not_bring_it_back(child: subprocess.Popen[bytes]) -> None:
    assert is_dead(joined(owner_of(child.pid), start="1"))


@pytest.mark.parametrize(
    "changes",
    [{"host": "another-host"}, {"boot": "another-boot.1"}, {"boot": "-"}],
    ids=["another host", "another boot or container", "unknown boot"],
)
def test_what_cannot_be_seen_from_here_is_not_dead(changes: dict[str, str]) -> None:
    gone = joined(process_identity("run-1"), pid="4194305")
    assert is_dead(gone)
    assert not is_dead(joined(gone, **changes))


@pytest.mark.parametrize("owner", ["", "somebody", "a:b:c:d:e", "a:b:1", f"{'9' * 40}:x:{'9' * 40}:1:r"])
def test_an_owner_that_is_no_process_is_never_dead(owner: str) -> None:
    assert not is_dead(owner)


def test_a_process_number_beyond_all_limits_is_not_judged() -> None:
    assert not is_dead(joined(process_identity("run-1"), pid="9" * 30))


def test_people_read_pid_host_and_run() -> None:
    owner = process_identity("run-1")
    assert describe(owner) == f"pid {os.getpid()} on {fields(owner)['host']}, run run-1"
    assert describe("an operator") == "an operator"


def test_only_a_process_that_is_seen_here_is_running(child: subprocess.Popen[bytes]) -> None:
    owner = owner_of(child.pid)
    assert is_running(process_identity("run-1"))
    assert is_running(owner)
    for elsewhere in ({"host": "another-host"}, {"boot": "another-boot.1"}, {"start": "-"}, {"pid": "9" * 30}):
        assert not is_running(joined(owner, **elsewhere))
    assert not is_running("somebody")
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(owner)
    child.wait()
    assert not is_running(owner)

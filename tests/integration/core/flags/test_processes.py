"""Operators in processes of their own, and one that is killed in the middle of a change (invariant 20)."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.flags import FlagStore
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = [f"flag_{number}" for number in range(20)]

PREAMBLE = """
import sys
from pathlib import Path
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core.flags.store import Change, FlagStore, ANY_VERSION
from nbactl.errors import PreconditionError

clock = SystemClock()
store = FlagStore(SqliteDocuments(Path(sys.argv[1]), clock=clock, busy_timeout=60.0), clock)

def to(percent, version, key="fast"):
    return Change(key, version, percent, enabled=True, salt=key, hash_version=1, stage=None)
"""
OPERATE = """
won = 0
while won < 10:
    state = store.get("fast")
    version = 0 if state is None else state.version
    try:
        store.change([to(version % 101, version)], by=sys.argv[2], reason=None)
        won += 1
    except PreconditionError:
        pass
"""
KILLED = """
faults.arm_from_environment(sys.argv[2] + "=kill")
keys = [f"flag_{number}" for number in range(20)]
store.change([to(50, ANY_VERSION, key) for key in keys], by="killed", reason=None)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "documents.db"


@pytest.fixture
def store(place: Path) -> Iterator[FlagStore]:
    clock = SystemClock()
    with closing(SqliteDocuments(place, clock=clock, busy_timeout=20.0)) as documents:
        yield FlagStore(documents, clock)


def start(code: str, place: Path, argument: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PREAMBLE + code, str(place), argument]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_two_operators_at_once_lose_no_change(place: Path, store: FlagStore) -> None:
    operators = [start(OPERATE, place, name) for name in ("one", "other")]
    for operator in operators:
        assert (operator.communicate(timeout=60)[1], operator.returncode) == ("", 0)
    history = store.history("fast")
    assert [state.version for state in history] == list(range(20, 0, -1))
    assert [state.updated_by for state in history].count("one") == 10


@pytest.mark.parametrize(("point", "version"), [("documents.before_commit", 0), ("documents.after_commit", 1)])
def test_inv_20_a_killed_change_is_whole_or_not_there_and_the_same_command_does_it(
    place: Path, store: FlagStore, point: str, version: int
) -> None:
    killed = start(KILLED, place, point)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert {state.version for state in store.read().states.values()} == ({version} if version else set())
    assert {len(store.history(key)) for key in KEYS} == {version}
    again = start(KILLED, place, "nowhere")
    assert (again.communicate(timeout=60)[1], again.returncode) == ("", 0)
    assert {state.version for state in store.read().states.values()} == {version + 1}
    assert {len(store.history(key)) for key in KEYS} == {version + 1}

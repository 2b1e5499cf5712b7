"""Messages that are worked on at the same time by processes that are killed: none done twice, none lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.lease.holder import process_identity
from nbactl.core.once.claim import ClaimSettings, current_claim
from nbactl.core.once.idempotency import Idempotency
from nbactl.errors import InProgressError
from nbactl.ports.documents import Create, Increment, Update
from tests.kit.paths import ROOT

MESSAGES, AT_ONCE = 120, 20
KILLS = (
    *(f"{point}=kill@{hit}" for point in ("idempotency.claimed", "idempotency.worked") for hit in (1, 7)),
    *(f"{point}=kill@{hit}" for point in ("documents.before_commit", "documents.after_commit") for hit in (1, 2)),
)
"""A commit is that of a group: the first has the claims, the second the effects."""


def work(path: str) -> None:
    """Work on the messages that are named on stdin, many at a time; print the name of each that is acknowledged."""
    faults.arm_from_environment(os.environ.get("NBACTL_FAULTS", ""))
    clock = SystemClock()
    terms = ClaimSettings(lease=600.0, renew_every=200.0, keep=3600.0)
    with closing(SqliteDocuments(Path(path), clock=clock, busy_timeout=20.0)) as store:
        once = Idempotency(store, clock, TimeSortedIds(clock), owner=lambda: process_identity("w"), terms=terms)
        keys = iter(sys.stdin.read().split())

        async def deliver() -> None:
            for key in keys:

                async def effect(key: str = key) -> None:
                    current_claim().write(Update(f"effects/{key}", {"n": Increment(1)}))

                try:
                    await once.run_async(key, effect)
                except InProgressError:
                    continue  # the other delivery of the same key acknowledges it
                os.write(1, f"{key}\n".encode())

        async def main() -> None:
            await asyncio.gather(*(deliver() for _ in range(AT_ONCE)))

        asyncio.run(main())
        once.close()


@pytest.mark.timeout(120)
def test_inv_05_inv_06_inv_20_of_a_group_nothing_is_done_twice_or_lost_wherever_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    names = [f"m{number}" for number in range(MESSAGES)]
    with closing(SqliteDocuments(path, clock=SystemClock(), busy_timeout=20.0)) as store:
        store.commit([Create(f"effects/{name}", {"n": 0}) for name in names])
        acknowledged: set[str] = set()
        kills = 0
        for fault in [*KILLS, ""]:
            left = [name for name in names if name not in acknowledged][: MESSAGES if not fault else AT_ONCE]
            deliveries = left * 2
            random.Random(len(acknowledged)).shuffle(deliveries)
            code, ended = _deliver(path, deliveries, fault)
            kills += code == -signal.SIGKILL
            done = {name for name in names if store.get(f"effects/{name}").data["n"]}  # type: ignore[union-attr]
            assert ended <= done, "acknowledged before it was durable"
            acknowledged |= ended
        counts = [document.data["n"] for document in store.get_all([f"effects/{name}" for name in names]) if document]
    assert counts == [1] * MESSAGES
    assert acknowledged == set(names)
    assert kills == len(KILLS)


def _deliver(path: Path, names: list[str], fault: str) -> tuple[int, set[str]]:
    command = [sys.executable, "-m", __name__, str(path)]
    env = {**os.environ, "NBACTL_FAULTS": fault}
    ended = subprocess.run(
        command, cwd=ROOT, env=env, input=" ".join(names), capture_output=True, text=True, timeout=60.0, check=False
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode, set(ended.stdout.split())


if __name__ == "__main__":
    work(sys.argv[1])

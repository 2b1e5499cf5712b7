from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import UnavailableError
from nbactl.ports.documents import Delete
from nbactl.workflows.journal import ThreadedJournal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.core.lease.leases import Lease
    from nbactl.ports.documents import Write


def _write(n: int) -> Write:
    return Delete(f"x/{n}")


def test_a_commit_returns_when_it_is_done_and_runs_off_the_loop() -> None:
    done: list[tuple[str, int]] = []

    def commit(writes: Sequence[Write], _under: Sequence[Lease]) -> None:
        done.append((threading.current_thread().name, len(writes)))

    async def main() -> None:
        with ThreadedJournal(commit) as journal:
            await journal.commit([_write(1)])
            assert done == [("nbactl-journal", 1)]

    asyncio.run(main())


def test_what_waits_while_a_commit_runs_goes_into_the_next_one_in_order() -> None:
    batches: list[list[str]] = []
    entered, go_on = threading.Event(), threading.Event()

    def commit(writes: Sequence[Write], _under: Sequence[Lease]) -> None:
        batches.append([write.path for write in writes])
        entered.set()
        go_on.wait(10)

    async def main() -> None:
        with ThreadedJournal(commit) as journal:
            first = asyncio.ensure_future(journal.commit([_write(0)]))
            await asyncio.sleep(0)
            entered.wait(10)
            rest = [asyncio.ensure_future(journal.commit([_write(n)])) for n in range(1, 4)]
            await asyncio.sleep(0)
            go_on.set()
            await asyncio.gather(first, *rest)

    asyncio.run(main())
    assert batches == [["x/0"], ["x/1", "x/2", "x/3"]]


def test_inv_06_after_a_failed_commit_every_later_one_fails_with_the_same_error() -> None:
    calls: list[int] = []

    def commit(writes: Sequence[Write], _under: Sequence[Lease]) -> None:
        calls.append(len(writes))
        raise UnavailableError("the disk is full")

    async def main() -> None:
        with ThreadedJournal(commit) as journal:
            for n in range(2):
                with pytest.raises(UnavailableError, match="disk is full"):
                    await journal.commit([_write(n)])

    asyncio.run(main())
    assert calls == [1]

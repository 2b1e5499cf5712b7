from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.leases import Leases
from nbactl.errors import LeaseHeldError, StaleFenceError

if TYPE_CHECKING:
    from pathlib import Path


def test_inv_12_one_holder_at_a_time_among_threads_though_leases_run_out(tmp_path: Path) -> None:
    """Each thread writes under its token; a write with a token older than the newest one seen would be two holders."""
    clock = SystemClock()
    tokens: list[int] = []
    refused: list[LeaseHeldError] = []
    overtaken: list[StaleFenceError] = []
    start = threading.Barrier(6)
    with closing(SqliteDocuments(tmp_path / "documents.db", clock=clock, busy_timeout=30.0)) as store:
        leases = Leases(store, clock, is_dead=lambda _: False)

        def work(number: int) -> None:
            start.wait()
            for turn in range(40):
                try:
                    # Every third lease runs out at once, as that of a holder that hangs.
                    lease = leases.acquire("phase3/2024-01-15", f"thread-{number}", 0.0 if turn % 3 == 0 else 30.0)
                except LeaseHeldError as error:
                    refused.append(error)
                    continue
                tokens.append(lease.token)
                try:
                    leases.release(leases.renew(lease, 30.0))
                except StaleFenceError as error:
                    overtaken.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(tokens) == len(set(tokens))
        assert len(tokens) + len(refused) == 240
        newest = leases.acquire("phase3/2024-01-15", "the end", 30.0)
        assert newest.token > max(tokens)

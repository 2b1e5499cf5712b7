"""Claims of a process that forked: the child keeps its own alive, under its own name, and not those of its parent."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.lease.holder import is_dead
from nbactl.core.once.claim import Claim, ClaimSettings
from nbactl.core.once.idempotency import Idempotency
from nbactl.errors import InProgressError
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LEASE = 4.0


def test_inv_05_a_child_keeps_its_own_claims_and_lets_those_of_its_dead_parent_run_out(tmp_path: Path) -> None:
    path, clock = tmp_path / "documents.db", SystemClock()
    command = [sys.executable, "-m", "tests.integration.adapters.sqlite.forked_claimer", str(path), str(LEASE)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        parent, child = process.stdout.readline(), process.stdout.readline()
        assert parent != child
        assert (is_dead(parent.strip()), is_dead(child.strip())) == (True, False)
        with closing(SqliteDocuments(path, clock=clock, busy_timeout=20.0)) as store:
            terms = ClaimSettings(lease=60.0, renew_every=20.0, keep=600.0)
            # As a process of another machine, which cannot know who is dead here.
            other = Idempotency(
                store, clock, TimeSortedIds(clock), owner=lambda: "other", terms=terms, is_dead=lambda _: False
            )
            time.sleep(LEASE * 1.5)
            assert isinstance(other.begin("the parent's"), Claim)
            with pytest.raises(InProgressError):
                other.begin("the child's")
            other.close()
        process.communicate()

from __future__ import annotations

import threading

import pytest

from nbactl.errors import StaleFenceError
from nbactl.workflows.fence import AttemptFence, Fences


def test_inv_12_a_revoked_fence_refuses_to_write_and_says_why() -> None:
    fence = AttemptFence(7, "me")
    written: list[int] = []
    fence.guard(lambda: written.append(1))
    assert fence.revoke("attempt 1 took too long")
    with pytest.raises(StaleFenceError, match="attempt 1 took too long"):
        fence.guard(lambda: written.append(2))
    assert written == [1]


def test_revoking_waits_for_a_commit_that_runs_and_no_other_begins_meanwhile() -> None:
    fence = AttemptFence(7, "me")
    inside, finish = threading.Event(), threading.Event()

    def commit() -> None:
        inside.set()
        finish.wait(10)

    writer = threading.Thread(target=fence.guard, args=(commit,))
    writer.start()
    inside.wait(10)
    assert not fence.revoke("gone", wait=0)
    revoked = threading.Thread(target=fence.revoke, args=("gone",))
    revoked.start()
    revoked.join(0.05)
    assert revoked.is_alive()
    finish.set()
    revoked.join(10)
    writer.join(10)
    with pytest.raises(StaleFenceError):
        fence.guard(lambda: None)


def test_inv_12_each_attempt_has_its_own_fence_so_a_late_one_cannot_write_while_the_next_runs() -> None:
    fences = Fences(7, "me")
    first, second = fences.issue(), fences.issue()
    first.revoke("timed out")
    second.guard(lambda: None)
    with pytest.raises(StaleFenceError):
        first.guard(lambda: None)
    assert first.token == second.token == 7


def test_inv_12_losing_the_lease_ends_the_right_of_all_attempts_running_and_to_come() -> None:
    fences = Fences(7, "me")
    running = fences.issue()
    fences.retire(fences.issue())
    fences.revoke_all("taken over")
    for fence in (running, fences.issue()):
        with pytest.raises(StaleFenceError, match="taken over"):
            fence.guard(lambda: None)


def test_the_first_reason_stays() -> None:
    fence = AttemptFence(7, "me")
    fence.revoke("first")
    fence.revoke("second")
    with pytest.raises(StaleFenceError, match="first"):
        fence.guard(lambda: None)

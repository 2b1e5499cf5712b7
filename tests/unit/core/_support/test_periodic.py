"""What is done again and again in the background."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nbactl.core._support.periodic import PeriodicTask

if TYPE_CHECKING:
    import pytest


def test_work_that_fails_is_logged_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    again = threading.Event()
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError("bug")
        again.set()

    beat = PeriodicTask("test", work, lambda: 0.01, 1.0)
    beat.start()
    assert again.wait(30)
    beat.close()
    [record] = caplog.records
    assert record.getMessage() == "test failed in the background; retrying"
    assert record.exc_info is not None

from __future__ import annotations

import gc
from threading import Barrier, Thread

import pytest

from nbactl.pipeline.gcpause import gc_paused


def test_the_collector_is_as_it_was_whatever_happens() -> None:
    def fail() -> None:
        with gc_paused():
            assert not gc.isenabled()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert gc.isenabled()
    gc.disable()
    try:
        with gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_threads_that_pause_it_at_once_leave_it_on() -> None:
    inside = Barrier(3)

    def pause() -> None:
        with gc_paused():
            inside.wait(10)

    threads = [Thread(target=pause) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.isenabled()

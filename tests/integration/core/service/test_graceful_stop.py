"""A service under a real server and real signals."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.leases import Leases
from tests.kit.service_process import ServiceProcess

if TYPE_CHECKING:
    from pathlib import Path

APP = "tests.integration.core.service.stop_service:app"


class Request(threading.Thread):
    """A request that takes `seconds`, under way when this is made."""

    def __init__(self, service: ServiceProcess, folder: Path, seconds: float) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._seconds = seconds
        self.answer: tuple[int, bytes] | OSError | None = None
        self.start()
        give_up = time.monotonic() + 30
        while not (folder / "state" / "under-way").exists():
            assert time.monotonic() < give_up
            time.sleep(0.01)

    def run(self) -> None:
        try:
            self.answer = self._service.get(f"/slow?{self._seconds}")
        except OSError as error:
            self.answer = error


def held(folder: Path) -> list[str]:
    with closing(SqliteDocuments(folder / "state" / "documents.db", clock=SystemClock(), busy_timeout=5.0)) as store:
        return [lease.name for lease in Leases(store, SystemClock(), is_dead=lambda _: False).held()]


def stopped_within(service: ServiceProcess, seconds: float) -> bool:
    began = time.monotonic()
    assert service.stop(30.0) in (0, -signal.SIGTERM)
    return time.monotonic() - began < seconds


def test_a_request_under_way_is_answered_and_what_is_held_is_given_back(tmp_path: Path) -> None:
    with ServiceProcess(APP, tmp_path, {"FINISH": "30"}) as service:
        request = Request(service, tmp_path, 0.7)
        assert held(tmp_path) == ["stop-test"]
        service.stop()
        request.join()
    assert request.answer == (200, b"done")
    assert held(tmp_path) == []
    assert "stopping: what fails failed" in service.output()


def test_a_request_that_does_not_end_is_cancelled_and_learns_it(tmp_path: Path) -> None:
    with ServiceProcess(APP, tmp_path, {"FINISH": "0.5"}) as service:
        request = Request(service, tmp_path, 120)
        assert stopped_within(service, 10.0)
        request.join()
    assert isinstance(request.answer, tuple)
    assert request.answer[0] == 503
    assert b"this instance is stopping" in request.answer[1]
    assert held(tmp_path) == []


def test_a_step_that_hangs_keeps_neither_the_others_from_being_taken_nor_the_process_from_ending(
    tmp_path: Path,
) -> None:
    with ServiceProcess(APP, tmp_path, {"HANG": "1"}) as service:
        assert stopped_within(service, 10.0)
    assert held(tmp_path) == []
    assert "what hangs is not over" in service.output()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with ServiceProcess(APP, tmp_path, {"FINISH": "100"}) as service:
        Request(service, tmp_path, 120)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == -signal.SIGTERM


def test_an_interrupt_from_the_keyboard_gives_back_what_is_held_too(tmp_path: Path) -> None:
    with ServiceProcess(APP, tmp_path, {}) as service:
        service.process.send_signal(signal.SIGINT)
        service.process.wait(20)
    assert held(tmp_path) == []

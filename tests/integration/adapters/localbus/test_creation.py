"""The file of the embedded bus, when several open it that is not there yet."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.kit.bus import bus_at

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = 6


def test_those_that_make_the_file_at_the_same_time_all_find_a_bus(tmp_path: Path) -> None:
    barrier = threading.Barrier(AT_ONCE)

    def open_at(path: Path) -> list[str]:
        barrier.wait()
        bus = bus_at(path, "topic")
        try:
            return list(bus.topics())
        finally:
            bus.close()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number in range(20):
            assert list(threads.map(open_at, [tmp_path / f"{number}.db"] * AT_ONCE)) == [["topic"]] * AT_ONCE

"""The embedded bus's pushes: CPU of a delivery, pull and acknowledgement included, beside a bare request.

The floor is the same request, sent by http.client over connections that are kept, by as many threads. The endpoint is a
process of its own that answers 204 to everything.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import Line
from nbactl.adapters.localbus.bus import LocalBus
from nbactl.adapters.localbus.push import PushDelivery, PushLimits
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.service.consumer import ConsumerTimings
from nbactl.ports.bus import OutgoingMessage, PushTarget, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = 4_000
AT_ONCE = 8
BODY = b"x" * 300
LIMITS = PushLimits(AT_ONCE, connect=2.0, least_pause=0.1, most_pause=1.0)
TIMINGS = ConsumerTimings(lease=30.0, renew_every=8.0, pull=1.0, pause=1.0, finish=5.0)
_ENDPOINT = """
import asyncio

class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.held = transport, b""

    def data_received(self, data):
        self.held += data
        while True:
            head, found, rest = self.held.partition(b"\\r\\n\\r\\n")
            if not found:
                return
            length = int(next(l for l in head.lower().split(b"\\r\\n") if l.startswith(b"content-length"))[15:])
            if len(rest) < length:
                return
            self.held = rest[length:]
            self.transport.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")

async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of this suite."""
    pushes, floors = [], []
    with _endpoint() as port, tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            pushes.append(_pushed(Path(folder) / f"bus{run}.db", port))
            floors.append(_bare(port))
    ratio = median(mine[1] / other[1] for mine, other in zip(pushes, floors, strict=True))
    rate = median(1 / seconds for seconds, _ in pushes)
    cpu = median(cpu for _, cpu in pushes) * 1e6
    yield Line("push, bare request", ratio, "x CPU a delivery", 4.0, f"{cpu:.0f} us, {rate:,.0f} deliveries/s")


def _pushed(file: Path, port: int) -> tuple[float, float]:
    """Return seconds and CPU seconds a delivery."""
    clock = SystemClock()
    with closing(LocalBus(file, clock=clock, ids=TimeSortedIds(clock), busy_timeout=10.0)) as bus:
        bus.create_topic("topic")
        push = PushTarget(f"http://127.0.0.1:{port}/push")
        bus.create_subscription(Subscription("worker", "topic", "topic", push=push))
        bus.publish_many("topic", [OutgoingMessage(BODY, {"player": "lukadoncic"})] * MESSAGES)
        delivery = PushDelivery(bus, limits=LIMITS, timings=TIMINGS, clock=clock)
        began, cpu = time.perf_counter(), time.process_time()
        delivery.start()
        while bus.waiting("worker"):
            time.sleep(0.02)
        result = (time.perf_counter() - began) / MESSAGES, (time.process_time() - cpu) / MESSAGES
        delivery.close()
    return result


def _bare(port: int) -> tuple[float, float]:
    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)
        for _ in range(MESSAGES // AT_ONCE):
            connection.request("POST", "/push", BODY, {"content-type": "application/json"})
            connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(AT_ONCE)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - began) / MESSAGES, (time.process_time() - cpu) / MESSAGES


@contextmanager
def _endpoint() -> Iterator[int]:
    """Run the endpoint and yield its port."""
    with subprocess.Popen([sys.executable, "-c", _ENDPOINT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield int(process.stdout.readline())
        process.terminate()

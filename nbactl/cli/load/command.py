"""Load tests: of an address, in an open loop, or of a running `nbactl up` with a synthetic prediction batch."""

from __future__ import annotations

import asyncio
import random
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.checks.load.batch_plan import Shares
from nbactl.checks.load.http_target import http_sender
from nbactl.checks.load.open_loop import arrivals, open_loop
from nbactl.checks.load.report import report_of
from nbactl.cli.ask import Question, proceed
from nbactl.core._support.addresses import split_url
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.checks.load.http_target import Method
    from nbactl.checks.load.open_loop import Arrivals, Outcome
    from nbactl.checks.load.report import LoadReport
    from nbactl.cli.ask import Confirm

MOST_OPEN: Final = 1_000
_MOST_REQUESTS: Final = 1_000_000
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class UrlLoad:
    """`rate` requests a second to `url`, for `duration` seconds, at most `most_open` of them open at a time."""

    url: str
    rate: float
    duration: float
    method: Method = "POST"
    kind: Arrivals = "constant"
    seed: int = 0
    most_open: int = MOST_OPEN


@dataclass(frozen=True, slots=True)
class BatchLoad:
    """A batch of synthetic players, requested over `duration` seconds. With `chaos` services are killed at random."""

    players: int
    duration: float
    shares: Shares = field(default_factory=Shares)
    chaos: bool = False
    seed: int = 0
    most_open: int = MOST_OPEN


@dataclass(frozen=True, slots=True)
class UrlLoadResult:
    """What a load of an address showed."""

    request: UrlLoad
    load_id: str
    report: LoadReport

    @property
    def problems(self) -> list[str]:
        """What went wrong, in words."""
        report = self.report
        refused = report.answered - sum(count for status, count in report.statuses.items() if status.startswith("2"))
        found = [f"{refused} answers were not 2xx"] if refused else []
        if failed := sum(report.errors.values()):
            found.append(f"{failed} requests got no answer")
        if report.overflow:
            found.append(f"{report.overflow} requests were not sent: {self.request.most_open} were open")
        return found


def load_url(app: Container, request: UrlLoad, *, confirm: Confirm = proceed) -> UrlLoadResult:
    """Send requests at their instants, and report what became of each. Raises UsageError for another address."""
    parts = split_url(request.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"'{request.url}' is not a URL", next_step="Write it as http://HOST:PORT/PATH.")
    if request.rate * request.duration > _MOST_REQUESTS:
        raise UsageError(f"more than {_MOST_REQUESTS:,} requests", next_step="Choose a lower --rate or --duration.")
    number = round(request.rate * request.duration)
    question = f"Send {number:,} {request.method} requests to {request.url}?"
    confirm(Question(question, always=parts.hostname not in _LOOPBACK))
    load_id = new_load_id()
    timeouts = app.config.timeouts

    async def run() -> list[Outcome]:
        async with http_sender(
            request.url,
            request.method,
            load_id,
            most_open=request.most_open,
            connect=timeouts["http.connect"],
            limit=timeouts["http.request"],
        ) as send:
            instants = arrivals(request.rate, request.duration, request.kind, request.seed)
            return await open_loop(instants, send, most_open=request.most_open)

    return UrlLoadResult(request, load_id, report_of(asyncio.run(run())))


def new_load_id() -> str:
    """Return an id that no other load has."""
    return f"load-{secrets.token_hex(4)}"


def new_seed() -> int:
    """Return a seed that can be typed."""
    return random.SystemRandom().randrange(1_000_000)

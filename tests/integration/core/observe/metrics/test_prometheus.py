"""A real Prometheus scrapes a running service, answers what was counted, and raises our alerts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from nbactl.testing.emulators import free_port
from tests.kit import promql
from tests.kit.paths import ROOT
from tests.kit.prometheus import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 60.0


def ask(url: str, **fields: str) -> Any:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(fields)}", timeout=10) as answer:  # noqa: S310 - loopback
        return json.load(answer)["data"]


def until(what: Callable[[], Any]) -> Any:
    """Return what `what` returns as soon as that is true; nobody answering is not."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            found = what()
        except (OSError, json.JSONDecodeError):
            found = None
        if found:
            return found
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.1)


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def post(url: str, payload: bytes = b"", key: str = "", method: str = "POST") -> int:
    request = urllib.request.Request(url, payload, {"x-key": key}, method=method)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


class Scraped:
    """The service, and the Prometheus that scrapes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.service = f"127.0.0.1:{free_port()}"
        self.prometheus = f"127.0.0.1:{free_port()}"

    @contextmanager
    def up(self) -> Iterator[None]:
        port = self.service.rpartition(":")[2]
        serve = [
            sys.executable,
            "-m",
            "uvicorn",
            "tests.integration.core.observe.metrics.scraped_service:app",
            "--port",
            port,
            "--log-level",
            "warning",
        ]
        with running(serve, self.folder / "service.log"), running(self._command(), self.folder / "prometheus.log"):
            until(lambda: self.value('up{job="nbactl-test"}') == 1.0)
            yield

    def _command(self) -> list[str]:
        config = {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
            "rule_files": [str(promql.PACKAGE / "alerts.rules.yml")],
            "scrape_configs": [{"job_name": "nbactl-test", "static_configs": [{"targets": [self.service]}]}],
        }
        file = self.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        return [
            program("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.prometheus}",
        ]

    def value(self, expression: str) -> float | None:
        """Return what Prometheus answers to an expression that has one value."""
        result = ask(f"http://{self.prometheus}/api/v1/query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None

    def push(self, key: str, payload: bytes) -> int:
        return post(f"http://{self.service}/push", payload, key)


@pytest.fixture
def scraped(tmp_path: Path) -> Iterator[Scraped]:
    program("prometheus")
    lab = Scraped(tmp_path)
    with lab.up():
        yield lab


def test_a_real_prometheus_scrapes_what_was_counted_and_raises_our_alerts(scraped: Scraped) -> None:
    deliveries = 'nbactl_idempotency_deliveries_total{job="nbactl-test", outcome="%s"}'
    until(lambda: scraped.value(deliveries % "replayed") == 0.0)  # series are there before anything happened

    assert [scraped.push(f"m-{number}", b"{}") for number in range(3)] == [204] * 3
    assert [scraped.push("m-0", b"{}") for _ in range(4)] == [204] * 4
    assert scraped.push("m-1", b"other") == 422
    until(lambda: scraped.value(deliveries % "payload_mismatch") == 1.0)
    assert scraped.value(deliveries % "replayed") == 4.0
    assert scraped.value(deliveries % "claimed") == 3.0
    assert scraped.value('nbactl_document_reads_total{operation="get"}') == 8.0
    assert scraped.value('nbactl_document_writes_total{operation="commit"}') == 6.0

    for _ in range(3):
        post(f"http://{scraped.service}/break")
    until(lambda: scraped.value('nbactl_breaker_state{breaker="odds_api", state="open"}') == 1.0)
    assert scraped.value('nbactl_breaker_refused_total{breaker="odds_api"}') == 1.0

    exposed = f"http://{scraped.service}/metrics"
    assert [post(exposed, method=method) for method in ("GET", "HEAD", "POST")] == [200, 200, 405]

    groups = ask(f"http://{scraped.prometheus}/api/v1/rules")["groups"]
    assert {rule["name"] for group in groups for rule in group["rules"]} == {rule["alert"] for rule in promql.rules()}
    until(lambda: scraped.value('ALERTS{alertname="NbactlPayloadMismatch", alertstate="firing"}') == 1.0)
    until(lambda: scraped.value('ALERTS{alertname="NbactlBreakerOpen"}') == 1.0)  # pending: it has to last a minute
    assert scraped.value('ALERTS{alertname="NbactlRunFailed"}') is None
    health = [
        rule["health"]
        for group in ask(f"http://{scraped.prometheus}/api/v1/rules")["groups"]
        for rule in group["rules"]
    ]
    assert set(health) == {"ok"}

"""Nothing listens where Firestore and Cloud Run should be: a service counts, logs and alerts on its retries."""

from __future__ import annotations

import logging
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from nbactl.bootstrap.service import ServiceContainer
from nbactl.config.settings import load_settings
from nbactl.core.observe.events import combined
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock
from nbactl.testing.emulators import free_port
from tests.kit import promql
from tests.kit.paths import ROOT
from tests.kit.prometheus import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.core.observe.events import Event

BUDGETS = {"firestore": "{count: 100, per: 60s}", "cloud_run": "{count: 20, per: 60s}"}
"""The retry budgets of timeouts.yaml, which the tests replace by one of two retries a day."""
POLICIES = pytest.mark.parametrize("policy", BUDGETS)


def read_document(app: ServiceContainer) -> None:
    app.documents.get("runs/none")


def read_in_transaction(app: ServiceContainer) -> None:
    app.documents.transaction(lambda transaction: transaction.get("runs/none"))


def list_services(app: ServiceContainer) -> None:
    app.deployed_services.list()


CALLS: dict[str, Callable[[ServiceContainer], None]] = {"firestore": read_document, "cloud_run": list_services}


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def app(tmp_path: Path, heard: list[Event]) -> Iterator[ServiceContainer]:
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        text = (ROOT / name).read_text()
        for policy, budget in BUDGETS.items() if name == "timeouts.yaml" else ():
            before, section, after = text.partition(f"\n  {policy}:\n    total:")
            assert budget in after
            text = before + section + after.replace(budget, "{count: 2, per: 24h}", 1)
        (tmp_path / name).write_text(text)
    flags = {"target": "gcp", "project": "test", "config_dir": str(tmp_path), "state_dir": str(tmp_path / "state")}
    closed = f"127.0.0.1:{free_port()}"
    environ = {"FIRESTORE_EMULATOR_HOST": closed, "CLOUD_RUN_EMULATOR_HOST": closed}
    made = ServiceContainer("example", load_settings(flags, {}, tmp_path), clock=FakeClock(), environ=environ)
    made.hook = combined(made.hook, heard.append)
    made.metrics.watch_policies(made.policies)
    yield made
    made.close()


def given_up(app: ServiceContainer, policy: str) -> float:
    """Return what a scrape says of calls that the retry budget ended."""
    sample = f'nbactl_retries_given_up_total{{policy="{policy}",reason="budget"}} '
    (line,) = [line for line in app.metrics.exposition().decode().splitlines() if line.startswith(sample)]
    return float(line.removeprefix(sample))


@POLICIES
def test_the_hook_the_metrics_and_the_event_log_have_every_retry_and_the_end(
    app: ServiceContainer, heard: list[Event], policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nbactl.events")
    with pytest.raises(UnavailableError):
        CALLS[policy](app)
    told = [(event.kind, event.name, event.fields.get("reason")) for event in heard if event.kind.startswith("retry")]
    assert told == [("retry.again", policy, None)] * 2 + [("retry.gave_up", policy, "budget")]
    text = app.metrics.exposition().decode()
    assert f'nbactl_retries_total{{policy="{policy}"}} 2.0' in text
    assert given_up(app, policy) == 1.0
    logged = [record.getMessage() for record in caplog.records if record.name == "nbactl.events"]
    assert [line for line in logged if line.startswith("retry")] == [
        f"retry.again: {policy}",
        f"retry.again: {policy}",
        f"retry.gave_up: {policy}",
    ]


@POLICIES
def test_what_is_counted_fires_the_alert(app: ServiceContainer, tmp_path: Path, policy: str) -> None:
    before = given_up(app, policy)
    for _ in range(3):
        with suppress(UnavailableError):
            CALLS[policy](app)
    after = given_up(app, policy)
    assert (before, after) == (0.0, 3.0)
    series = f'nbactl_retries_given_up_total{{policy="{policy}", reason="budget"}}'
    alert = f'ALERTS{{alertname="NbactlRetryBudgetExhausted", alertstate="firing", policy="{policy}"}}'
    labels = alert.replace("}", ', severity="warning"}')
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": series, "values": f"{before:g}x10 {after:g}x10"}],
        "promql_expr_test": [{"expr": alert, "eval_time": "15m", "exp_samples": [{"labels": labels, "value": 1}]}],
    }
    file = tmp_path / "alerts.tests.yml"
    rules = str(promql.PACKAGE / "alerts.rules.yml")
    file.write_text(yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run(
        [program("promtool"), "test", "rules", file], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_transaction_that_is_tried_again_as_a_whole_is_counted_too(app: ServiceContainer, heard: list[Event]) -> None:
    with pytest.raises(UnavailableError):
        read_in_transaction(app)
    ended = [(event.fields["attempt"], event.fields["reason"]) for event in heard if event.kind == "retry.gave_up"]
    again = [event.fields["attempt"] for event in heard if event.kind == "retry.again"]
    assert again == [1, 2, 1, 2, 3, 4]  # the two of the budget, and the transaction's own
    assert ended[-1] == (5, "attempts")

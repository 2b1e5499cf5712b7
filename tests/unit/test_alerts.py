from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import pytest

from nbactl.config.workflows import Alert, Alerts
from nbactl.workflows.alerts import RunAlert, RunAlerts, log_alert
from tests.run_records import events, run, task

if TYPE_CHECKING:
    from collections.abc import Iterable

Channel = Literal["console", "log"]


def alerted(status: str, failed: Iterable[Channel], partial: Iterable[Channel]) -> list[tuple[str, RunAlert]]:
    sent: list[tuple[str, RunAlert]] = []
    rules = Alerts(
        run_failed=Alert(severity="critical", channels=tuple(failed)),
        run_partial=Alert(severity="warning", channels=tuple(partial)),
    )
    observer = RunAlerts(
        rules,
        {"console": lambda alert: sent.append(("console", alert)), "log": lambda alert: sent.append(("log", alert))},
    )
    record = run(task("a", "succeeded", 0, 1), task("b", "timed_out", 0, 2), status=status)
    for event in events(record):
        observer(event)
    return sent


def test_a_failed_run_is_told_once_on_every_channel_of_its_rule() -> None:
    sent = alerted("failed", ["console", "log"], ["log"])
    assert [channel for channel, _ in sent] == ["console", "log"]
    assert sent[0][1].severity == "critical"
    assert sent[0][1].message == "phase3 2024-01-15 failed: b timed out"


def test_a_partial_run_goes_by_its_own_rule() -> None:
    ((channel, alert),) = alerted("partial", ["console"], ["log"])
    assert (channel, alert.event, alert.severity) == ("log", "run_partial", "warning")


@pytest.mark.parametrize("status", ["succeeded", "skipped", "cancelled"])
def test_other_ends_are_no_alert(status: str) -> None:
    assert alerted(status, ["console"], ["console"]) == []


def test_the_log_channel_writes_with_the_severity_of_the_rule(caplog: pytest.LogCaptureFixture) -> None:
    ((_, alert),) = alerted("failed", ["log"], ["log"])
    log_alert(alert)
    assert caplog.records[-1].levelno == logging.CRITICAL
    assert caplog.records[-1].message == "phase3 2024-01-15 failed: b timed out"

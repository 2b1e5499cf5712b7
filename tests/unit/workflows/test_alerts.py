from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import pytest

from nbactl.config.workflows import AlertSpec, AlertsSpec
from nbactl.core.alerts import LogChannel, TextChannel
from nbactl.core.observe.context import current
from nbactl.ports.alerts import Alert
from nbactl.workflows.observers import RunAlerts
from tests.kit.run_records import events, run, task

if TYPE_CHECKING:
    from collections.abc import Iterable

Channel = Literal["console", "log", "slack"]


def alerted(status: str, failed: Iterable[Channel], partial: Iterable[Channel]) -> list[tuple[Alert, list[str]]]:
    sent: list[tuple[Alert, list[str]]] = []
    rules = AlertsSpec(
        run_failed=AlertSpec(severity="critical", channels=tuple(failed)),
        run_partial=AlertSpec(severity="warning", channels=tuple(partial)),
    )

    def send(alert: Alert, channels: Iterable[str]) -> None:
        assert current().run_id == alert.fields["run"]
        sent.append((alert, list(channels)))

    observer = RunAlerts(rules, send)
    record = run(task("a", "succeeded", 0, 1), task("b", "timed_out", 0, 2), status=status)
    for event in events(record):
        observer(event)
    return sent


def test_a_failed_run_is_reported_once_on_every_channel_of_its_rule() -> None:
    ((alert, channels),) = alerted("failed", ["console", "slack"], ["log"])
    assert channels == ["console", "slack"]
    assert (alert.severity, alert.title) == ("critical", "phase3 2024-01-15 failed: b timed out")
    assert alert.key == "run_failed/phase3/2024-01-15"
    assert alert.next_step == f"nbactl runs show {alert.fields['run']} -v"


def test_a_partial_run_goes_by_its_own_rule() -> None:
    ((alert, channels),) = alerted("partial", ["console"], ["log"])
    assert (channels, alert.severity) == (["log"], "warning")
    assert alert.key.startswith("run_partial/")


@pytest.mark.parametrize("status", ["succeeded", "skipped", "cancelled"])
def test_other_ends_are_no_alert(status: str) -> None:
    assert alerted(status, ["console"], ["console"]) == []


def test_the_log_channel_writes_with_the_severity_of_the_alert(caplog: pytest.LogCaptureFixture) -> None:
    for severity, level in (("info", logging.INFO), ("warning", logging.WARNING), ("critical", logging.CRITICAL)):
        with caplog.at_level(logging.INFO, "nbactl.alerts"):
            LogChannel().send(Alert("k", severity, "phase3 failed", fields={"run": "run-1"}))  # type: ignore[arg-type]
        assert caplog.records[-1].levelno == level
        assert caplog.records[-1].message == "phase3 failed"
        assert caplog.records[-1].__dict__["alert_fields"] == {"run": "run-1"}


def test_the_text_channel_tells_one_line() -> None:
    told: list[str] = []
    TextChannel(told.append).send(Alert("k", "critical", "phase3 failed", text="much more"))
    assert told == ["alert (critical): phase3 failed"]

"""Failures on their way to Sentry: a real client, and a real server on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sentry.sink import SentrySink
from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.core.observe.context import Trace, bound
from nbactl.core.observe.failures import Failure, Failures
from nbactl.errors import ConfigError, DataError, UnavailableError
from nbactl.testing.emulators import free_port
from tests.kit.paths import ROOT
from tests.kit.sentry_server import SentryServer
from tests.kit.service_process import ServiceProcess
from tests.kit.small_project import DATE, project

if TYPE_CHECKING:
    from pathlib import Path

TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)

FLAGS = {"ENABLE_STRUCTURED_LOGGING": "true", "ENABLE_IDEMPOTENCY_KEYS": "true"}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def sink(dsn: str, *, send: float = 5.0, flush: float = 5.0) -> SentrySink:
    return SentrySink(dsn, service="worker", version="1.2.3", environment="nba-props-platform", send=send, flush=flush)


def deep(error: Exception) -> None:
    if password := "hunter2":
        raise error from OSError(f"disk full, {password}")


def report(to: SentrySink, error: Exception, **fields: Any) -> Failure:
    with bound(run_id="run-1", batch="b1", correlation_id="cor-1", trace=TRACE):
        try:
            deep(error)
        except Exception as raised:  # noqa: BLE001 - what was raised is what is reported
            return Failures(to).report(raised, "push /push", **fields)
    raise AssertionError


def test_inv_17_a_failure_arrives_with_cause_context_and_frames() -> None:
    with SentryServer() as server:
        to = sink(server.dsn)
        told = report(to, DataError("no points", cause="the file is empty"), status=400)
        to.close()
    assert server.paths == ["/api/17/envelope/"]
    [event] = server.events
    first, second = event["exception"]["values"]
    assert (first["type"], second["type"], second["value"]) == ("OSError", "DataError", "no points")
    assert second["stacktrace"]["frames"][-1]["function"] == "deep"
    assert event["tags"] == {
        "run_id": "run-1", "batch": "b1", "correlation_id": "cor-1",
        "what": "push /push", "code": "data", "retryable": "False",
    }  # fmt: skip
    assert (event["level"], event["transaction"]) == ("error", "push /push")
    assert event["fingerprint"] == [told.fingerprint]
    assert event["contexts"]["trace"] == {"trace_id": TRACE.trace_id, "span_id": TRACE.span_id}
    assert (event["extra"]["cause"], event["extra"]["status"]) == ("the file is empty", 400)
    assert (event["release"], event["server_name"], event["environment"]) == (
        "worker@1.2.3", "worker", "nba-props-platform"
    )  # fmt: skip


def test_a_failure_of_another_process_arrives_with_the_frames_it_had_there() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/x/a.py", line 1, in first\nOSError\n\n'
        'Traceback (most recent call last):\n  File "/x/b.py", line 17, in second\n    f()\nDataError: no\n'
    )
    with SentryServer() as server:
        to = sink(server.dsn)
        to(Failure("task t", "DataError", "no", text, retryable=False))
        to(Failure("task t", "DataError", "no", "", retryable=False))
        to.close()
    frames = [event["exception"]["values"][0].get("stacktrace") for event in server.events]
    assert frames[0] == {"frames": [{"filename": "/x/b.py", "lineno": 17, "function": "second"}]}
    assert frames[1] is None
    assert server.events[0]["extra"]["traceback"] == text


def test_no_secret_leaves_the_process() -> None:
    with SentryServer() as server:
        to = sink(server.dsn)
        report(to, DataError("password=hunter2", cause="https://u:hunter2@h/"), headers={"Authorization": "hunter2"})
        report(to, ValueError("Bearer hunter2hunter2"))
        to.close()
    assert len(server.events) == 2
    for body in server.bodies:
        assert b"***" in body
        assert b"password=hunter2" not in body
        assert b"u:hunter2" not in body
        assert b"Bearer hunter2" not in body
    [headers, _] = [event["extra"].get("headers") for event in server.events]
    assert headers == {"Authorization": "***"}
    frame = server.events[0]["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert frame.keys() & {"vars", "context_line", "pre_context", "post_context"} == set()


def test_what_may_succeed_later_is_a_warning() -> None:
    with SentryServer() as server:
        to = sink(server.dsn)
        report(to, UnavailableError("down"))
        to.close()
    assert server.events[0]["level"] == "warning"


def dead() -> str:
    return f"http://key@127.0.0.1:{free_port()}/1"


@pytest.mark.parametrize(("how", "told"), [("silent", "full_queue"), ("dead", "network"), ("broken", "status_500")])
def test_a_server_that_is_down_neither_slows_nor_breaks_the_work(
    how: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with SentryServer(silent=how == "silent", status=500) as server:
        to = sink(dead() if how == "dead" else server.dsn, send=30.0, flush=0.3)
        began = time.monotonic()
        for _ in range(300):  # three times what the queue takes
            report(to, DataError("no"))
        to.close()
        assert time.monotonic() - began < 15.0
        report(to, DataError("after the end"))
    assert f"Sentry did not get a failure: {told}" in [record.getMessage() for record in caplog.records]
    assert {record.name for record in caplog.records} == {"nbactl.sentry"}


def test_a_request_that_is_not_answered_is_given_up_after_its_time() -> None:
    with SentryServer(silent=True) as server:
        to = sink(server.dsn, send=0.2, flush=10.0)
        report(to, DataError("no"))
        report(to, DataError("no"))
        began = time.monotonic()
        to.close()
        assert time.monotonic() - began < 8.0
    assert len(server.bodies) >= 2


def test_sentrys_client_changes_nothing_in_the_process() -> None:
    import logging  # noqa: PLC0415

    import sentry_sdk

    before = sys.excepthook, threading.excepthook, threading.Thread.start, threading.Thread.run
    handlers = logging.Logger.callHandlers
    with SentryServer() as server:
        to = sink(server.dsn)
        assert not sentry_sdk.get_client().is_active()
        to.close()
    assert (sys.excepthook, threading.excepthook, threading.Thread.start, threading.Thread.run) == before
    assert logging.Logger.callHandlers is handlers


@pytest.mark.parametrize("dsn", ["nonsense", "http://127.0.0.1/1", "http://key@127.0.0.1/"])
def test_an_address_that_is_none_is_refused_with_what_to_do(dsn: str) -> None:
    with pytest.raises(ConfigError, match="NBACTL_SENTRY_DSN") as refused:
        sink(dsn)
    assert "Client Keys" in str(refused.value.next_step)


def test_without_the_client_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["sentry_sdk"] = None
from nbactl.adapters.sentry.sink import SentrySink
from nbactl.errors import ConfigError
try:
    SentrySink("http://k@127.0.0.1/1", service="s", version="1", environment="e", send=1.0, flush=1.0)
except ConfigError as error:
    print(error.next_step)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'nbactl[sentry]'" in done.stdout


def test_without_an_address_nothing_is_loaded_or_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBACTL_SENTRY_DSN", raising=False)
    with Container(load_settings({"state_dir": str(tmp_path)}, {}, tmp_path)) as application:
        assert application.failure_sinks == ()


def test_what_is_on_its_way_at_the_end_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SentryServer() as server:
        monkeypatch.setenv("NBACTL_SENTRY_DSN", server.dsn)
        with Container(load_settings({"state_dir": str(tmp_path)}, {}, tmp_path)) as application:
            for _ in range(20):
                application.failures.report(DataError("no"), "push /push")
            [to] = application.failure_sinks
        assert len(server.events) == 20
    assert isinstance(to, SentrySink)
    assert to._client.transport is None, "it sends nothing more"


def test_inv_17_a_task_that_fails_in_a_run_arrives(tmp_path: Path) -> None:
    here = project(tmp_path / "project")
    with SentryServer() as server:
        environ = {**here.environment, "NBACTL_SENTRY_DSN": server.dsn}
        command = here.command("run", "second", "--date", DATE, "-q")
        done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1, done.stderr
    [event] = server.events
    assert event["tags"]["what"] == "task bad"
    assert (event["tags"]["game_date"], event["server_name"]) == (DATE, "nbactl")
    assert event["tags"]["run_id"].startswith("run-")
    assert "bad cannot <go> on" in event["exception"]["values"][0]["value"]
    assert event["exception"]["values"][0]["stacktrace"]["frames"]


def test_inv_17_work_of_a_service_that_fails_arrives_and_is_in_the_log_with_its_context(tmp_path: Path) -> None:
    with SentryServer() as server:
        environ = {"NBACTL_SENTRY_DSN": server.dsn, "FORM_SERVICE": "127.0.0.1:1", **FLAGS}
        with ServiceProcess("docs.example_service:service", tmp_path, environ) as service:
            assert service.push("/push", {"batch": "b1", "correlation_id": "cor-1"})[0] == 400
            began = time.monotonic()
            service.stop()
            assert time.monotonic() - began < 10
            logged = [json.loads(line) for line in service.output().splitlines() if line.startswith("{")]
    [event] = server.events
    assert (event["tags"]["batch"], event["tags"]["correlation_id"]) == ("b1", "cor-1")
    assert (event["tags"]["what"], event["server_name"]) == ("push /push", "example")
    [record] = [line for line in logged if line["logger"] == "nbactl.failures"]
    assert record["severity"] == "ERROR"
    assert record["failure"]["fingerprint"] == event["fingerprint"][0]
    assert record["logging.googleapis.com/labels"]["correlation_id"] == "cor-1"


def test_inv_17_a_thread_of_a_service_that_dies_is_reported(tmp_path: Path) -> None:
    with SentryServer() as server:
        environ = {"NBACTL_SENTRY_DSN": server.dsn}
        with ServiceProcess("tests.kit.small_service:app", tmp_path, environ) as service:
            assert service.get("/die")[0] == 200
            service.stop()
            logged = service.output()
    [event] = server.events
    assert event["tags"]["what"] == "thread background"
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    assert logged.count("ZeroDivisionError: division by zero") == 1

"""The table of metrics, what events do to them, and what is read at a scrape."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import nbactl
from nbactl.core.calls.breaker import BreakerSettings
from nbactl.core.calls.policies import CallPolicies
from nbactl.core.calls.policy import CallSettings
from nbactl.core.calls.rate_limit import RateLimit
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.flags import Exposures
from nbactl.core.observe import events
from nbactl.core.observe.events import Event, combined, noop_hook
from nbactl.core.observe.metrics import METRICS, Metrics
from nbactl.core.observe.metrics.definitions import BREAKER_STATE, RUN_STATUS, TASK_STATUS
from nbactl.core.observe.metrics.mapping import NOT_COUNTED, handlers
from nbactl.errors import UnavailableError
from nbactl.ports.alerts import Severity
from nbactl.testing import FakeClock
from nbactl.workflows.model import RunStatus, TaskStatus
from tests.kit import event_kinds
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from nbactl.core.observe.metrics import Metric

DOCS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
FORBIDDEN = {"run_id", "player", "player_lookup", "key", "batch", "batch_id", "game_date", "date", "path", "owner"}


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what Prometheus would read, by name and labels."""
    from prometheus_client.parser import text_string_to_metric_families

    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


# --- The table ---


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"nbactl_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") is (metric.type == "counter")
        if metric.type == "histogram":
            assert metric.name.endswith("_seconds")
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|percent)\b", metric.name)
        assert metric.help.endswith(".")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_labels_have_few_values(metric: Metric) -> None:
    for label in metric.labels:
        assert label.name not in FORBIDDEN
        assert bool(label.values) is not bool(label.declared)
    assert sum(not label.values for label in metric.labels) <= (2 if metric.read else 1)


def test_buckets_rise_and_reach_as_far_as_the_work_does() -> None:
    buckets = {metric.name: metric.buckets for metric in METRICS}
    for metric in METRICS:
        assert bool(metric.buckets) is (metric.type == "histogram")
        assert list(metric.buckets) == sorted(set(metric.buckets))
    assert buckets["nbactl_run_duration_seconds"][-1] >= 4 * 3600
    assert buckets["nbactl_task_duration_seconds"][0] <= 1.0


def test_the_statuses_are_those_of_the_engine() -> None:
    ends = set(RunStatus) - {RunStatus.RUNNING, RunStatus.SKIPPED}  # a run that is not needed is not observed
    assert set(RUN_STATUS.values) == {status.value for status in ends}
    assert set(TASK_STATUS.values) == {s.value for s in set(TaskStatus) - {TaskStatus.PENDING, TaskStatus.RUNNING}}
    assert set(_values("nbactl_alerts_total", "severity")) == set(Severity.__args__)  # type: ignore[attr-defined]


def _values(metric: str, label: str) -> tuple[str, ...]:
    ((values),) = [each.values for m in METRICS if m.name == metric for each in m.labels if each.name == label]
    return values


def test_the_registry_has_what_the_table_says() -> None:
    text = Metrics().exposition().decode()
    found = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert found == {metric.name: metric.type for metric in METRICS}
    for metric in METRICS:
        assert f"# HELP {metric.name} {metric.help}\n" in text


def test_the_documentation_has_every_metric_of_the_table() -> None:
    rows = re.findall(r"^\| `(nbactl_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", DOCS, re.MULTILINE)
    assert rows == [
        (metric.name, metric.type, ", ".join(f"`{label.name}`" for label in metric.labels), metric.help)
        for metric in METRICS
    ]


def test_the_documentation_says_where_the_values_of_labels_come_from() -> None:
    for metric in METRICS:
        for label in metric.labels:
            told = label.declared or ", ".join(f"`{each}`" for each in label.values)
            assert told == "as above" or f"| `{label.name}` | {told} |" in DOCS


# --- What events do ---


FIELDS: dict[str, dict[str, Any]] = {
    "run.finished": {"status": "succeeded", "seconds": 12.0, "at": 1_700_000_000.0},
    "task.finished": {"status": "no_data", "seconds": 3.0, "rows": 7, "attempts": 1},
    "retry.gave_up": {"attempt": 3, "error": "TimeoutError", "reason": "budget"},
    "outbox.published": {"waited": 0.2},
    "outbox.failed": {"error": "unavailable", "attempts": 1},
    "outbox.swept": {"published": 1, "failed": 2, "pending": 4},
    "documents.read": {"documents": 3},
    "documents.written": {"documents": 3},
    "warehouse.queried": {"answered_by": "engine", "bytes": 1024, "seconds": 0.4},
    "warehouse.query_failed": {"error": "timed_out"},
    **{f"alert.{outcome}": {"severity": "critical"} for outcome in ("sent", "suppressed", "failed")},
    "http.served": {"status": 503, "seconds": 0.1},
}


def test_every_kind_of_event_is_counted_or_left_out_on_purpose() -> None:
    mapped = set(handlers(Metrics()._children))
    assert mapped & set(NOT_COUNTED) == set()
    assert (event_kinds.emitted() | event_kinds.documented()) - mapped - set(NOT_COUNTED) == set()


@pytest.mark.parametrize("kind", sorted(handlers(Metrics()._children)))
def test_an_event_changes_the_metrics(kind: str) -> None:
    metrics = Metrics()
    before = samples(metrics)
    metrics.hook(Event(kind, "phase3", FIELDS.get(kind, {})))
    changed = {name for (name, labels), now in samples(metrics).items() if before.get((name, labels), 0.0) != now}
    assert changed


def test_what_a_run_leaves_behind() -> None:
    metrics = Metrics()
    for event in (
        Event("run.started", "phase3"),
        Event("task.started", "odds"),
        Event("task.retried", "odds", {"attempt": 2}),
        Event("task.finished", "odds", {"status": "failed", "seconds": 70.0, "rows": None, "attempts": 2}),
        Event("task.finished", "never_begun", {"status": "skipped", "seconds": None, "rows": None, "attempts": 0}),
        Event("run.finished", "phase3", {"status": "failed", "seconds": 80.0, "at": 1_700_000_000.0}),
    ):
        metrics.hook(event)
    assert value(metrics, "nbactl_runs_total", name="phase3", status="failed") == 1.0
    assert value(metrics, "nbactl_runs_total", name="phase3", status="succeeded") == 0.0
    assert value(metrics, "nbactl_run_last_success_timestamp_seconds", name="phase3") is None
    assert value(metrics, "nbactl_task_attempts_total", task="odds") == 2.0
    assert value(metrics, "nbactl_task_duration_seconds_bucket", task="odds", le="60.0") == 0.0
    assert value(metrics, "nbactl_task_duration_seconds_bucket", task="odds", le="120.0") == 1.0
    assert value(metrics, "nbactl_tasks_total", task="never_begun", status="skipped") == 1.0
    assert value(metrics, "nbactl_task_duration_seconds_count", task="never_begun") is None


def test_counters_are_there_as_zero_before_the_first_event_so_that_it_is_an_increase() -> None:
    metrics = Metrics()
    assert value(metrics, "nbactl_idempotency_deliveries_total", outcome="payload_mismatch") == 0.0
    assert value(metrics, "nbactl_alerts_total", severity="critical", outcome="failed") == 0.0
    metrics.hook(Event("run.started", "phase3"))
    assert value(metrics, "nbactl_runs_total", name="phase3", status="failed") == 0.0
    assert value(metrics, "nbactl_deadlines_fired_total", name="phase3") == 0.0


def test_keys_never_become_labels() -> None:
    metrics = Metrics()
    for number in range(50):
        for kind in handlers(metrics._children):
            if kind.startswith(("idempotency.", "outbox.", "completions.", "alert.")):
                metrics.hook(Event(kind, f"key-{number}", FIELDS.get(kind, {})))
    assert b"key-" not in metrics.exposition()


def test_an_id_that_becomes_a_label_by_mistake_does_not_fill_the_memory() -> None:
    metrics = Metrics()
    for number in range(2_000):
        metrics.hook(Event("http.served", f"/player/{number}", {"status": 200, "seconds": 0.1}))
    counted = {key: n for key, n in samples(metrics).items() if key[0] == "nbactl_http_requests_total"}
    assert len(counted) <= 510
    assert sum(counted.values()) == 2_000
    assert value(metrics, "nbactl_http_requests_total", route="(other)", status="2xx") == 2_000 - 125


def test_unknown_kinds_change_nothing() -> None:
    metrics = Metrics()
    before = metrics.exposition()
    metrics.hook(Event("something.new", "x"))
    assert metrics.exposition() == before


def test_threads_lose_no_count() -> None:
    metrics = Metrics()
    go = threading.Barrier(8)

    def count() -> None:
        go.wait(20)
        for number in range(500):
            metrics.hook(Event("breaker.refused", f"b{number % 7}"))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [n for (name, _), n in samples(metrics).items() if name == "nbactl_breaker_refused_total"]
    assert sum(refused) == 4_000


def test_there_are_no_created_series() -> None:
    metrics = Metrics()
    metrics.hook(Event("run.started", "phase3"))
    assert b"_created" not in metrics.exposition()


# --- What is read at a scrape ---


def test_breakers_and_retry_budgets_are_read_as_they_are() -> None:
    metrics, clock = Metrics(), FakeClock()
    settings = CallSettings(
        "odds",
        60.0,
        RetryPolicy("odds", attempts=3, base=1.0, jitter=False),
        breaker=BreakerSettings("odds_api", failure_rate=0.5, minimum_calls=2, open_for=30.0, window=60.0),
        retry_budget=RateLimit(10, 100.0),
    )
    policies = CallPolicies({"odds": settings}, clock=clock, rng=random.Random(1), hook=metrics.hook)
    metrics.watch_policies(policies)
    assert value(metrics, "nbactl_retries_given_up_total", policy="odds", reason="budget") == 0.0
    assert value(metrics, "nbactl_breaker_transitions_total", breaker="odds_api", state="open") == 0.0
    assert value(metrics, "nbactl_retry_budget_tokens", policy="odds") is None  # nobody has asked for it yet

    def call() -> None:
        raise UnavailableError("down")

    with pytest.raises(UnavailableError):
        policies["odds"].call(call)
    assert value(metrics, "nbactl_retry_budget_tokens", policy="odds") == pytest.approx(8.3)
    states = {s: value(metrics, "nbactl_breaker_state", breaker="odds_api", state=s) for s in BREAKER_STATE.values}
    assert states == {"closed": 0.0, "half_open": 0.0, "open": 1.0}
    assert value(metrics, "nbactl_retries_given_up_total", policy="odds", reason="breaker") == 1.0
    clock.advance(100.0)
    assert value(metrics, "nbactl_retry_budget_tokens", policy="odds") == 10.0


def test_exposures_of_flags_are_read_as_they_are() -> None:
    metrics, exposures = Metrics(), Exposures()
    metrics.watch_exposures(exposures)
    ask = exposures.counted("query_caching", lambda _e, _a: (True, "x", None, "y", None), (True, False))  # type: ignore[arg-type,return-value]
    for _ in range(3):
        ask("request", None)
    for _ in range(2):  # looking counts nothing
        assert value(metrics, "nbactl_flag_exposures_total", flag="query_caching", value="true") == 3.0
        assert value(metrics, "nbactl_flag_exposures_total", flag="query_caching", value="false") == 0.0


def test_the_version_is_shown() -> None:
    assert value(Metrics(), "nbactl_build_info", version=nbactl.__version__) == 1.0


# --- Around it ---


def test_one_hook_can_feed_several() -> None:
    heard: list[str] = []
    event = Event("x.y", "z")
    combined(lambda _: heard.append("first"), noop_hook, lambda _: heard.append("second"))(event)
    assert heard == ["first", "second"]
    assert combined() is noop_hook
    assert combined(noop_hook, noop_hook) is noop_hook
    one = heard.append
    assert combined(noop_hook, one) is one  # type: ignore[arg-type,comparison-overlap]
    assert events.combined is combined


def test_importing_the_package_loads_no_client_of_prometheus() -> None:
    code = "import sys, nbactl.core.observe.metrics, nbactl.core.calls.cache; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "nbactl.core.observe.metrics.registry" in done.stdout.split()
    assert "prometheus_client" not in done.stdout.split()


def test_the_example_of_the_documentation_holds() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    exec(compile(example, "metrics.md, example", "exec"), {})  # noqa: S102 - our own text

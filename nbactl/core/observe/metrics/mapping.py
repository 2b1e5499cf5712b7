"""What each kind of event does to the metrics."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.core.observe.events import Event
    from nbactl.core.observe.metrics.definitions import Metric

_MOST: Final = 500
_REST: Final = "(other)"

Key = str | tuple[str, ...]


class Children(dict[Key, Any]):
    """A metric's children by label value; by a tuple of them if it has several labels, by `()` if it has none.

    When a name is seen for the first time, its children for all values of the other labels are made: to `increase()`
    a counter that begins at 1 has not increased, so that an alert would miss the first failure. Names beyond the first
    500 are counted as `(other)`: a label made of ids by mistake must not fill the memory.
    """

    def __init__(self, metric: Metric, collector: Any) -> None:  # noqa: ANN401 - a class of prometheus_client
        super().__init__()
        self._metric = metric
        self._collector = collector
        self._fixed = [label.values for label in metric.labels]
        if all(self._fixed):
            self.prepare()

    def prepare(self, *names: str) -> None:
        """Make the children of `names`, the values of the labels without fixed values, in their order."""
        given = iter(names)
        for values in product(*[fixed or (next(given),) for fixed in self._fixed]):
            self._make(values)

    def __missing__(self, key: Key) -> Any:  # noqa: ANN401
        values = (key,) if isinstance(key, str) else key
        if len(self) >= _MOST:
            values = tuple(value if fixed else _REST for value, fixed in zip(values, self._fixed, strict=True))
            return self._make(values)
        self.prepare(*(value for value, fixed in zip(values, self._fixed, strict=True) if not fixed))
        return self._make(values)  # also for a value that is not one of the fixed ones

    def _make(self, values: tuple[str, ...]) -> Any:  # noqa: ANN401
        child = self._collector.labels(*values) if values else self._collector
        self[values[0] if len(values) == 1 else values] = child
        return child


NOT_COUNTED: Final[Mapping[str, str]] = {
    "handoff.decided": "One a phase and date; the deadlines among them are counted by deadline.fired.",
    "handoff.lapsed": "One a date at most, and a line in the log.",
}
"""Kinds of events that change no metric, and why."""

_IDEMPOTENCY_BEGINS: Final = ("claimed", "taken_over", "replayed", "in_progress", "payload_mismatch")
_IDEMPOTENCY_ENDS: Final = ("completed", "released", "lost")


def handlers(children: Mapping[str, Children]) -> dict[str, Callable[[Event], None]]:
    """Return what to do with each kind of event; `children` are those of the metrics by name."""
    return {
        **_runs(children),
        **_calls(children),
        **_messages(children),
        **_stores(children),
        **_service(children),
    }


def _runs(of: Mapping[str, Children]) -> dict[str, Callable[[Event], None]]:
    started, ended = of["nbactl_runs_started_total"], of["nbactl_runs_total"]
    run_seconds, succeeded = of["nbactl_run_duration_seconds"], of["nbactl_run_last_success_timestamp_seconds"]
    tasks, task_seconds = of["nbactl_tasks_total"], of["nbactl_task_duration_seconds"]
    attempts, rows = of["nbactl_task_attempts_total"], of["nbactl_task_rows_total"]
    deadlines = of["nbactl_deadlines_fired_total"]

    def run_started(event: Event) -> None:
        started[event.name].inc()
        ended.prepare(event.name)
        deadlines.prepare(event.name)

    def run_finished(event: Event) -> None:
        status = event.fields["status"]
        ended[event.name, status].inc()
        run_seconds[event.name].observe(event.fields["seconds"])
        if status == "succeeded":
            succeeded[event.name].set(event.fields["at"])

    def task_started(event: Event) -> None:
        attempts[event.name].inc()
        tasks.prepare(event.name)

    def task_finished(event: Event) -> None:
        fields = event.fields
        tasks[event.name, fields["status"]].inc()
        if fields["seconds"] is not None:
            task_seconds[event.name].observe(fields["seconds"])
        if fields["rows"]:
            rows[event.name].inc(fields["rows"])

    return {
        "run.started": run_started,
        "run.finished": run_finished,
        "task.started": task_started,
        "task.retried": _named(attempts),
        "task.finished": task_finished,
        "deadline.fired": _named(deadlines),
    }


def _calls(of: Mapping[str, Children]) -> dict[str, Callable[[Event], None]]:
    transitions = of["nbactl_breaker_transitions_total"]
    given_up = of["nbactl_retries_given_up_total"]

    def gave_up(event: Event) -> None:
        given_up[event.name, event.fields["reason"]].inc()

    def changed(state: str) -> Callable[[Event], None]:
        return lambda event: transitions[event.name, state].inc()

    return {
        "retry.again": _named(of["nbactl_retries_total"]),
        "retry.gave_up": gave_up,
        "breaker.refused": _named(of["nbactl_breaker_refused_total"]),
        **{f"breaker.{state}": changed(state) for state in ("closed", "half_open", "open")},
    }


def _messages(of: Mapping[str, Children]) -> dict[str, Callable[[Event], None]]:
    deliveries, ends = of["nbactl_idempotency_deliveries_total"], of["nbactl_idempotency_claims_ended_total"]
    published, failed = of["nbactl_outbox_published_total"][()], of["nbactl_outbox_failed_total"]
    waited = of["nbactl_outbox_wait_seconds"][()]
    pending = of["nbactl_outbox_pending"][()]
    completions = of["nbactl_completions_total"]
    predictions = of["nbactl_predictions_total"]

    def outbox_published(event: Event) -> None:
        published.inc()
        waited.observe(event.fields["waited"])

    return {
        **{f"idempotency.{outcome}": _counter(deliveries[outcome]) for outcome in _IDEMPOTENCY_BEGINS},
        **{f"idempotency.{outcome}": _counter(ends[outcome]) for outcome in _IDEMPOTENCY_ENDS},
        "outbox.published": outbox_published,
        "outbox.failed": lambda event: failed[event.fields["error"]].inc(),
        "outbox.swept": lambda event: pending.set(event.fields["pending"]),
        **{f"completions.{outcome}": _counter(completions[outcome]) for outcome in ("recorded", "duplicate", "failed")},
        "completions.batch_complete": _counter(of["nbactl_batches_completed_total"][()]),
        **{f"predictions.{outcome}": _counter(predictions[outcome]) for outcome in ("staged", "failed", "own_query")},
    }


def _stores(of: Mapping[str, Children]) -> dict[str, Callable[[Event], None]]:
    reads, writes = of["nbactl_document_reads_total"], of["nbactl_document_writes_total"]
    queries, read_bytes = of["nbactl_warehouse_queries_total"], of["nbactl_warehouse_query_bytes_total"][()]
    seconds, errors = of["nbactl_warehouse_query_duration_seconds"][()], of["nbactl_warehouse_query_errors_total"]
    requests = of["nbactl_cache_requests_total"]

    def queried(event: Event) -> None:
        fields = event.fields
        queries[fields["answered_by"]].inc()
        seconds.observe(fields["seconds"])
        if fields["bytes"]:
            read_bytes.inc(fields["bytes"])

    def requested(outcome: str) -> Callable[[Event], None]:
        return lambda event: requests[event.name, outcome].inc()

    return {
        "documents.read": lambda event: reads[event.name].inc(event.fields["documents"]),
        "documents.written": lambda event: writes[event.name].inc(event.fields["documents"]),
        "warehouse.queried": queried,
        "warehouse.query_failed": lambda event: errors[event.fields["error"]].inc(),
        **{f"cache.{outcome}": requested(outcome) for outcome in ("hit", "shared", "miss")},
    }


def _service(of: Mapping[str, Children]) -> dict[str, Callable[[Event], None]]:
    alerts = of["nbactl_alerts_total"]
    requests, seconds = of["nbactl_http_requests_total"], of["nbactl_http_request_duration_seconds"]

    def alerted(outcome: str) -> Callable[[Event], None]:
        return lambda event: alerts[event.fields["severity"], outcome].inc()

    def served(event: Event) -> None:
        requests[event.name, f"{event.fields['status'] // 100}xx"].inc()
        seconds[event.name].observe(event.fields["seconds"])

    return {
        **{f"alert.{outcome}": alerted(outcome) for outcome in ("sent", "suppressed", "failed")},
        "http.served": served,
    }


def _named(children: Children) -> Callable[[Event], None]:
    """Count by the name of the event."""
    return lambda event: children[event.name].inc()


def _counter(child: Any) -> Callable[[Event], None]:  # noqa: ANN401 - a class of prometheus_client
    """Count in one child, whatever the event is named."""
    return lambda _event: child.inc()

"""Every metric that nbactl exposes, with its labels.

Names follow "Metric and label naming" and "Instrumentation" of the Prometheus documentation: a prefix, base units,
`_total` for counters. A label takes few values for ever: what is declared in a file, or a fixed set. Ids of runs,
players, keys, batches and dates are never labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MetricType = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a metric. Either `values` are all it can have, or `declared` says where its values are declared."""

    name: str
    values: tuple[str, ...] = ()
    declared: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by its full name, as queries write it. `buckets` are upper bounds in the unit of the name.

    What is `read` is asked for when Prometheus scrapes; everything else is counted when it happens.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    read: bool = False

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which samples appear."""
        return tuple(f"{self.name}{suffix}" for suffix in _SUFFIXES[self.type])


_SUFFIXES: Final[dict[MetricType, tuple[str, ...]]] = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}

RUN: Final = Label("name", declared="workflows.yaml: phases, workflows, tasks that are run alone")
TASK: Final = Label("task", declared="workflows.yaml: tasks")
RUN_STATUS: Final = Label("status", ("succeeded", "partial", "failed", "cancelled", "detached"))
TASK_STATUS: Final = Label(
    "status", ("succeeded", "no_data", "failed", "timed_out", "skipped", "cancelled", "detached")
)
POLICY: Final = Label("policy", declared="timeouts.yaml: call_policies, retry_policies")
BREAKER: Final = Label("breaker", declared="timeouts.yaml: breakers")
BREAKER_STATE: Final = Label("state", ("closed", "half_open", "open"))
CACHE: Final = Label("cache", declared="the name that code gives a TtlCache")
ERROR: Final = Label("error", declared="`code` of the classes in nbactl/errors.py")

_CALLS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_QUERIES: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_WORK: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0)
_WAITS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21600.0)

METRICS: Final[tuple[Metric, ...]] = (
    Metric(
        "nbactl_build_info",
        "gauge",
        "1, with the version that runs.",
        (Label("version", declared="nbactl"),),
        read=True,
    ),
    # --- Runs and tasks ---
    Metric("nbactl_runs_started_total", "counter", "Runs that started.", (RUN,)),
    Metric("nbactl_runs_total", "counter", "Runs that ended, by how they ended.", (RUN, RUN_STATUS)),
    Metric("nbactl_run_duration_seconds", "histogram", "Time from a run's start to its end.", (RUN,), _WORK),
    Metric("nbactl_run_last_success_timestamp_seconds", "gauge", "When a run succeeded last, as Unix time.", (RUN,)),
    Metric("nbactl_tasks_total", "counter", "Tasks that ended, by how they ended.", (TASK, TASK_STATUS)),
    Metric(
        "nbactl_task_duration_seconds",
        "histogram",
        "Time from a task's start to its end, all attempts.",
        (TASK,),
        _WORK,
    ),
    Metric("nbactl_task_attempts_total", "counter", "Attempts of tasks, the first ones included.", (TASK,)),
    Metric("nbactl_task_rows_total", "counter", "Rows that tasks reported as written.", (TASK,)),
    Metric(
        "nbactl_deadlines_fired_total",
        "counter",
        "Deadlines that ended a run, or a phase's wait, before it was complete.",
        (RUN,),
    ),
    # --- Calls of dependencies ---
    Metric("nbactl_retries_total", "counter", "Calls that were retried.", (POLICY,)),
    Metric(
        "nbactl_retries_given_up_total",
        "counter",
        "Calls that failed with a transient error and were not retried, by reason.",
        (POLICY, Label("reason", ("attempts", "breaker", "budget", "deadline"))),
    ),
    Metric("nbactl_retry_budget_tokens", "gauge", "Retries that the budget allows now.", (POLICY,), read=True),
    Metric(
        "nbactl_breaker_state",
        "gauge",
        "1 for the state that a breaker is in, 0 for the others.",
        (BREAKER, BREAKER_STATE),
        read=True,
    ),
    Metric(
        "nbactl_breaker_transitions_total",
        "counter",
        "Changes of a breaker's state, by the new state.",
        (BREAKER, BREAKER_STATE),
    ),
    Metric("nbactl_breaker_refused_total", "counter", "Calls that a breaker refused.", (BREAKER,)),
    # --- Messages ---
    Metric(
        "nbactl_idempotency_deliveries_total",
        "counter",
        "Deliveries, by what was found; work started for those that were claimed or taken over.",
        (Label("outcome", ("claimed", "taken_over", "replayed", "in_progress", "payload_mismatch")),),
    ),
    Metric(
        "nbactl_idempotency_claims_ended_total",
        "counter",
        "Claims that ended: work done, given back after an error, or lost to another delivery.",
        (Label("outcome", ("completed", "released", "lost")),),
    ),
    Metric("nbactl_outbox_published_total", "counter", "Messages that the outbox published."),
    Metric("nbactl_outbox_failed_total", "counter", "Attempts of the outbox to publish that failed.", (ERROR,)),
    Metric(
        "nbactl_outbox_wait_seconds", "histogram", "Time from the commit of a message to its publication.", (), _WAITS
    ),
    Metric("nbactl_outbox_pending", "gauge", "Messages that were not published after the last sweep of this process."),
    # --- Completions ---
    Metric(
        "nbactl_completions_total",
        "counter",
        "Players that were recorded in prediction batches: completed, recorded before, or failed.",
        (Label("outcome", ("recorded", "duplicate", "failed")),),
    ),
    Metric("nbactl_batches_completed_total", "counter", "Prediction batches that became complete."),
    Metric(
        "nbactl_predictions_total",
        "counter",
        "Requests of the prediction worker: staged, failed for good, or predicted from a query of its own.",
        (Label("outcome", ("staged", "failed", "own_query")),),
    ),
    # --- Stores ---
    Metric(
        "nbactl_document_reads_total",
        "counter",
        "Documents read, counted as Firestore bills them.",
        (Label("operation", ("get", "get_all", "query", "count", "list_ids")),),
    ),
    Metric(
        "nbactl_document_writes_total",
        "counter",
        "Documents written.",
        (Label("operation", ("commit", "batch_write", "transaction")),),
    ),
    Metric(
        "nbactl_warehouse_queries_total",
        "counter",
        "Warehouse queries, by what answered: the engine by reading, its own cache, or the cache of this process.",
        (Label("answered_by", ("engine", "engine_cache", "result_cache")),),
    ),
    Metric("nbactl_warehouse_query_errors_total", "counter", "Warehouse queries that failed.", (ERROR,)),
    Metric(
        "nbactl_warehouse_query_bytes_total",
        "counter",
        "Bytes that warehouse queries processed, where the engine reports them.",
    ),
    Metric("nbactl_warehouse_query_duration_seconds", "histogram", "Time that warehouse queries took.", (), _QUERIES),
    Metric(
        "nbactl_cache_requests_total",
        "counter",
        "Requests to caches; `shared` waited for the load of another.",
        (CACHE, Label("outcome", ("hit", "shared", "miss"))),
    ),
    # --- Flags, alerts, HTTP ---
    Metric(
        "nbactl_flag_exposures_total",
        "counter",
        "Evaluations of feature flags, by the value that was served.",
        (Label("flag", declared="flags.yaml"), Label("value", declared="flags.yaml")),
        read=True,
    ),
    Metric(
        "nbactl_alerts_total",
        "counter",
        "Alerts, by outcome.",
        (Label("severity", ("info", "warning", "critical")), Label("outcome", ("sent", "suppressed", "failed"))),
    ),
    Metric(
        "nbactl_http_requests_total",
        "counter",
        "HTTP requests that were answered.",
        (
            Label("route", declared="the routes of the service, never the path that was asked for"),
            Label("status", ("2xx", "3xx", "4xx", "5xx")),
        ),
    ),
    Metric(
        "nbactl_http_request_duration_seconds",
        "histogram",
        "Time from the request to the end of its answer.",
        (Label("route", declared="as above"),),
        _CALLS,
    ),
)
"""In the order of docs/metrics.md."""

BY_NAME: Final = {metric.name: metric for metric in METRICS}

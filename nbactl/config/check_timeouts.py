"""Checks of timeouts.yaml: callers wait longer than what they call, backoff fits its cap, leases outlive a beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.config.problems import suggest
from nbactl.config.retention import KINDS
from nbactl.core._support.durations import format_duration as shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.timeouts import TimeoutsFile

# The names of timeouts.yaml that the code itself looks up, so that it could not run without them. A test keeps this
# list in step with the code.
USED: dict[str, frozenset[str]] = {
    "timeouts": frozenset(
        {
            "alert.billed",
            "alert.patience",
            "alert.slack",
            "alert.window",
            "audit.write",
            "batch.keep",
            "batch.late",
            "batch.limit",
            "batch.quiet",
            "batch.sweep",
            "batch.table_check",
            "breakers.sync",
            "bus.ack_margin",
            "bus.least_backoff",
            "bus.most_backoff",
            "bus.publish",
            "calendar.keep",
            "completions.stage_ttl",
            "dead_letters.pull",
            "dedup.keep",
            "doctor.git",
            "documents.busy",
            "documents.read",
            "documents.write",
            "expiry.sweep",
            "failures.flush",
            "failures.send",
            "flags.refresh",
            "flags.stale",
            "flags.watch",
            "games.max_age",
            "handoff.confirm",
            "handoff.overdue",
            "handoff.pending",
            "handoff.sweep",
            "heal.claim",
            "health.check",
            "health.every",
            "health.window",
            "http.connect",
            "http.health",
            "http.request",
            "identity.again",
            "identity.fetch",
            "identity.keep",
            "identity.skew",
            "load.chaos",
            "load.poll",
            "load.settle",
            "log.slow",
            "measurements.lag",
            "measurements.newest",
            "logs.page",
            "logs.poll",
            "logs.search",
            "logs.settle",
            "metrics.query",
            "migration.cleanup_bake",
            "migration.mark_forgotten",
            "migration.poll",
            "migration.reads_bake",
            "migration.recheck",
            "migration.second_look",
            "migration.settle_margin",
            "migration.validation_max_age",
            "migration.watch_every",
            "outbox.drain",
            "outbox.keep",
            "outbox.redrive",
            "outbox.sweep",
            "overnight.total",
            "push.connect",
            "push.finish",
            "push.lease",
            "push.least_pause",
            "push.most_pause",
            "push.pause",
            "push.pull",
            "push.renew",
            "quotas.check",
            "retention.sweep",
            "rows.age",
            "rows.at_end",
            "rows.flush",
            "rows.lease",
            "run.cancel_poll",
            "run.cancel_wait",
            "run.date_settled",
            "run.stop_grace",
            "run.watch_poll",
            "schedule.orphan",
            "schedule.silence",
            "schedule.tolerance",
            "scheduler.forgotten",
            "scheduler.poll",
            "scheduler.run_poll",
            "service.accept",
            "service.admin",
            "service.bake",
            "service.deploy",
            "service.history",
            "service.measured",
            "service.finish_requests",
            "service.follow",
            "service.let_go",
            "service.message",
            "service.poll",
            "service.self_test",
            "service.silence",
            "service.smoke",
            "service.stop_steps",
            "service.upstream",
            "status.hand_off",
            "status.history",
            "status.history_ttl",
            "status.refresh",
            "task.scraper",
            "up.longest_restart",
            "up.once",
            "up.poll",
            "up.ready",
            "up.request",
            "up.restart",
            "up.settled",
            "up.stop",
            "warehouse.cache_decisions",
            "warehouse.cache_logs",
            "warehouse.job_history",
            "warehouse.load",
            "warehouse.lock_wait",
            "warehouse.query",
            "warehouse.query_large",
        }
    ),
    "leases": frozenset({"message", "run"}),
    "retry_policies": frozenset({"completions"}),
    "call_policies": frozenset(
        {
            "bigquery",
            "bigquery_dml",
            "cloud_logging",
            "cloud_run",
            "firestore",
            "monitoring",
            "pubsub",
            "scraper",
            "slack",
        }
    ),
}


def check_timeouts(file: ConfigFile[TimeoutsFile]) -> Iterator[Problem]:
    """Yield the problems."""
    yield from _calls(file)
    for section, used in USED.items():
        names = file.names(section)
        for name in sorted(used.difference(names)):
            message = f"{section} lacks '{name}', which nbactl uses"
            yield file.positions.problem((section,), message, suggest(name, names), key=True)
    for name, retry in file.model.retry_policies.items():
        if retry.base > retry.cap:
            message = f"the first pause of {shown(retry.base)} is longer than the cap of {shown(retry.cap)}"
            yield file.positions.problem(("retry_policies", name, "base"), message)
    yield from _policies(file)
    yield from _retention(file)
    for name, lease in file.model.leases.items():
        if lease.renew_every >= lease.ttl / 2:
            message = (
                f"renewed every {shown(lease.renew_every)}, a lease of {shown(lease.ttl)} is lost by one late beat"
            )
            yield file.positions.problem(("leases", name, "renew_every"), f"{message}; stay below half")


def _calls(file: ConfigFile[TimeoutsFile]) -> Iterator[Problem]:
    timeouts = file.model.timeouts
    declared = file.names("timeouts")
    for name, timeout in timeouts.items():
        for index, callee in enumerate(timeout.calls):
            path = ("timeouts", name, "calls", index)
            if callee not in declared:
                yield file.unknown(path, callee, declared, "not under timeouts")
            elif callee in timeouts and timeouts[callee].limit >= timeout.limit:
                limits = f"{_limit(file, name)}, {callee} up to {_limit(file, callee)}"
                yield file.positions.problem(
                    path, f"a caller must wait longer than what it calls: {name} waits {limits}"
                )


def _limit(file: ConfigFile[TimeoutsFile], name: str) -> str:
    """Return the limit of a timeout for people, with the variable that sets it."""
    variable = file.variables.get(name)
    return shown(file.model.timeouts[name].limit) + (f" ({variable})" if variable else "")


def _retention(file: ConfigFile[TimeoutsFile]) -> Iterator[Problem]:
    names = file.names("retention")
    for kind in KINDS:
        if kind not in names:
            yield file.positions.problem(("retention",), f"retention lacks '{kind}'", suggest(kind, names), key=True)
    for name in names:
        if name not in KINDS:
            message = f"'{name}' is not a kind of what nbactl keeps"
            yield file.positions.problem(("retention", name), message, suggest(name, KINDS), key=True)


def _policies(file: ConfigFile[TimeoutsFile]) -> Iterator[Problem]:
    model = file.model
    for name, call in model.call_policies.items():
        for key, section in (("attempt", "timeouts"), ("retry", "retry_policies"), ("breaker", "breakers")):
            wanted, known = getattr(call, key), file.names(section)
            if wanted not in (None, *known) and (key, wanted) != ("retry", "none"):
                yield file.unknown(("call_policies", name, key), wanted, known, f"not under {section}")
        if call.attempt in model.timeouts and model.timeouts[call.attempt].limit > call.total:
            message = f"{shown(call.total)} in all is less than one attempt, {_limit(file, call.attempt)}"
            yield file.positions.problem(("call_policies", name, "total"), message)

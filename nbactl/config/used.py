"""The names of timeouts.yaml that the code itself looks up, so that it could not run without them.

A test keeps this list in step with the code.
"""

from __future__ import annotations

USED: dict[str, frozenset[str]] = {
    "timeouts": frozenset(
        {
            "breakers.sync",
            "alert.patience",
            "alert.slack",
            "alert.window",
            "completions.stage_ttl",
            "dedup.keep",
            "documents.busy",
            "documents.read",
            "documents.write",
            "failures.flush",
            "failures.send",
            "flags.refresh",
            "flags.stale",
            "flags.watch",
            "health.check",
            "health.every",
            "health.window",
            "http.connect",
            "http.health",
            "metrics.query",
            "http.request",
            "log.slow",
            "migration.poll",
            "migration.cleanup_bake",
            "migration.reads_bake",
            "migration.recheck",
            "migration.second_look",
            "migration.settle_margin",
            "migration.validation_max_age",
            "migration.watch_every",
            "outbox.keep",
            "outbox.redrive",
            "outbox.sweep",
            "run.cancel_poll",
            "run.cancel_wait",
            "run.date_settled",
            "run.watch_poll",
            "status.refresh",
            "run.stop_grace",
            "service.finish_requests",
            "service.stop_steps",
            "service.admin",
            "service.deploy",
            "service.poll",
            "warehouse.load",
            "warehouse.lock_wait",
            "warehouse.query",
            "warehouse.query_large",
        }
    ),
    "leases": frozenset({"message", "run"}),
    "retry_policies": frozenset({"completions"}),
    "call_policies": frozenset({"cloud_run", "firestore", "scraper"}),
}

"""The indexes of collections that grow. They are listed here, for importing their owners would slow every command."""

from __future__ import annotations

from typing import Final

from nbactl.ports.indexes import Index

INDEXES: Final = (
    # The ledger: newest first, of all runs and by each filter of `runs list`; the newest run of a name and date.
    Index("runs", ("started_at",)),
    Index("runs", ("status", "started_at")),
    Index("runs", ("name", "started_at")),
    Index("runs", ("group", "started_at")),
    Index("runs", ("game_date", "started_at")),
    Index("runs", ("name", "game_date", "started_at")),
    Index("runs", ("decision_id",)),
    # The decisions of ticks: newest first, of all and by each filter; those whose runs have not ended.
    Index("workflow_decisions", ("decided_at",)),
    *(Index("workflow_decisions", (field, "decided_at")) for field in ("workflow", "game_date", "action", "open")),
    # What a trace asks for.
    Index("runs", ("correlation_id",)),
    Index("outbox", ("message_id",)),
    # What sweeps look for at every tick.
    Index("outbox", ("due_at",)),
    Index("outbox", ("expires_at",)),
    Index("message_dedup", ("expires_at",)),
    Index("alert_conditions", ("expires_at",)),
    # What alert rules, `alerts list` and reports ask for.
    Index("alert_conditions", ("unsettled",)),
    Index("alert_conditions", ("seen_at",)),
    Index("outbox", ("topic", "created_at")),
    Index("alerts", ("expires_at",)),
    # Every name and date that was ever run has a lease; few are held.
    Index("leases", ("owner",)),
    Index("lease_removals", ("at",)),
    Index("dead_letters", ("open_since",)),
    Index("dead_letters", ("saved_at",)),
    # Faults that were repaired: those whose effect is to be seen, and those whose alert is to be sent.
    Index("healing", ("state", "touched_at")),
    Index("healing", ("alerted",)),
    # The audit trail: newest first, of all changes and by each filter of `nbactl audit`.
    Index("audit", ("at",)),
    *(Index("audit", (field, "at")) for field in ("by", "user", "action", "noun")),
    *(Index(f"phase{number}_completion", ("_next_check_at",)) for number in range(2, 6)),
    *(Index("prediction_batches", (field,)) for field in ("_next_check_at", "_clean_at")),
)

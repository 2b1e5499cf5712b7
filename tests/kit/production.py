"""Documents and rows of the shapes that production's own programs write; nbactl only ever reads these."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.ports.documents import Set
from nbactl.ports.warehouse import Column, Rows, TableSchema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import ColumnType, Warehouse

DAY: Final = "2025-01-15"
NIGHT: Final = datetime(2025, 1, 16, 11, 0, tzinfo=UTC)
"""06:00 of the morning after, in New York."""
PHASE2: Final = (
    "p2_odds_game_lines", "p2_nbacom_gamebook_pdf", "p2_nbacom_boxscores", "p2_bigdataball_pbp",
    "p2_odds_player_props",
)  # fmt: skip
PHASE3: Final = (
    "player_game_summary", "team_offense_game_summary", "team_defense_game_summary", "upcoming_player_game_context",
    "upcoming_team_game_context",
)  # fmt: skip
PHASE4: Final = (
    "team_defense_zone_analysis", "player_shot_zone_analysis", "player_composite_factors", "player_daily_cache",
    "ml_feature_store",
)  # fmt: skip


def report(status: str = "success", *, minute: int = 0, records: int = 120, **more: Any) -> dict[str, Any]:
    """Return the map of a processor in a phase document."""
    return {
        "status": status,
        "completed_at": NIGHT + timedelta(minutes=minute),
        "record_count": records,
        "execution_id": f"exec-{minute}",
        "correlation_id": "corr-1",
        "is_incremental": False,
        "entities_changed": [],
        **more,
    }


def phase_document(names: Sequence[str], *, mode: str = "overnight", **fields: Any) -> dict[str, Any]:
    """Return a phase document in which each name reported, a minute after the other; `fields` replace its fields."""
    return {
        **{name: report(minute=minute) for minute, name in enumerate(names)},
        "_completed_count": len(names),
        "_mode": mode,
        "_first_completion_at": NIGHT,
        "_last_update": NIGHT + timedelta(minutes=len(names)),
        **fields,
    }


def triggered(reason: str = "all_complete", *, minute: int = 5) -> dict[str, Any]:
    """Return the fields of a phase document whose message was published."""
    at = NIGHT + timedelta(minutes=minute)
    return {
        "_trigger_pending": False,
        "_trigger_pending_at": at,
        "_triggered": True,
        "_triggered_at": at,
        "_trigger_succeeded": True,
        "_trigger_reason": reason,
    }


def pending(*, minute: int = 5) -> dict[str, Any]:
    """Return the fields of a phase document that was decided and not known to be published: a lost hand-off."""
    return {"_trigger_pending": True, "_trigger_pending_at": NIGHT + timedelta(minutes=minute), "_triggered": False}


def put(store: DocumentStore, documents: Mapping[str, Mapping[str, Any]]) -> None:
    """Write documents by path, as the old programs would."""
    store.commit([Set(path, data) for path, data in documents.items()])


def finished_night(day: str = DAY) -> dict[str, dict[str, Any]]:
    """Return the phase documents of a night on which everything went well."""
    return {
        f"phase2_completion/{day}": phase_document(PHASE2, **triggered()),
        f"phase3_completion/{day}": phase_document(PHASE3, **triggered()),
        f"phase4_completion/{day}": phase_document(PHASE4, **triggered()),
    }


RUN_HISTORY: Final[dict[str, ColumnType]] = {
    "processor_name": "STRING",
    "run_id": "STRING",
    "status": "STRING",
    "started_at": "TIMESTAMP",
    "processed_at": "TIMESTAMP",
    "data_date": "DATE",
    "records_processed": "INT64",
    "trigger_source": "STRING",
    "errors": "STRING",
}


def run_row(processor: str, *, minute: int = 0, status: str = "success", day: str = DAY, **more: Any) -> dict[str, Any]:
    """Return a row of processor_run_history."""
    began = NIGHT + timedelta(minutes=minute)
    return {
        "processor_name": processor,
        "run_id": f"{processor}-{minute}",
        "status": status,
        "started_at": began,
        "processed_at": began + timedelta(seconds=40),
        "data_date": date.fromisoformat(day),
        "records_processed": 120,
        "trigger_source": "orchestrator",
        "errors": None,
        **more,
    }


def put_rows(
    warehouse: Warehouse, table: str, columns: Mapping[str, ColumnType], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Create a table unless it is there, and append rows to it."""
    warehouse.create_table(TableSchema(table, tuple(Column(name, kind) for name, kind in columns.items())))
    if rows:
        values = [tuple(row.get(name) for name in columns) for row in rows]
        warehouse.load(table, Rows(tuple(columns), values), timeout=30)

"""A service deletes what has expired, where the database does not."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.ports.documents import Create
from tests.kit.service_process import ServiceProcess

if TYPE_CHECKING:
    from pathlib import Path


def test_a_service_deletes_what_has_expired(tmp_path: Path) -> None:
    clock = SystemClock()
    with (
        closing(SqliteDocuments(tmp_path / "state" / "documents.db", clock=clock, busy_timeout=5.0)) as store,
        ServiceProcess("tests.kit.small_service:app", tmp_path, {"NBACTL_TIMEOUT_EXPIRY_SWEEP": "200ms"}),
    ):
        kept = clock.now() + timedelta(days=1)
        store.commit(
            [
                *(Create(f"{name}/old", {"expires_at": clock.now()}) for name in ("alerts", "message_dedup", "outbox")),
                Create("message_dedup/new", {"expires_at": kept}),
            ]
        )
        give_up = time.monotonic() + 60
        while any(store.get_all(["alerts/old", "message_dedup/old", "outbox/old"])):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        assert store.get("message_dedup/new") is not None

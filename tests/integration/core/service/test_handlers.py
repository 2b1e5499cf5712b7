"""Whatever kind of function handles a message: it is acknowledged only after its work is done."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from tests.kit.service_process import ServiceProcess

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("plain", "coroutine", "wrapped", "object")


def test_inv_06_a_message_is_acknowledged_after_the_work_of_any_kind_of_handler(tmp_path: Path) -> None:
    with ServiceProcess("tests.kit.small_service:app", tmp_path, {"ENABLE_IDEMPOTENCY_KEYS": "true"}) as service:
        for kind in KINDS:
            assert service.push(f"/{kind}", {}, message_id=kind)[0] == 204
    path = tmp_path / "state" / "documents.db"
    with closing(SqliteDocuments(path, clock=SystemClock(), busy_timeout=5.0)) as store:
        assert set(store.list_ids("effects")) == set(KINDS)

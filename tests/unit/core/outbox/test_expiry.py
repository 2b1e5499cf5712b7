from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.core.outbox.expiry import sweep_expired
from nbactl.ports.documents import Create, Set
from nbactl.testing import FakeClock, memory_documents

if TYPE_CHECKING:
    import pytest

    from nbactl.ports.documents import Write


def test_what_has_expired_is_deleted_and_nothing_else() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    for start in range(0, 1200, 400):
        store.commit(
            [
                Create(f"d/{n}", {"expires_at": clock.now() + timedelta(seconds=n - 600)})
                for n in range(start, start + 400)
            ]
        )
    store.commit([Create("d/for-ever", {}), Create("other/1", {"expires_at": clock.now()})])
    assert sweep_expired(store, "d", clock) == 601
    assert len(list(store.list_ids("d"))) == 600
    assert sweep_expired(store, "d", clock) == 0
    assert store.get("other/1") is not None


def test_what_was_renewed_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    store.commit([Create("d/1", {"expires_at": clock.now()}), Create("d/2", {"expires_at": clock.now()})])
    batch_write = store.batch_write

    def renewed_before(writes: list[Write]) -> object:
        store.commit([Set("d/1", {"expires_at": clock.now() + timedelta(days=7)})])
        return batch_write(writes)

    monkeypatch.setattr(store, "batch_write", renewed_before)
    assert sweep_expired(store, "d", clock) == 1
    assert list(store.list_ids("d")) == ["1"]

from __future__ import annotations

import pytest

from nbactl.core.completions.stages import STAGE_DOCUMENT, CompletionStage, StageReader, stage_of
from nbactl.errors import DataError, UnavailableError
from nbactl.ports.documents import Document, Set
from nbactl.testing import FakeClock, memory_documents

STEPS = ["legacy", "dual_write", "backfilled", "validated", "reads_switched", "dual_write_stopped", "cleaned"]


def test_the_stages_are_those_of_the_contract_in_its_order() -> None:
    assert [stage.value for stage in CompletionStage] == STEPS


def test_without_a_migration_there_is_no_stage() -> None:
    assert StageReader(memory_documents(), FakeClock(), ttl=5.0).current() is None


def test_a_stage_is_believed_for_its_time_and_not_longer() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    reader = StageReader(store, clock, ttl=5.0)
    assert reader.current() is None
    store.commit([Set(STAGE_DOCUMENT, {"stage": "dual_write"})])
    clock.advance(4.9)
    assert reader.current() is None
    clock.advance(0.1)
    assert reader.current() is CompletionStage.DUAL_WRITE
    store.commit([Set(STAGE_DOCUMENT, {"stage": "backfilled"})])
    assert reader.current() is CompletionStage.DUAL_WRITE


def test_the_time_counts_from_before_the_stage_was_asked_for() -> None:
    clock = FakeClock()
    store = memory_documents(clock)

    class Slow:
        def get(self, path: str) -> Document | None:
            found = store.get(path)
            clock.advance(3.0)
            return found

    reader = StageReader(Slow(), clock, ttl=5.0)  # type: ignore[arg-type]  # it only gets
    assert reader.current() is None
    store.commit([Set(STAGE_DOCUMENT, {"stage": "dual_write"})])
    clock.advance(2.0)
    assert reader.current() is CompletionStage.DUAL_WRITE


def test_an_old_stage_is_not_believed_because_the_store_is_down() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    down = False

    class Failing:
        def get(self, path: str) -> Document | None:
            if down:
                raise UnavailableError("down")
            return store.get(path)

    reader = StageReader(Failing(), clock, ttl=5.0)  # type: ignore[arg-type]  # it only gets
    reader.current()
    down = True
    reader.current()
    clock.advance(5.0)
    with pytest.raises(UnavailableError):
        reader.current()


@pytest.mark.parametrize("data", [{}, {"stage": None}, {"stage": "dualwrite"}, {"stage": 3}])
def test_a_stage_that_is_none_is_refused(data: dict[str, object]) -> None:
    store = memory_documents()
    store.commit([Set(STAGE_DOCUMENT, data)])
    with pytest.raises(DataError, match="unknown stage") as raised:
        stage_of(store.get(STAGE_DOCUMENT))
    if data.get("stage") == "dualwrite":
        assert raised.value.next_step == "Did you mean 'dual_write'?"

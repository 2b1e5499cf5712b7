"""What the store of flags must do on every engine."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.flags import FlagStore, Stored
from nbactl.core.flags.store import ANY_VERSION, Change
from nbactl.errors import DataError, PreconditionError, UnavailableError
from nbactl.ports.documents import DELETE_FIELD, Delete, Set, Update

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore

CONTENDERS = 8


def to(percent: float, *, expected: int = ANY_VERSION, key: str = "fast", **given: Any) -> Change:
    fields: dict[str, Any] = {"enabled": True, "salt": key, "hash_version": 1, "stage": None}
    return Change(key, expected, percent, **{**fields, **given})


class TestFlagStore:
    @pytest.fixture
    def client(self, open_client: Callable[[], DocumentStore]) -> Callable[[], DocumentStore]:
        return open_client

    @pytest.fixture
    def documents(self, client: Callable[[], DocumentStore]) -> DocumentStore:
        return client()

    @pytest.fixture
    def store(self, documents: DocumentStore) -> FlagStore:
        return FlagStore(documents, SystemClock())

    def test_a_flag_that_was_never_set_is_not_there(self, store: FlagStore) -> None:
        assert store.read() == Stored({}, {})
        assert store.get("fast") is None
        assert store.history("fast") == []

    def test_what_was_written_is_read_with_who_when_and_why(self, store: FlagStore) -> None:
        before = SystemClock().now()
        [written] = store.change([to(33.333, expected=0, stage=2)], by="me@host", reason="a try")
        after = SystemClock().now()
        assert store.get("fast") == written
        assert store.read().states == {"fast": written}
        assert (written.percent, written.enabled, written.stage, written.version) == (33.333, True, 2, 1)
        assert (written.updated_by, written.reason) == ("me@host", "a try")
        assert before <= written.updated_at == written.entered_stage_at <= after

    def test_every_change_stands_in_the_history(self, store: FlagStore) -> None:
        states = [store.change([to(p, expected=v)], by="me", reason=f"{p}")[0] for v, p in enumerate((1, 50, 0))]
        assert store.history("fast") == states[::-1]
        assert [state.version for state in states] == [1, 2, 3]

    def test_the_history_is_in_order_beyond_nine(self, store: FlagStore) -> None:
        for percent in range(12):
            store.change([to(percent)], by="me", reason=None)
        assert [state.version for state in store.history("fast")] == list(range(12, 0, -1))

    def test_a_change_that_saw_another_version_is_refused_and_says_who_came_first(self, store: FlagStore) -> None:
        store.change([to(10, expected=0)], by="first@host", reason="mine")
        with pytest.raises(PreconditionError, match="fast was changed by another operator in the meantime") as refused:
            store.change([to(50, expected=0)], by="second@host", reason=None)
        assert refused.value.cause is not None
        assert refused.value.cause.startswith("first@host set it to 10 % at ")
        assert [state.percent for state in store.history("fast")] == [10]

    def test_several_flags_change_together_or_not_at_all(self, store: FlagStore) -> None:
        store.change([to(10, key="b")], by="me", reason=None)
        with pytest.raises(PreconditionError):
            store.change([to(50, key="a", expected=0), to(50, key="b", expected=0)], by="me", reason=None)
        assert {key: state.percent for key, state in store.read().states.items()} == {"b": 10}
        store.change([to(50, key="a", expected=0), to(50, key="b", expected=1)], by="me", reason=None)
        assert {key: state.version for key, state in store.read().states.items()} == {"a": 1, "b": 2}

    def test_operators_at_once_never_overwrite_each_other(self, client: Callable[[], DocumentStore]) -> None:
        """Each takes the newest version until it has won three times: every win is in the history, once."""
        wins, lock = [], threading.Lock()

        def operate(name: str) -> None:
            store, won = FlagStore(client(), SystemClock()), 0
            while won < 3:
                state = store.get("fast")
                version = 0 if state is None else state.version
                try:
                    [done] = store.change([to(version + 1, expected=version)], by=name, reason=None)
                except (PreconditionError, UnavailableError):
                    continue
                won += 1
                with lock:
                    wins.append((done.version, name))

        threads = [threading.Thread(target=operate, args=(f"operator-{n}",)) for n in range(CONTENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        history = FlagStore(client(), SystemClock()).history("fast")
        assert [(state.version, state.updated_by) for state in history] == sorted(wins, reverse=True)
        assert [state.percent for state in history] == [state.version for state in history]

    def test_a_stage_is_entered_when_the_flag_gets_there_and_not_again(self, store: FlagStore) -> None:
        [first] = store.change([to(10, stage=1)], by="me", reason=None)
        [again] = store.change([to(10, stage=1)], by="me", reason="only another reason")
        [later] = store.change([to(50, stage=2)], by="me", reason=None)
        assert again.entered_stage_at == first.entered_stage_at
        assert later.entered_stage_at == later.updated_at > again.updated_at

    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("percent", "fifty", "percent is 'fifty', not a number from 0 to 100"),
            ("percent", 101, "percent is 101, not a number from 0 to 100"),
            ("percent", True, "percent is True, not a number from 0 to 100"),
            ("enabled", "yes", "enabled is 'yes', not true or false"),
            ("salt", DELETE_FIELD, "salt is None, not text"),
            ("hash_version", "1", "hash_version is '1', not a whole number above 0"),
            ("stage", 0, "stage is 0, not a whole number above 0 or nothing"),
            ("version", None, "version is None, not a whole number above 0"),
            ("updated_at", "now", "updated_at is 'now', not a time"),
            ("updated_by", 7, "updated_by is 7, not text"),
            ("reason", 7, "reason is 7, not text or nothing"),
        ],
    )
    def test_a_damaged_state_is_named_hides_no_other_and_can_be_written_again(
        self, documents: DocumentStore, store: FlagStore, field: str, value: Any, told: str
    ) -> None:
        store.change([to(10), to(10, key="other")], by="me", reason=None)
        documents.commit([Update("flags/fast", {field: value})])
        stored = store.read()
        assert set(stored.states) == {"other"}
        assert stored.unreadable == {"fast": f"flags/fast cannot be read: {told}"}
        with pytest.raises(DataError):
            store.get("fast")
        with pytest.raises(DataError):
            store.change([to(50, expected=1)], by="me", reason=None)
        [anew] = store.change([to(0, enabled=False)], by="me", reason=None)
        assert anew.version == 2
        assert store.get("fast") == anew

    def test_what_older_writers_left_out_is_read(self, documents: DocumentStore, store: FlagStore) -> None:
        [state] = store.change([to(10)], by="me", reason=None)
        fields = {k: v for k, v in asdict(state).items() if k not in ("stage", "reason", "entered_stage_at")}
        documents.commit([Set("flags/fast", fields)])
        assert store.get("fast") == state

    def test_a_deleted_state_goes_on_counting_where_its_history_ends(
        self, documents: DocumentStore, store: FlagStore
    ) -> None:
        for percent in (10, 20, 30):
            store.change([to(percent)], by="me", reason=None)
        documents.commit([Delete("flags/fast")])
        [anew] = store.change([to(50, expected=0)], by="me", reason=None)
        assert anew.version == 4
        with pytest.raises(PreconditionError, match="in the meantime"):
            store.change([to(60, expected=3)], by="me", reason=None)

    def test_more_flags_than_one_commit_holds(self, store: FlagStore) -> None:
        states = store.change([to(0, key=f"flag_{number}") for number in range(600)], by="me", reason=None)
        assert len(states) == len(store.read().states) == 600

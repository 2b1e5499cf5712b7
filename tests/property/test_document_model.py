"""The store against a dict: whatever is written in whatever order, both say the same."""

from __future__ import annotations

import copy
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.errors import AlreadyExistsError, NbactlError, NotFoundError, PreconditionError
from nbactl.ports.documents import (
    DELETE_FIELD,
    ArrayRemove,
    ArrayUnion,
    Create,
    Delete,
    Increment,
    Query,
    Set,
    Update,
    Write,
)
from nbactl.testing import FakeClock
from tests.kit.budget import budget
from tests.property.document_values import same

PATHS = st.sampled_from(["c/a", "c/b", "c/a/sub/a"])
SMALL = st.integers(-3, 3)
ITEMS = st.lists(SMALL | st.booleans(), max_size=3)
DATA = st.dictionaries(st.sampled_from(["n", "l", "m"]), SMALL | ITEMS | st.fixed_dictionaries({"x": SMALL}))
CHANGES: Any = st.one_of(
    SMALL,
    st.just(DELETE_FIELD),
    st.builds(Increment, SMALL),
    st.builds(ArrayUnion, ITEMS.map(tuple)),
    st.builds(ArrayRemove, ITEMS.map(tuple)),
)
FIELDS: Any = st.dictionaries(st.sampled_from(["n", "l", ("m", "x"), ("m", "y")]), CHANGES, min_size=1, max_size=3)


def changed(old: Any, change: Any) -> Any:
    items = old if isinstance(old, list) else []
    match change:
        case Increment():
            return (old if isinstance(old, int) and not isinstance(old, bool) else 0) + change.by
        case ArrayUnion():
            items = list(items)
            for value in change.values:
                if not any(same(value, item) for item in items):
                    items.append(value)
            return items
        case ArrayRemove():
            return [item for item in items if not any(same(value, item) for value in change.values)]
        case _:
            return change


def update(data: dict[str, Any], fields: dict[Any, Any]) -> None:
    for field, change in fields.items():
        *way, last = (field,) if isinstance(field, str) else field
        target = data
        for key in way:
            if not isinstance(target.get(key), dict):
                if change is DELETE_FIELD:
                    break
                target[key] = {}
            target = target[key]
        else:
            if change is DELETE_FIELD:
                target.pop(last, None)
            else:
                target[last] = changed(target.get(last), change)


class Model:
    """Documents in a dict, with the time of their last change."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, Any]] = {}
        self.times: dict[str, Any] = {}

    def commit(self, writes: list[Write]) -> dict[str, dict[str, Any]]:
        data = copy.deepcopy(self.data)
        touched: set[str] = set()
        for write in writes:
            expected = getattr(write, "if_updated_at", None)
            if isinstance(write, Create) and write.path in data:
                raise AlreadyExistsError(write.path)
            if write.path not in data and (
                isinstance(write, Update) or getattr(write, "must_exist", False) or expected
            ):
                raise NotFoundError(write.path)
            if expected and (write.path in touched or expected != self.times[write.path]):
                raise PreconditionError(write.path)
            touched.add(write.path)
            match write:
                case Delete():
                    data.pop(write.path, None)
                case Update():
                    update(data[write.path], dict(write.fields))
                case _:
                    data[write.path] = copy.deepcopy(dict(write.data))
        return data


class StoreAgainstDict(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.clock = FakeClock()
        self.folder = tempfile.TemporaryDirectory()
        self.store = self.opened()
        self.model = Model()

    def opened(self) -> SqliteDocuments:
        return SqliteDocuments(Path(self.folder.name) / "documents.db", clock=self.clock, busy_timeout=5.0)

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        # A time that was true when read, now and then one that is not.
        times = st.none() | st.sampled_from([*self.model.times.values(), self.clock.now() + timedelta(days=99)])
        write = st.one_of(
            st.builds(Create, PATHS, DATA),
            st.builds(Set, PATHS, DATA),
            st.builds(Update, PATHS, FIELDS, times),
            st.builds(Delete, PATHS, st.booleans(), times),
        )
        writes: list[Write] = data.draw(st.lists(write, min_size=1, max_size=4))
        expected: type[NbactlError] | None = None
        try:
            after = self.model.commit(writes)
        except NbactlError as error:
            expected = type(error)
        try:
            if data.draw(st.booleans(), label="in a transaction"):
                self.store.transaction(lambda transaction: transaction.write(*writes))
            else:
                self.store.commit(writes)
        except (AlreadyExistsError, NotFoundError, PreconditionError) as error:
            assert type(error) is expected, writes  # noqa: PT017 - both sides may fail, in the same way
            return
        assert expected is None, writes
        for path in {write.path for write in writes}:
            document = self.store.get(path)
            if document is None:
                self.model.times.pop(path, None)
                continue
            assert path not in self.model.times or document.update_time > self.model.times[path]
            self.model.times[path] = document.update_time
        self.model.data = after

    @rule(seconds=st.integers(-100, 100))
    def set_clock(self, seconds: int) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = self.opened()

    @invariant()
    def both_say_the_same(self) -> None:
        paths = ["c/a", "c/b", "c/a/sub/a"]
        found = {document.path: document.data for document in self.store.get_all(paths) if document}
        assert repr(sorted(found)) == repr(sorted(self.model.data))
        for path, data in found.items():
            assert same(data, self.model.data[path]), path
        assert list(self.store.list_ids("c")) == sorted(path[2:] for path in found if path.count("/") == 1)
        assert self.store.count(Query("c/a/sub")) == ("c/a/sub/a" in found)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = budget(60, steps=20)

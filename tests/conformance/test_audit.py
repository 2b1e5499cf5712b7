"""What the audit trail must do on every engine: no change without an entry, and none refused for want of one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support import faults
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.audit.entry import Change
from nbactl.core.audit.trail import AuditFilter, AuditTrail
from nbactl.errors import NotFoundError, UnavailableError
from nbactl.ports.documents import Set
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.audit.entry import AuditEntry
    from nbactl.ports.documents import DocumentStore

CHANGE = Change("flags.set", ("flags query_caching",), "second stage", arguments=("flags", "set"))


class Desk:
    """A trail whose store can be down."""

    def __init__(self, store: DocumentStore, folder: Path) -> None:
        self.clock = FakeClock()
        self.ids = TimeSortedIds(self.clock)
        self.folder = folder
        self.store = store
        self.down = False
        self.notices: list[str] = []
        self.trail = self.process()

    def process(self) -> AuditTrail:
        return AuditTrail(
            self._documents, self.folder, self.clock, self.ids, patience=lambda: 3.0, notice=self.notices.append
        )

    def _documents(self) -> DocumentStore:
        if self.down:
            raise UnavailableError("the store does not answer")
        return self.store

    def change(self, action: str = "flags.set", by: str = "ada@vm") -> str:
        self.clock.advance(1)
        entry = self.trail.begin(replace(CHANGE, action=action), by)
        self.trail.finish(entry, "done")
        return entry

    def ids_of(self, **wanted: object) -> list[str]:
        return [entry.entry_id for entry in self.trail.page(AuditFilter(**wanted)).entries]  # type: ignore[arg-type]

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*")) if self.folder.is_dir() else []


@pytest.fixture
def desk(store: DocumentStore, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path / "audit")


def test_an_entry_is_there_before_the_change_and_says_how_it_ended(desk: Desk) -> None:
    name = desk.trail.begin(CHANGE, "ada@vm")
    begun = desk.process().find(name)
    assert (begun.outcome, begun.finished_at, begun.by, begun.change) == ("started", None, "ada@vm", CHANGE)
    desk.clock.advance(2)
    desk.trail.finish(name, "failed", error="unavailable: no", undo="nbactl flags set", touches=("flags a", "flags b"))
    ended = desk.process().find(name)
    assert (ended.outcome, ended.error, ended.change.undo) == ("failed", "unavailable: no", "nbactl flags set")
    assert ended.change.touches == ("flags a", "flags b")
    assert ended.finished_at == begun.at + timedelta(seconds=2)
    assert desk.trail.find("last") == ended
    assert not desk.files


def test_an_entry_that_is_not_there_is_named(desk: Desk) -> None:
    for name in ("last", "audit-0", "a/b"):
        with pytest.raises(NotFoundError):
            desk.trail.find(name)


def test_inv_28_secrets_are_masked_before_they_are_kept(desk: Desk) -> None:
    change = Change("env.set", ("API_KEY=abcdef123",), "password=abcdef123", "x?key=abcdef123", ("token=abcdef123",))
    name = desk.trail.begin(change, "ada@vm")
    desk.trail.finish(name, "failed", error="Authorization: Bearer abcdef123")
    document = desk.store.get(f"audit/{name}")
    assert document is not None
    assert "abcdef123" not in json.dumps(document.data, default=str)
    desk.down = True
    name = desk.trail.begin(change, "ada@vm")
    assert "abcdef123" not in (desk.folder / f"{name}.json").read_text(encoding="utf-8")


def test_while_the_store_is_down_the_entry_is_a_file_that_the_next_change_brings_in(desk: Desk) -> None:
    desk.down = True
    name = desk.change("flags.rollback")
    assert desk.files == [f"{name}.json"]
    assert any("until the store answers" in notice for notice in desk.notices)
    desk.down = False
    page = desk.trail.page(AuditFilter(action="flags"))
    assert ([entry.entry_id for entry in page.entries], page.total, page.waiting) == ([name], 1, frozenset([name]))
    kept = desk.trail.find(name)
    after = desk.change()
    assert not desk.files
    assert desk.trail.find(name) == kept
    assert desk.ids_of() == [after, name]
    assert not desk.trail.page(AuditFilter()).waiting


def test_a_store_that_goes_down_or_comes_back_between_loses_no_end(desk: Desk) -> None:
    goes_down = desk.trail.begin(CHANGE, "ada@vm")
    desk.down = True
    desk.trail.finish(goes_down, "done")
    comes_back = desk.trail.begin(CHANGE, "ada@vm")
    desk.down = False
    desk.trail.finish(comes_back, "done")
    assert {entry.outcome for entry in desk.trail.page(AuditFilter()).entries} == {"done"}
    assert desk.files == [f"{goes_down}.json"]
    desk.process().bring_in()
    assert {desk.trail.find(name).outcome for name in (goes_down, comes_back)} == {"done"}
    assert not desk.files


def test_an_entry_that_was_brought_in_while_its_change_went_on_gets_its_end(desk: Desk) -> None:
    desk.down = True
    name = desk.trail.begin(CHANGE, "ada@vm")
    desk.down = False
    desk.process().bring_in()
    assert desk.trail.find(name).outcome == "started"
    desk.trail.finish(name, "done")
    assert desk.trail.find(name).outcome == "done"


def test_inv_20_a_kill_between_store_and_file_loses_and_doubles_nothing(desk: Desk) -> None:
    desk.down = True
    name = desk.change()
    desk.down = False
    faults.arm("audit.brought_in", _killed)
    try:
        with pytest.raises(KeyboardInterrupt):
            desk.process().bring_in()
    finally:
        faults.disarm_all()
    assert desk.files == [f"{name}.json"]
    assert desk.ids_of() == [name]
    desk.change()
    assert not desk.files
    assert desk.ids_of()[1:] == [name]


def _killed() -> None:
    raise KeyboardInterrupt


def test_a_list_is_filtered_and_says_how_many_there_are(desk: Desk) -> None:
    rollback, release = desk.change("flags.rollback"), desk.change("leases.release", by="bob@host")
    middle = desk.clock.now()
    mine, healed = desk.change(), desk.change("heal.outbox", by="heal")
    assert desk.ids_of() == [healed, mine, release, rollback]
    assert desk.ids_of(by="ada") == desk.ids_of(by="ada@vm") == [mine, rollback]
    assert desk.ids_of(by="heal") == [healed]
    assert desk.ids_of(action="flags") == [mine, rollback]
    assert desk.ids_of(action="flags.set") == [mine]
    assert desk.ids_of(since=middle) == [healed, mine, release]
    assert desk.ids_of(by="ada", action="flags", since=middle) == [mine]
    page = desk.trail.page(AuditFilter(limit=2))
    assert (_ids(page.entries), page.total) == ([healed, mine], 4)


def test_a_document_that_is_no_entry_hides_no_other(desk: Desk) -> None:
    name = desk.change()
    desk.store.commit([Set("audit/odd", {"at": desk.clock.now()}), Set("audit/odder", {"at": "noon"})])
    assert desk.ids_of() == [name]
    assert any("audit/odd is not an entry" in notice for notice in desk.notices)


def test_a_damaged_file_stops_no_change(desk: Desk) -> None:
    desk.folder.mkdir()
    (desk.folder / "audit-0.json").write_text("{")
    assert desk.ids_of() == []
    name = desk.change()
    assert desk.ids_of() == [name]
    assert any("cannot be read" in notice for notice in desk.notices)


def _ids(entries: tuple[AuditEntry, ...]) -> list[str]:
    return [entry.entry_id for entry in entries]

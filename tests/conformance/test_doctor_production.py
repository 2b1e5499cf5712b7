"""`nbactl doctor` compares what production reports with what is declared, on every document store."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.doctor import check_context
from nbactl.checks.doctor.production import hand_offs, reported_names
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.history import PROCESSOR_RUNS
from nbactl.testing import FakeClock
from tests.kit.production import PHASE3, RUN_HISTORY, finished_night, pending, phase_document, put, put_rows, run_row

if TYPE_CHECKING:
    from nbactl.checks.doctor.context import CheckContext, Finding
    from nbactl.ports.documents import DocumentStore
    from tests.kit.engines import Engine

TODAY = GameDate(date(2025, 1, 20))
NOON = datetime(2025, 1, 20, 17, tzinfo=UTC)


@dataclass
class Place:
    """A store with six finished nights, and doctor called on it."""

    engine: Engine
    store: DocumentStore
    folder: Path
    written: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def container(self) -> Container:
        target = "gcp" if self.engine.capabilities.emulator else "local"
        flags = {"target": target, "state_dir": self.engine.place, "source": "sample"}
        if target == "gcp":
            flags |= {"project": self.engine.place, "state_dir": str(self.folder)}
        environ = self.engine.environment()
        return Container(load_settings(flags, environ, Path.cwd()), clock=FakeClock(NOON), environ=environ)

    @property
    def context(self) -> CheckContext:
        return check_context(self.container)

    def put(self, path: str, data: dict[str, Any]) -> None:
        put(self.store, {path: data})

    def names(self) -> list[Finding]:
        """The findings about names; on gcp without the warning that there is no warehouse."""
        return [one for one in reported_names(self.context) if "run history was not read" not in one.message]


@pytest.fixture
def place(engine: Engine, store: DocumentStore, tmp_path: Path) -> Place:
    return Place(engine, store, tmp_path)


@pytest.fixture
def week(place: Place) -> Place:
    for days in range(1, 7):
        put(place.store, finished_night(str(TODAY.plus(-days))))
    return place


def test_inv_10_a_week_of_all_names_and_no_other_is_well(week: Place) -> None:
    (finding,) = week.names()
    assert (finding.status, finding.message) == (
        "ok", "all 15 expected names reported from 2025-01-14 to 2025-01-21, and no other",
    )  # fmt: skip


def test_inv_10_a_declared_name_that_nobody_sends_is_red(place: Place) -> None:
    """The first incident: a source that was switched off stayed in the expected set, and phase 3 did not start."""
    for days in range(1, 7):
        night = finished_night(str(TODAY.plus(-days)))
        for document in night.values():
            document.pop("p2_bigdataball_pbp", None)
        put(place.store, night)
    (finding,) = place.names()
    assert finding.status == "failed"
    assert finding.message == "phase2: expected, but not reported from 2025-01-14 to 2025-01-21: p2_bigdataball_pbp"
    assert finding.fix is not None
    assert "phases.phase2.expected" in finding.fix


def test_inv_10_a_reported_name_that_is_not_declared_is_red(week: Place) -> None:
    day = TODAY.plus(-2)
    week.put(f"phase3_completion/{day}", phase_document([*PHASE3, "player_shots"]))
    (finding,) = week.names()
    assert finding.status == "failed"
    assert finding.message == "phase3: reported, but not declared: player_shots"
    assert str(day) in (finding.cause or "")


@pytest.mark.parametrize(("days", "counts"), [(-7, False), (-6, True), (0, True), (1, True), (2, False)])
def test_the_last_seven_days_and_tomorrow_are_looked_at(week: Place, days: int, *, counts: bool) -> None:
    week.put(f"phase3_completion/{TODAY.plus(days)}", phase_document([*PHASE3, "other"]))
    assert (week.names()[0].status == "failed") is counts


def test_inv_24_where_nothing_was_reported_nothing_is_well(place: Place) -> None:
    assert {one.status for one in place.names()} == {"skipped"}
    assert {one.status for one in hand_offs(place.context)} == {"skipped"}


def test_the_run_history_counts_as_a_report_and_its_other_names_are_red(place: Place) -> None:
    if place.engine.capabilities.emulator:
        pytest.skip("the warehouse of target gcp is not the engine's")
    night = finished_night(str(TODAY.plus(-1)))
    del night[f"phase3_completion/{TODAY.plus(-1)}"]["player_game_summary"]
    put(place.store, night)
    assert [one.status for one in place.names()] == ["failed"]
    yesterday = str(TODAY.plus(-1))
    rows = [run_row("AsyncPlayerGameSummaryProcessor", day=yesterday, status="failed")]
    with place.container as app:
        put_rows(app.warehouse, PROCESSOR_RUNS, RUN_HISTORY, rows)
    assert [one.status for one in place.names()] == ["ok"]
    with place.container as app:
        put_rows(app.warehouse, PROCESSOR_RUNS, RUN_HISTORY, [run_row("SomebodyElse", day=yesterday)])
    (finding,) = place.names()
    assert finding.message == "run history: reported, but not declared: SomebodyElse"


def test_a_history_that_cannot_be_read_is_a_warning_beside_what_the_documents_say(week: Place) -> None:
    warning, rest = reported_names(week.context)
    assert (warning.status, rest.status) == ("warn", "ok")
    assert warning.message.startswith("the run history was not read")


def test_a_hand_off_that_stays_pending_is_red(week: Place) -> None:
    (finding,) = hand_offs(week.context)
    assert (finding.status, finding.message) == (
        "ok", "18 of 18 phases from 2025-01-14 to 2025-01-21 led on, none is pending",
    )  # fmt: skip
    day = TODAY.plus(-1)
    lost = {"_trigger_pending_at": NOON - timedelta(minutes=11)}
    week.put(f"phase4_completion/{day}", phase_document(PHASE3, **pending() | lost))
    (finding,) = hand_offs(week.context)
    assert (finding.status, finding.message) == ("failed", f"phase4 {day} is pending for 11m00s")
    week.put(f"phase4_completion/{day}", phase_document(PHASE3, **pending() | {"_trigger_pending_at": NOON}))
    assert [one.status for one in hand_offs(week.context)] == ["ok"]

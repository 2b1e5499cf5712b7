"""What processors record, and what PipelineVersions says of it afterwards."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.pipeline.aliases import Aliases
from nbactl.pipeline.recipes import recipe_of
from nbactl.pipeline.sources import open_source
from nbactl.pipeline.versions import PipelineVersions
from nbactl.ports.compute import Versions, Work
from nbactl.ports.warehouse import Rows
from nbactl.testing import FakeClock
from nbactl.warehouse.tables import declared_table
from tests.kit.pipeline import Pipeline
from tests.kit.warehouse import PHASE3, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from nbactl.ports.warehouse import PartitionVersion, Warehouse

DATASETS = ("schedule", "player_boxscores", "injuries", "odds_player_props", "referees")
RAW = ("raw.games", "raw.player_boxscores", "raw.injuries", "raw.odds", "raw.referees")
WORKS = {
    **{f"collect.{dataset}": Work("processor", "collect", {"dataset": dataset}) for dataset in DATASETS},
    **{name: Work("processor", name) for name in (*RAW, *TABLES)},
}
FIRST, SECOND, THIRD = (date(2024, 10, 22) + timedelta(days=n) for n in range(3))
GAMES = "nba_raw.games"


class Season(Pipeline):
    """The first dates of the sample, whose tasks all run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, open_source("sample", FakeClock()))
        self.folder = folder
        self.recorded: dict[tuple[str, date], Versions] = {}

    def go(self, *days: date) -> None:
        for day in days:
            for task, work in WORKS.items():
                self.do(task, day, work)

    def do(self, task: str, day: date, work: Work | None = None) -> None:
        work = work or WORKS[task]
        found = self.run(str(work.target), day, **work.parameters).versions
        assert found is not None
        self.recorded[task, day] = found

    def current(self, *days: date) -> Mapping[tuple[str, date], Versions]:
        return PipelineVersions(self.resources).current(WORKS, days)

    def stale(self, *days: date) -> dict[tuple[str, date], list[str]]:
        """Return what differs from what was recorded: names of reads, of writes that are gone or another."""
        found: dict[tuple[str, date], list[str]] = {}
        for key, now in self.current(*days).items():
            then = self.recorded[key]
            differs = [name for name, digest in now.reads.items() if then.reads.get(name) != digest]
            differs += [f"written {name}" for name, digest in then.writes.items() if now.writes.get(name) != digest]
            if then.code != now.code:
                differs.append("code")
            if differs:
                found[key] = differs
        return found


def copied(season: Season, folder: Path) -> Season:
    """Return a season that goes on from a closed one in a folder of its own."""
    copy = Season(shutil.copytree(season.folder, folder / "season"))
    copy.recorded = dict(season.recorded)
    return copy


@pytest.fixture(scope="module")
def first_date(tmp_path_factory: pytest.TempPathFactory) -> Season:
    """Return a season whose first date was run, closed."""
    season = Season(tmp_path_factory.mktemp("first"))
    season.go(FIRST)
    season.warehouse.close()
    return season


@pytest.fixture(scope="module")
def three_dates(first_date: Season, tmp_path_factory: pytest.TempPathFactory) -> Season:
    """Return a season whose first three dates were run, closed."""
    season = copied(first_date, tmp_path_factory.mktemp("three"))
    season.go(SECOND, THIRD)
    season.warehouse.close()
    return season


@pytest.fixture
def season(first_date: Season, tmp_path: Path) -> Iterator[Season]:
    """Yield a season of the test's own, whose first date was run."""
    season = copied(first_date, tmp_path)
    yield season
    season.warehouse.close()


@pytest.fixture
def longer(three_dates: Season, tmp_path: Path) -> Iterator[Season]:
    """Yield a season of the test's own, whose first three dates were run."""
    season = copied(three_dates, tmp_path)
    yield season
    season.warehouse.close()


def repaired(season: Season, day: date) -> None:
    """Give a player of the date another rebound, as a corrected file would."""
    row = season.rows("SELECT * FROM nba_raw.player_boxscores WHERE game_date = @day", day=day)
    row[0]["steals"] += 1
    rows = [tuple(each.values()) for each in row]
    season.warehouse.replace_partitions("nba_raw.player_boxscores", [day], Rows(tuple(row[0]), rows), timeout=30.0)


def test_what_was_run_is_what_would_be_read_and_is_there(longer: Season) -> None:
    assert longer.stale(FIRST, SECOND, THIRD) == {}
    assert len(longer.recorded) == 3 * len(WORKS)
    for (task, _), recorded in longer.recorded.items():
        assert recorded.reads, task
        assert recorded.writes, task


def test_doing_all_again_changes_nothing(season: Season) -> None:
    before = dict(season.recorded)
    season.go(FIRST)
    assert season.recorded == before


def test_a_repaired_date_is_seen_by_all_that_read_it_and_by_nothing_else(longer: Season) -> None:
    repaired(longer, SECOND)
    box = "nba_raw.player_boxscores"
    found = longer.stale(FIRST, SECOND, THIRD)
    assert found.pop(("raw.player_boxscores", SECOND)) == [f"written {box}"]
    recipes = {table: recipe_of(WORKS[table], declared_table) for table in TABLES}
    with_history = {table for table, recipe in recipes.items() if recipe is not None and box in recipe.tables}
    team = {"nba_analytics.team_offense_game_summary", "nba_analytics.team_defense_game_summary"}
    game_night = {*team, "nba_analytics.player_game_summary"}
    assert found == {
        **{(table, SECOND): [box] for table in game_night},
        **{(table, THIRD): [box] for table in with_history - team},
    }


def test_a_recomputation_with_the_same_result_stops_there(season: Season) -> None:
    before = season.recorded["raw.games", FIRST].writes
    season.do("raw.games", FIRST)
    assert season.recorded["raw.games", FIRST].writes == before
    assert season.stale(FIRST) == {}


def test_a_lost_warehouse_loses_what_was_written(season: Season) -> None:
    season.warehouse.close()
    for file in season.folder.glob("warehouse.duckdb*"):
        file.unlink()
    again = Season(season.folder)
    again.recorded = season.recorded
    lost = again.stale(FIRST)
    assert {task for task, _ in lost} == {*RAW, *TABLES}
    assert all(f"written {name}" in lost[name, FIRST] for name in TABLES)
    assert not list(season.folder.glob("warehouse.duckdb*"))
    again.warehouse.close()


def test_a_lost_or_changed_raw_file_is_seen(season: Season) -> None:
    season.raw.path("schedule", FIRST).unlink()
    readers = {"raw.games", "raw.player_boxscores", "raw.odds", "raw.referees"}
    expected = {(name, FIRST): ["raw:schedule"] for name in readers}
    assert season.stale(FIRST) == {**expected, ("collect.schedule", FIRST): ["written raw:schedule"]}
    season.raw.path("schedule", FIRST).write_bytes(b"\xff not a header")
    assert season.stale(FIRST) == {**expected, ("collect.schedule", FIRST): ["written raw:schedule"]}
    season.do("collect.schedule", FIRST)
    assert season.stale(FIRST) == {}


def test_an_alias_is_seen_by_those_that_name_players(season: Season) -> None:
    season.resources = replace(season.resources, aliases=lambda: Aliases({("bobsample", ""): "robertsample"}))
    names = ("raw.player_boxscores", "raw.injuries", "raw.odds")
    assert season.stale(FIRST) == {(name, FIRST): ["aliases"] for name in names}


def test_an_empty_partition_is_for_readers_as_good_as_none(season: Season) -> None:
    off = FIRST - timedelta(days=3)
    season.collect_records(off, [], [])
    season.do("raw.games", off)
    assert season.recorded["raw.games", off].writes[GAMES].startswith("0-")
    assert season.stale(FIRST) == {}


def test_other_parameters_are_other_code(season: Season) -> None:
    given = WORKS | {"raw.games": Work("processor", "raw.games", {"limit": 3})}
    now = PipelineVersions(season.resources).current(given, [FIRST])
    changed = [task for (task, day), found in now.items() if found.code != season.recorded[task, day].code]
    assert changed == ["raw.games"]


def test_a_task_that_cannot_say_what_it_reads_is_left_out(season: Season) -> None:
    works = {"a": Work("command", ("true",)), "b": Work("processor", "unheard.of"), "raw.games": WORKS["raw.games"]}
    assert set(PipelineVersions(season.resources).current(works, [FIRST])) == {("raw.games", FIRST)}
    assert PipelineVersions(season.resources).current(works, []) == {}
    assert PipelineVersions(season.resources).current({}, [FIRST]) == {}


@pytest.mark.parametrize("day", [date.min, date.max])
def test_the_ends_of_the_calendar_are_dates_like_others(season: Season, day: date) -> None:
    assert len(season.current(day)) == len(WORKS)
    assert season.current(date.min, date.max)


class Counted:
    """A warehouse that counts how often it is asked for versions."""

    def __init__(self, inner: Warehouse) -> None:
        self.inner, self.asked = inner, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def versions(self, *arguments: Any, **options: Any) -> Mapping[tuple[str, date], PartitionVersion]:
        self.asked += 1
        return self.inner.versions(*arguments, **options)


def test_a_range_is_one_question_to_the_warehouse(season: Season) -> None:
    counted = Counted(season.warehouse)
    resources = replace(season.resources, warehouse=lambda: counted)
    days = [FIRST + timedelta(days=n) for n in range(150)]
    assert len(PipelineVersions(resources).current(WORKS, days)) == 150 * len(WORKS)
    assert counted.asked == 1


def test_what_changed_is_named_oldest_partition_first(longer: Season) -> None:
    then = longer.warehouse._clock.now()
    assert isinstance(longer.warehouse._clock, FakeClock)
    longer.warehouse._clock.advance(60.0)
    for day in (SECOND, FIRST):
        repaired(longer, day)

    def changed(task: str, day: date, since: datetime) -> Sequence[str]:
        return PipelineVersions(longer.resources).changed(WORKS[task], day, since)

    both = [f"nba_raw.player_boxscores {day}" for day in (FIRST, SECOND)]
    assert changed(PHASE3[3], THIRD, then) == both
    assert changed(PHASE3[3], SECOND, then) == both[:1]
    assert changed(PHASE3[0], THIRD, then) == []
    assert changed(PHASE3[3], THIRD, longer.warehouse._clock.now()) == []
    assert changed("raw.games", THIRD, datetime(2000, 1, 1, tzinfo=UTC)) == []
    assert PipelineVersions(longer.resources).changed(Work("command", ("ls",)), THIRD, then) == ()

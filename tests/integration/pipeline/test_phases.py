from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest

from nbactl.errors import ConfigError, DataError, NotFoundError, PreconditionError, StaleFenceError
from nbactl.pipeline import registry
from nbactl.pipeline.sources.base import Dataset, RawRecord
from tests.kit.pipeline import Pipeline, pipeline
from tests.kit.records import DAY, game, game_payload, log, log_payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = date(2024, 10, 22)
THIRD = date(2024, 10, 24)
OFF_DAY = date(2024, 11, 28)

GAMES = "SELECT * FROM nba_raw.games WHERE game_date = @day ORDER BY game_id"
PLAYERS = "SELECT * FROM nba_raw.player_boxscores WHERE game_date = @day ORDER BY game_id, player_lookup"
BAD = "SELECT reason, origin, payload FROM nba_raw.player_boxscores_quarantine WHERE game_date = @day ORDER BY origin"


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Pipeline]:
    yield from pipeline(tmp_path, "sample")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "games.csv").write_text(_csv(game_payload()))
    (folder / "logs.csv").write_text(_csv(log_payload(), log_payload(PLAYER_NAME="Clint Capela", PTS="-1")))
    return folder


@pytest.fixture
def real(tmp_path: Path, files: Path) -> Iterator[Pipeline]:
    yield from pipeline(tmp_path, f"path:{files}")


def _csv(*rows: dict[str, Any]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n"


def test_the_sample_season_goes_through_phases_1_and_2_whole(sample: Pipeline) -> None:
    sample.collect(THIRD, *get_args(Dataset))
    outcomes = {
        name: sample.run(f"raw.{name}", THIRD) for name in ("player_boxscores", "games", "injuries", "odds", "referees")
    }
    for name, outcome in outcomes.items():
        assert outcome.rows, name
        assert outcome.detail["quarantined"] == 0, name
        assert outcome.detail["earlier_dates"] == 2, name
    sides = sample.rows(
        "SELECT b.team_abbr, SUM(b.points) AS points, MAX(IF(b.home_game, g.home_points, g.away_points)) AS score "
        "FROM nba_raw.player_boxscores AS b JOIN nba_raw.games AS g ON g.game_id = b.game_id AND g.game_date = @day "
        "WHERE b.game_date = @day GROUP BY b.team_abbr",
        day=THIRD,
    )
    assert sides
    assert all(side["points"] == side["score"] for side in sides)


def test_a_second_run_changes_nothing(sample: Pipeline) -> None:
    sample.collect(THIRD)
    sample.run("raw.player_boxscores", THIRD)
    before = sample.rows(PLAYERS, day=THIRD)
    outcome = sample.run("raw.player_boxscores", THIRD, token=2)
    assert sample.rows(PLAYERS, day=THIRD) == before
    assert "earlier_dates" not in outcome.detail


def test_dates_done_in_any_order_give_the_same_tables(sample: Pipeline, tmp_path: Path) -> None:
    days = sample.source.game_dates(FIRST, FIRST + timedelta(days=4))
    for day in days:
        sample.collect(day)
        sample.run("raw.player_boxscores", day)
    for other in pipeline(tmp_path / "other", "sample"):
        other.collect(days[-1])
        other.run("raw.player_boxscores", days[-1])
        for day in days:
            assert other.rows(PLAYERS, day=day) == sample.rows(PLAYERS, day=day)


def test_two_players_of_one_name_have_two_lookups(sample: Pipeline) -> None:
    day = sample.source.latest()
    sample.collect(day)
    sample.run("raw.player_boxscores", day)
    found = sample.rows(
        "SELECT player_lookup, ANY_VALUE(player_name) AS name FROM nba_raw.player_boxscores "
        "WHERE game_date BETWEEN '2024-10-22' AND '2025-01-07' GROUP BY player_lookup"
    )
    names = [row["name"] for row in found]
    (shared,) = {name for name in names if names.count(name) == 2}
    first, second = sorted(row["player_lookup"] for row in found if row["name"] == shared)
    assert second in (f"{first}atl", f"{first}was")


def test_a_date_without_games_says_so(sample: Pipeline) -> None:
    sample.collect(OFF_DAY)
    for name in ("raw.games", "raw.player_boxscores"):
        outcome = sample.run(name, OFF_DAY)
        assert outcome.rows == 0
        assert outcome.detail["reason"] == f"no games on {OFF_DAY}"


def test_a_coming_date_has_games_and_no_players(sample: Pipeline) -> None:
    day = sample.source.latest() + timedelta(days=2)
    sample.collect(day)
    assert sample.run("raw.games", day).rows
    outcome = sample.run("raw.player_boxscores", day)
    assert outcome.rows == 0
    assert "none is over" in outcome.detail["reason"]
    assert {row["game_status"] for row in sample.rows(GAMES, day=day)} == {"scheduled"}


def test_inv_15_finished_games_without_players_are_no_success(sample: Pipeline) -> None:
    sample.collect_records(DAY, [game()], [])
    with pytest.raises(DataError, match="no player is in a box score") as caught:
        sample.run("raw.player_boxscores", DAY)
    assert "--force" in str(caught.value.next_step)


def test_inv_15_an_empty_schedule_of_a_date_that_the_calendar_has_is_no_success(sample: Pipeline) -> None:
    sample.source = _Given(sample, [])
    with pytest.raises(DataError, match="though its calendar has some"):
        sample.run("collect", FIRST, dataset="schedule")
    assert sample.run("collect", OFF_DAY, dataset="schedule").rows == 0


def test_inv_15_games_that_are_over_without_box_scores_are_no_success_in_phase_1(sample: Pipeline) -> None:
    sample.source = _Given(sample, [game()])
    with pytest.raises(DataError, match=f"gave no box scores of {DAY}") as caught:
        sample.run("collect", DAY, dataset="player_boxscores")
    assert caught.value.cause == "1 of 1 games are over."


@pytest.mark.parametrize("day", [FIRST - timedelta(days=1), date(2025, 1, 15)])
def test_inv_15_a_date_outside_of_what_the_source_knows_is_no_day_without_games(sample: Pipeline, day: date) -> None:
    with pytest.raises(DataError, match="its games are from 2024-10-22 to 2025-01-14"):
        sample.run("collect", day, dataset="schedule")


def test_phase_2_without_phase_1_is_refused(sample: Pipeline) -> None:
    with pytest.raises(PreconditionError, match="no raw schedule"):
        sample.run("raw.games", THIRD)


def test_what_a_source_does_not_have_is_no_data_with_a_reason(real: Pipeline, files: Path) -> None:
    outcome = real.run("collect", DAY, dataset="injuries")
    assert outcome.rows == 0
    assert outcome.detail["reason"] == f"path:{files} has no injuries"
    assert real.run("raw.injuries", DAY).rows == 0


def test_a_misspelt_dataset_is_refused_with_a_suggestion(sample: Pipeline) -> None:
    with pytest.raises(ConfigError) as caught:
        sample.run("collect", THIRD, dataset="player_boxscore")
    assert caught.value.next_step == "Did you mean 'player_boxscores'?"


def test_a_misspelt_processor_is_refused_with_a_suggestion() -> None:
    with pytest.raises(NotFoundError) as caught:
        registry.load("raw.game")
    assert caught.value.next_step == "Did you mean 'raw.games'?"


@pytest.mark.parametrize("name", registry.PROCESSORS)
def test_every_registered_processor_can_be_loaded(name: str) -> None:
    assert callable(registry.load(name))


def test_an_unfit_record_is_in_quarantine_with_reason_origin_and_payload(real: Pipeline) -> None:
    real.collect(DAY)
    outcome = real.run("raw.player_boxscores", DAY)
    assert (outcome.rows, outcome.detail["quarantined"]) == (1, 1)
    assert outcome.detail["reasons"] == {"negative_value": 1}
    (bad,) = real.rows(BAD, day=DAY)
    assert (bad["reason"], bad["origin"]) == ("negative_value", "logs.csv:3")
    assert "Clint Capela" in str(bad["payload"])


def test_quarantine_is_emptied_when_the_record_was_put_right(real: Pipeline, files: Path, tmp_path: Path) -> None:
    real.collect(DAY)
    real.run("raw.player_boxscores", DAY)
    (files / "logs.csv").write_text(_csv(log_payload()))
    real.warehouse.close()
    for again in pipeline(tmp_path, f"path:{files}"):
        again.collect(DAY)
        assert again.run("raw.player_boxscores", DAY).detail["quarantined"] == 0
        assert again.rows(BAD, day=DAY) == []


def test_a_date_of_which_nothing_is_fit_fails_and_keeps_the_evidence(sample: Pipeline) -> None:
    sample.collect_records(DAY, [game()], [log(7, PTS="-1")])
    with pytest.raises(DataError, match="none of 1 records") as caught:
        sample.run("raw.player_boxscores", DAY)
    assert "logs.csv:7" in str(caught.value.cause)
    assert [bad["origin"] for bad in sample.rows(BAD, day=DAY)] == ["logs.csv:7"]


def test_a_broken_file_leaves_what_was_collected_and_written_before(
    real: Pipeline, files: Path, tmp_path: Path
) -> None:
    real.collect(DAY)
    real.run("raw.player_boxscores", DAY)
    raw, rows = real.raw.read("player_boxscores", DAY), real.rows(PLAYERS, day=DAY)
    text = (files / "logs.csv").read_text()
    (files / "logs.csv").write_text(text[: len(text) - 30])
    real.warehouse.close()
    for again in pipeline(tmp_path, f"path:{files}"):
        with pytest.raises(DataError, match=r"logs\.csv:3"):
            again.collect(DAY)
        assert again.raw.read("player_boxscores", DAY) == raw
        assert again.rows(PLAYERS, day=DAY) == rows


def test_inv_12_a_stale_run_does_not_overwrite_a_later_one(sample: Pipeline) -> None:
    sample.collect(FIRST)
    sample.run("raw.games", FIRST, token=5)
    with pytest.raises(StaleFenceError):
        sample.run("raw.games", FIRST, token=4)


def test_a_run_of_a_later_date_does_not_bar_an_earlier_one_that_started_before_it(sample: Pipeline) -> None:
    sample.run("collect", THIRD, dataset="schedule", token=9)
    sample.run("raw.games", THIRD, token=9)
    sample.run("collect", FIRST, dataset="schedule", token=3)
    assert sample.run("raw.games", FIRST, token=3).rows == 2


def test_a_damaged_raw_file_is_refused_and_the_table_stays(sample: Pipeline) -> None:
    sample.collect(FIRST)
    sample.run("raw.player_boxscores", FIRST)
    before = sample.rows(PLAYERS, day=FIRST)
    path = sample.raw.path("player_boxscores", FIRST)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is damaged"):
        sample.run("raw.player_boxscores", FIRST)
    assert sample.rows(PLAYERS, day=FIRST) == before


def test_a_prop_on_a_player_who_is_not_in_the_game_is_quarantined(sample: Pipeline) -> None:
    sample.collect(FIRST, "schedule", "odds_player_props")
    (first, *rest) = sample.raw.read("odds_player_props", FIRST)
    spoilt = RawRecord(first.dataset, FIRST, first.shape, first.origin, {**first.payload, "team": "UTA"})
    sample.raw.path("odds_player_props", FIRST).unlink()
    sample.source = _Given(sample, [spoilt, *rest])
    sample.run("collect", FIRST, dataset="odds_player_props")
    outcome = sample.run("raw.odds", FIRST)
    assert outcome.rows == len(rest)
    assert outcome.detail["reasons"] == {"team_not_in_game": 1}


class _Given:
    """The sample with other records for one date."""

    has_history = False
    notes: tuple[str, ...] = ()

    def __init__(self, sample: Pipeline, records: list[RawRecord]) -> None:
        self._source, self._records = sample.source, records
        self.name, self.key = sample.source.name, sample.source.key
        self.datasets, self.latest, self.game_dates, self.versions = (
            self._source.datasets,
            self._source.latest,
            self._source.game_dates,
            self._source.versions,
        )

    def collect(self, dataset: Dataset, _days: object) -> Iterator[RawRecord]:
        return (record for record in self._records if record.dataset == dataset)

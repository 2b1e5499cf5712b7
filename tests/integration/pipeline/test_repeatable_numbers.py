"""The numbers of phases 3 and 4 have the same bits however they are computed."""

from __future__ import annotations

import os
from datetime import date, timedelta
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from nbactl.adapters.duckdb import file as warehouse_file
from nbactl.pipeline.statements import date_parameters, table_sql
from nbactl.ports.warehouse import Rows, Select
from nbactl.warehouse.tables import ensure_tables, load_tables
from tests.kit.warehouse import TABLES, Lab

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

THOROUGH = os.environ.get("NBACTL_STRESS") == "1"
pytestmark = pytest.mark.timeout(3600 if THOROUGH else 300)
RAW = ("nba_raw.games", "nba_raw.player_boxscores")
LAST = date(2025, 4, 13) if THOROUGH else date(2024, 12, 8)
SEASON = date(2024, 10, 1)
TIMEOUT = 120.0
ROW_GROUP = 122_880
"""Rows that DuckDB stores and scans together: any number of threads reads a table of one such group in one order."""


@pytest.fixture
def many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(warehouse_file._SETTINGS, "threads", 8)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(warehouse_file._SETTINGS, "threads", 1)


Raw: TypeAlias = dict[str, list[tuple[Any, ...]]]
"""The rows of the raw tables, with all columns in the order of their declaration."""


COLUMNS = {table: tuple(column.name for column in load_tables()[table].columns) for table in RAW}
DAY = {table: columns.index("game_date") for table, columns in COLUMNS.items()}


@pytest.fixture(scope="module")
def season(nba_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Raw:
    """Return the rows of the raw tables at the end of a real season."""
    lab = Lab(tmp_path_factory.mktemp("source"), f"path:{nba_data}")
    lab.collect(LAST)
    for table in RAW:
        lab.run(table.removeprefix("nba_"), LAST)
    wanted = "SELECT {} FROM {} WHERE game_date <= @day"
    found = {table: wanted.format(", ".join(COLUMNS[table]), table) for table in RAW}
    rows = {table: lab.warehouse.query(sql, {"day": LAST}, timeout=TIMEOUT).rows for table, sql in found.items()}
    lab.warehouse.close()
    return {table: list(of_table) for table, of_table in rows.items()}


@pytest.fixture(scope="module")
def by_day(season: Raw, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the digests of a season that grew to each date and was computed there, day by day, on one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(warehouse_file._SETTINGS, "threads", 1)
        lab = new_lab(tmp_path_factory.mktemp("day"))
        before = date.min
        for day in dates(season):
            put(lab, season, [other for other in days_of(season) if before < other <= day])
            lab.compute(day)
            before = day
    return digests(lab)


@pytest.mark.usefixtures("many_threads")
def test_a_season_by_month_has_the_bits_of_one_by_day(season: Raw, by_day: dict[str, Any], tmp_path: Path) -> None:
    lab = new_lab(tmp_path)
    chosen = dates(season)
    for _, month in groupby(days_of(season), key=lambda day: (day.year, day.month)):
        days = list(month)
        put(lab, season, days, Random(1))
        compute_in_one_statement(lab, [day for day in days if day in chosen])
    assert digests(lab) == by_day


@pytest.mark.usefixtures("many_threads")
def test_a_season_at_once_has_the_bits_of_one_by_day(season: Raw, by_day: dict[str, Any], tmp_path: Path) -> None:
    lab = new_lab(tmp_path)
    put(lab, season, days_of(season), Random(2))
    middle = days_of(season)[-60]
    put(lab, season, [middle], Random(3))
    for day in reversed(dates(season)):
        lab.compute(day)
    assert digests(lab) == by_day


@pytest.fixture(scope="module")
def league() -> Raw:
    """Return a season of a made-up league so large that its box scores fill more than one row group."""
    random = Random(5)
    days = [SEASON + timedelta(days=2 * number) for number in range(82)]
    teams = [f"T{number:03}" for number in range(140)]
    boxes = [box(random) for _ in range(500)]
    points = [sum(player["points"] for player in players) for players in boxes]
    rows: Raw = {table: [] for table in RAW}
    for day in days:
        random.shuffle(teams)
        for home, away in zip(teams[::2], teams[1::2], strict=True):
            facts = {"game_id": f"{day:%Y%m%d}-{away}-{home}", "game_date": day, "source": "test"}
            of_home, of_away = (random.randrange(len(boxes)) for _ in range(2))
            rows[RAW[0]].append(in_order(RAW[0], game(facts, home, away, (points[of_home], points[of_away]))))
            for team, opponent, number in ((home, away, of_home), (away, home, of_away)):
                sides = {**facts, "team_abbr": team, "opponent_team_abbr": opponent, "home_game": team == home}
                rows[RAW[1]] += [
                    in_order(RAW[1], {**sides, **player, "player_lookup": f"{team}{place}", "player_name": team})
                    for place, player in enumerate(boxes[number])
                ]
    assert len(rows[RAW[1]]) > ROW_GROUP
    return rows


def in_order(table: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(map(row.get, COLUMNS[table]))


def box(random: Random) -> list[dict[str, Any]]:
    """Return the lines of eleven players who share 240 minutes."""
    cuts = sorted(random.sample(range(1, 14_400), 10))
    seconds = [end - start for start, end in zip([0, *cuts], [*cuts, 14_400], strict=True)]
    return [{**line(random), "minutes": played / 60} for played in seconds]


def line(random: Random) -> dict[str, int]:
    fg, three, ft = (random.randint(0, most) for most in (9, 4, 7))
    return {
        "points": 2 * fg + 3 * three + ft,
        "rebounds": 7,
        "offensive_rebounds": random.randint(0, 4),
        "defensive_rebounds": 3,
        **{name: random.randint(0, 6) for name in ("assists", "steals", "blocks", "turnovers", "personal_fouls")},
        "fg_made": fg + three,
        "fg_attempted": fg + three + random.randint(0, 9),
        "three_made": three,
        "three_attempted": three + random.randint(0, 0 if fg else 5),
        "ft_made": ft,
        "ft_attempted": ft + random.randint(0, 3),
    }


def game(facts: dict[str, Any], home: str, away: str, points: tuple[int, int]) -> dict[str, Any]:
    return {
        **facts,
        "season": "2024-25",
        "season_type": "regular",
        "home_team_abbr": home,
        "away_team_abbr": away,
        "home_points": points[0],
        "away_points": points[1],
        "game_status": "final",
    }


@pytest.fixture(scope="module")
def on_one_thread(league: Raw, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(warehouse_file._SETTINGS, "threads", 1)
        return digests(compute_last(new_lab(tmp_path_factory.mktemp("one")), league, None))


@pytest.mark.usefixtures("many_threads")
def test_tables_of_many_row_groups_give_the_same_bits_in_another_order_on_many_threads(
    league: Raw, on_one_thread: dict[str, Any], tmp_path: Path
) -> None:
    lab = compute_last(new_lab(tmp_path), league, Random(1))
    assert digests(lab) == on_one_thread


def test_the_digest_sees_the_last_bit_of_a_number(tmp_path: Path) -> None:
    import duckdb

    found = set()
    for number, value in enumerate((0.1 + 0.2, 0.3)):
        with duckdb.connect(tmp_path / f"{number}.duckdb") as connection:
            connection.execute("CREATE TABLE t AS SELECT CAST(? AS DOUBLE) AS x", [value])
            found.add(connection.execute(DIGEST.format("t")).fetchone())
    assert len(found) == 2


DIGEST = "SELECT COUNT(*), SUM(md5_number_lower(CAST(to_json(t) AS VARCHAR))) FROM {} AS t"


def digests(lab: Lab) -> dict[str, Any]:
    """Close the warehouse and return the number of rows and a digest of the values of each table."""
    import duckdb

    path = lab.warehouse._file._path
    lab.warehouse.close()
    with duckdb.connect(path, read_only=True) as connection:
        found = {table: connection.execute(DIGEST.format(quoted(table))).fetchone() for table in TABLES}
    assert all(row is not None and row[0] for row in found.values())
    return found


def quoted(table: str) -> str:
    return ".".join(f'"{part}"' for part in table.split("."))


def new_lab(folder: Path) -> Lab:
    lab = Lab(folder)
    ensure_tables(lab.warehouse, (*RAW, "nba_raw.injuries", *TABLES))
    return lab


def days_of(raw: Raw) -> list[date]:
    return sorted({row[DAY[RAW[0]]] for row in raw[RAW[0]]})


def dates(raw: Raw) -> list[date]:
    """Return the dates that are computed."""
    season = [day for day in days_of(raw) if day >= SEASON]
    if THOROUGH:
        return season
    # Two dates of one month.
    return season[-2:]


def put(lab: Lab, raw: Raw, days: Iterable[date], random: Random | None = None) -> None:
    """Replace the raw partitions of `days`, the rows in the order of the source or in a random one."""
    wanted = set(days)
    for table in RAW:
        rows = [row for row in raw[table] if row[DAY[table]] in wanted]
        if random is not None:
            random.shuffle(rows)
        lab.warehouse.replace_partitions(table, sorted(wanted), Rows(COLUMNS[table], rows), timeout=TIMEOUT)


def compute_in_one_statement(lab: Lab, days: Sequence[date]) -> None:
    for table in TABLES if days else ():
        source = Select(table_sql(table), date_parameters(days))
        lab.warehouse.replace_partitions(table, days, source, timeout=TIMEOUT)


def compute_last(lab: Lab, raw: Raw, random: Random | None) -> Lab:
    days = days_of(raw)
    put(lab, raw, days, random)
    lab.compute(days[-1])
    return lab

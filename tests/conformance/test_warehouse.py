"""What every Warehouse must do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from nbactl.errors import DataError, NotFoundError, StaleFenceError
from nbactl.ports.warehouse import Column, Rows, Select, TableSchema
from tests.conformance.bigquery_answers import ANSWERS, ERROR, PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.warehouse import Warehouse

D1, D2, D3 = date(2024, 1, 15), date(2024, 1, 16), date(2024, 1, 17)
TIMEOUT = 20.0
GAMES = TableSchema(
    "nba_test.games",
    (
        Column("game_id", "STRING", required=True, description="League id."),
        Column("game_date", "DATE", required=True),
        Column("points", "INT64"),
        Column("pace", "FLOAT64"),
        Column("final", "BOOL"),
        Column("tipoff_at", "TIMESTAMP"),
        Column("payload", "JSON"),
        Column("rating", "NUMERIC"),
    ),
    partition_by="game_date",
    cluster_by=("game_id",),
    description="One row per game.",
)
KEYS = ("game_id", "game_date")


MAKE = """
CREATE TABLE nba_test.made (d DATE NOT NULL OPTIONS(description='The day.'), a INT64, s STRING)
PARTITION BY d CLUSTER BY a, s OPTIONS(description='Made by hand.', require_partition_filter=TRUE)"""


MISFITS: list[tuple[Rows | Select, str]] = [
    (Rows((*KEYS, "nope"), [("a", D1, 1)]), "nope"),
    (Rows((*KEYS, "pionts"), [("a", D1, 1)]), "pionts"),
    (Rows(("game_date",), [(D1,)]), "game_id"),
    (Rows(("game_id",), [("a",)]), "game_date"),
    (Rows(("game_id", "game_id", "game_date"), [("a", "b", D1)]), "game_id"),
    (Rows(KEYS, [("a", D2)]), "2024-01-16"),
    (Rows(KEYS, [("a", D1), ("b", None)]), "game_date"),
    (Rows(KEYS, [(None, D1)]), "game_id"),
    (Rows(KEYS, [(1, D1)]), "game_id"),
    (Rows(KEYS, [("a", "2024-01-15")]), "game_date"),
    (Rows(KEYS, [("a", datetime(2024, 1, 15, tzinfo=UTC))]), "game_date"),
    (Rows(KEYS, [("a", D1, 1)]), "3 values"),
    (Rows((*KEYS, "points"), [("a", D1, 1.5)]), "points"),
    (Rows((*KEYS, "points"), [("a", D1, True)]), "points"),
    (Rows((*KEYS, "points"), [("a", D1, 2**63)]), "points"),
    (Rows((*KEYS, "points"), [("a", D1, "7")]), "points"),
    (Rows((*KEYS, "pace"), [("a", D1, "7")]), "pace"),
    (Rows((*KEYS, "final"), [("a", D1, 1)]), "final"),
    (Rows((*KEYS, "tipoff_at"), [("a", D1, datetime(2024, 1, 15))]), "tipoff_at"),  # noqa: DTZ001
    (Rows((*KEYS, "payload"), [("a", D1, "{")]), "payload"),
    (Rows((*KEYS, "payload"), [("a", D1, {"a": {1}})]), "payload"),
    (Rows((*KEYS, "rating"), [("a", D1, 1.5)]), "rating"),
    (Rows((*KEYS, "rating"), [("a", D1, Decimal("1E29"))]), "rating"),
    (Rows((*KEYS, "rating"), [("a", D1, Decimal("1E-10"))]), "rating"),
    (Rows((*KEYS, "rating"), [("a", D1, Decimal("NaN"))]), "rating"),
    (Select("SELECT 'a' AS game_id, DATE '2024-01-16' AS game_date"), "2024-01-16"),
    (Select("SELECT 'a' AS game_id, CAST(NULL AS DATE) AS game_date"), "game_date"),
    (Select("SELECT CAST(NULL AS STRING) AS game_id, DATE '2024-01-15' AS game_date"), "game_id"),
    (Select("SELECT NULL AS game_id, DATE '2024-01-15' AS game_date"), "game_id"),
    (Select("SELECT 'a' AS game_id"), "game_date"),
    (Select("SELECT 'a' AS game_id, DATE '2024-01-15' AS game_date, 1 AS nope"), "nope"),
    (Select("SELECT 'a' AS game_id, DATE '2024-01-15' AS game_date, 1.5 AS points"), "points"),
    (Select("SELECT 'a' AS game_id, DATE '2024-01-15' AS game_date, '1' AS points"), "points"),
    (Select("SELECT 'a' AS game_id, '2024-01-15' AS game_date"), "game_date"),
]
"""Rows that do not fit GAMES on D1, and what the refusal names."""


class HeldFence:
    """A fence that holds, or that was revoked."""

    def __init__(self, token: int, holder: str = "run-1", *, revoked: bool = False) -> None:
        self.token = token
        self.holder = holder
        self.revoked = revoked

    def guard(self, commit: Callable[[], None]) -> None:
        if self.revoked:
            raise StaleFenceError("the fence was revoked")
        commit()


class TestWarehouse:
    @pytest.fixture(autouse=True)
    def _games(self, warehouse: Warehouse) -> None:
        warehouse.create_table(GAMES)

    @staticmethod
    def put(warehouse: Warehouse, *rows: tuple[Any, ...], days: tuple[date, ...] = (D1,), fence: Any = None) -> int:
        return warehouse.replace_partitions(GAMES.name, days, Rows(KEYS, rows), fence=fence, timeout=TIMEOUT).rows

    @staticmethod
    def replace(warehouse: Warehouse, source: Rows | Select) -> None:
        warehouse.replace_partitions(GAMES.name, [D1], source, timeout=TIMEOUT)

    @staticmethod
    def ids(warehouse: Warehouse) -> list[tuple[Any, ...]]:
        sql = "SELECT game_id, game_date FROM nba_test.games ORDER BY game_date, game_id"
        return warehouse.query(sql, timeout=TIMEOUT).rows

    @pytest.mark.variants
    def test_values_come_back_as_they_went_in(self, warehouse: Warehouse) -> None:
        tipoff = datetime(2024, 1, 15, 19, 30, 0, 123456, tzinfo=UTC)
        row = ("g1", D1, 101, 98.5, True, tipoff, '{"a": [1, null]}', Decimal("-112.000000001"))
        columns = tuple(column.name for column in GAMES.columns)
        assert warehouse.load(GAMES.name, Rows(columns, [row, ("g2", D1, *[None] * 6)]), timeout=TIMEOUT) == 2
        result = warehouse.query("SELECT * FROM `nba_test.games` ORDER BY game_id", timeout=TIMEOUT)
        assert result.columns == columns
        parsed = tuple(
            {"a": [1, None]} if name == "payload" else value for name, value in zip(columns, row, strict=True)
        )
        assert result.rows == [parsed, ("g2", D1, *[None] * 6)]
        assert result.dicts()[0]["tipoff_at"].tzinfo is not None

    @pytest.mark.variants
    def test_a_load_by_key_that_is_repeated_adds_only_what_is_missing(self, warehouse: Warehouse) -> None:
        columns = (*KEYS, "payload", "points")
        rows = [("a", D1, {"n": 1}, 1), ("b", D2, None, 2), ("c", D2, [2], None)]
        for some in (rows[:2], rows, rows):
            loaded = warehouse.load(GAMES.name, Rows(columns, some), timeout=TIMEOUT, key="game_id")
            assert loaded == len(some)
        sql = "SELECT game_id, game_date, payload, points FROM nba_test.games ORDER BY game_id"
        assert warehouse.query(sql, timeout=TIMEOUT).rows == rows
        versions = warehouse.versions([GAMES.name], D1, D2, timeout=TIMEOUT)
        assert [versions[GAMES.name, day].rows for day in (D1, D2)] == [1, 2]

    def test_a_numeric_keeps_every_digit(self, warehouse: Warehouse) -> None:
        numbers = [Decimal(text) for text in ("9" * 29 + "." + "9" * 9, "-0.000000001", "0", "1E+20", "12")]
        rows = Rows((*KEYS, "rating"), [(f"g{n}", D1, number) for n, number in enumerate(numbers)])
        warehouse.load(GAMES.name, rows, timeout=TIMEOUT)
        sql = "SELECT rating FROM nba_test.games WHERE rating = @rating"
        found = [warehouse.query(sql, {"rating": number}, timeout=TIMEOUT).rows for number in numbers]
        assert found == [[(number,)] for number in numbers]
        assert {type(row[0]) for rows in found for row in rows} == {Decimal}

    @pytest.mark.variants
    def test_json_columns_take_objects_and_lists(self, warehouse: Warehouse) -> None:
        rows = Rows((*KEYS, "payload"), [("g1", D1, {"a": 1}), ("g2", D1, [1]), ("g3", D1, "7"), ("g4", D1, None)])
        warehouse.load(GAMES.name, rows, timeout=TIMEOUT)
        sql = "SELECT JSON_VALUE(payload, '$.a') AS a FROM nba_test.games WHERE game_id = 'g1'"
        assert warehouse.query(sql, timeout=TIMEOUT).scalar() == "1"

    def test_an_instant_in_another_zone_is_the_same_instant(self, warehouse: Warehouse) -> None:
        eastern = datetime(2024, 1, 15, 22, 0, tzinfo=ZoneInfo("America/New_York"))
        warehouse.load(GAMES.name, Rows((*KEYS, "tipoff_at"), [("g1", D1, eastern)]), timeout=TIMEOUT)
        sql = "SELECT tipoff_at FROM nba_test.games WHERE tipoff_at = @at"
        found = warehouse.query(sql, {"at": eastern}, timeout=TIMEOUT).scalar()
        assert found == datetime(2024, 1, 16, 3, 0, tzinfo=UTC)
        assert found.utcoffset() == datetime(2024, 1, 16, 3, 0, tzinfo=UTC).utcoffset()

    def test_replacing_a_partition_twice_changes_nothing(self, warehouse: Warehouse) -> None:
        for _ in range(2):
            assert self.put(warehouse, ("a", D1), ("b", D1)) == 2
        assert self.ids(warehouse) == [("a", D1), ("b", D1)]

    @pytest.mark.variants
    def test_replacing_leaves_other_partitions_alone(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("a", D1), ("b", D2), ("c", D3), days=(D1, D2, D3))
        assert self.put(warehouse, ("d", D1), days=(D1, D2)) == 1
        assert self.ids(warehouse) == [("d", D1), ("c", D3)]

    def test_replacing_by_nothing_empties_the_partition(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("a", D1))
        assert self.put(warehouse) == 0
        assert self.ids(warehouse) == []

    @pytest.mark.variants
    def test_a_partition_can_be_replaced_by_a_query_of_its_own_table(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("a", D1))
        source = Select(
            "SELECT CONCAT(game_id, '2') AS game_id, DATE_ADD(game_date, INTERVAL @n DAY) AS game_date, NULL AS points,"
            " 1 AS pace FROM nba_test.games",
            {"n": 1},
        )
        assert warehouse.replace_partitions(GAMES.name, [D2], source, timeout=TIMEOUT).rows == 1
        assert self.ids(warehouse) == [("a", D1), ("a2", D2)]

    @pytest.mark.variants
    def test_rows_that_do_not_fit_are_refused_by_name_and_nothing_is_changed(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("old", D1))
        wrong = []
        for rows, named in MISFITS:
            try:
                self.replace(warehouse, rows)
                wrong.append((rows, "accepted"))
            except DataError as error:
                if named not in error.message or "games" not in error.message:
                    wrong.append((rows, error.message))
        assert wrong == []
        assert self.ids(warehouse) == [("old", D1)]

    @pytest.mark.variants
    def test_a_query_that_fails_half_way_changes_nothing(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("old", D1))
        source = Select(
            "SELECT 'a' AS game_id, DATE '2024-01-15' AS game_date, DIV(1, x) AS points FROM UNNEST([1, 0]) x"
        )
        with pytest.raises(DataError):
            warehouse.replace_partitions(GAMES.name, [D1], source, timeout=TIMEOUT)
        assert self.ids(warehouse) == [("old", D1)]

    @pytest.mark.variants
    def test_inv_12_a_write_under_an_older_token_is_refused(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("new", D1), fence=HeldFence(7, "run-7"))
        with pytest.raises(StaleFenceError) as caught:
            self.put(warehouse, ("old", D1), ("old", D2), days=(D1, D2), fence=HeldFence(6, "run-6"))
        assert caught.value.details["holder"] == "run-7"
        assert self.ids(warehouse) == [("new", D1)]

    def test_inv_12_the_same_and_a_greater_token_may_write(self, warehouse: Warehouse) -> None:
        for token, name in ((7, "a"), (7, "b"), (8, "c")):
            self.put(warehouse, (name, D1), fence=HeldFence(token))
        assert self.ids(warehouse) == [("c", D1)]

    def test_inv_12_tokens_of_other_days_and_tables_do_not_matter(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("a", D1), fence=HeldFence(7))
        self.put(warehouse, ("b", D2), days=(D2,), fence=HeldFence(6))
        other = TableSchema("nba_test.other", GAMES.columns, "game_date")
        warehouse.create_table(other)
        rows = Rows(KEYS, [("c", D1)])
        assert warehouse.replace_partitions(other.name, [D1], rows, fence=HeldFence(1), timeout=TIMEOUT).rows == 1

    @pytest.mark.variants
    def test_inv_12_a_revoked_fence_stops_the_commit_and_leaves_no_token(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("old", D1))
        with pytest.raises(StaleFenceError):
            self.put(warehouse, ("new", D1), fence=HeldFence(9, revoked=True))
        assert self.ids(warehouse) == [("old", D1)]
        self.put(warehouse, ("next", D1), fence=HeldFence(8))
        assert self.ids(warehouse) == [("next", D1)]

    @pytest.mark.variants
    def test_a_table_is_described_as_it_was_declared(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("a", D1))
        warehouse.create_table(GAMES)
        info = warehouse.table(GAMES.name)
        assert info.schema == GAMES
        assert info.rows == 1
        assert info.modified is not None
        assert info.modified.tzinfo is not None

    @pytest.mark.variants
    def test_the_modification_time_of_a_table_moves_with_every_change_or_is_unknown(self, warehouse: Warehouse) -> None:
        seen = [warehouse.table(GAMES.name).modified]

        def look() -> None:
            now = warehouse.table(GAMES.name).modified
            assert now is None or now not in seen
            seen.append(now)

        self.put(warehouse, ("a", D1))
        look()
        assert seen[-1] is not None
        warehouse.load(GAMES.name, Rows(KEYS, [("b", D1)]), timeout=TIMEOUT)
        look()
        self.put(warehouse)
        look()
        assert len(set(seen)) == 4
        warehouse.add_columns(GAMES.name, [Column("extra", "INT64")])
        look()
        self.put(warehouse, ("a", D1))
        look()
        warehouse.apply_ddl([f"ALTER TABLE {GAMES.name} DROP COLUMN extra"], timeout=TIMEOUT)
        look()

    @pytest.mark.variants
    def test_tables_are_listed_without_what_the_engine_keeps_for_itself(self, warehouse: Warehouse) -> None:
        warehouse.create_table(TableSchema("nba_zest.x", (Column("a", "INT64"),)))
        self.put(warehouse, ("a", D1), fence=HeldFence(1))
        assert warehouse.list_tables() == ["nba_test.games", "nba_zest.x"]
        assert warehouse.list_tables("nba_zest") == ["nba_zest.x"]
        assert warehouse.list_tables("nba_none") == []

    @pytest.mark.variants
    def test_columns_can_be_added_and_are_null_in_old_rows(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("a", D1))
        column = Column("overtime", "BOOL", description="Went past 48 minutes.")
        for _ in range(2):
            warehouse.add_columns(GAMES.name, [GAMES.columns[0], column])
        assert warehouse.table(GAMES.name).schema.columns == (*GAMES.columns, column)
        assert warehouse.query("SELECT overtime FROM nba_test.games", timeout=TIMEOUT).rows == [(None,)]
        with pytest.raises(DataError):
            warehouse.add_columns(GAMES.name, [Column("must", "BOOL", required=True)])

    @pytest.mark.variants
    def test_ddl_of_bigquery_is_understood_with_its_layout(self, warehouse: Warehouse) -> None:
        warehouse.apply_ddl(
            [
                MAKE,
                "ALTER TABLE nba_test.made ADD COLUMN IF NOT EXISTS f FLOAT64",
                "CREATE TABLE nba_test.copied PARTITION BY DATE(at) AS SELECT TIMESTAMP '2024-01-15 00:00:00+00' AS at",
                "ALTER TABLE nba_test.copied SET OPTIONS (description='A copy.')",
            ],
            timeout=TIMEOUT,
        )
        columns = (
            Column("d", "DATE", required=True, description="The day."),
            Column("a", "INT64"),
            Column("s", "STRING"),
            Column("f", "FLOAT64"),
        )
        made = warehouse.table("nba_test.made").schema
        expected = TableSchema(
            "nba_test.made", columns, "d", ("a", "s"), "Made by hand.", require_partition_filter=True
        )
        assert made == expected
        copied = warehouse.table("nba_test.copied").schema
        assert copied == TableSchema("nba_test.copied", (Column("at", "TIMESTAMP"),), "at", (), "A copy.")
        warehouse.apply_ddl(["DROP TABLE nba_test.made"], timeout=TIMEOUT)
        assert warehouse.list_tables() == ["nba_test.copied", "nba_test.games"]

    def test_layouts_say_how_the_tables_of_a_dataset_are_stored(self, warehouse: Warehouse) -> None:
        schema = replace(
            GAMES, name="nba_test.kept", cluster_by=("game_id",), partition_expiration_days=30.0,
            require_partition_filter=True,
        )  # fmt: skip
        warehouse.create_table(schema)
        found = warehouse.layouts("nba_test", ["nba_test.kept", "nba_test.games", "nba_test.none"], timeout=TIMEOUT)
        assert {name: (layout.schema, layout.kind, layout.rows) for name, layout in found.items()} == {
            "nba_test.kept": (schema, "table", 0),
            GAMES.name: (GAMES, "table", warehouse.table(GAMES.name).rows),
        }
        now = warehouse.layout(found["nba_test.kept"], timeout=TIMEOUT)
        assert (now.schema, now.streaming_rows) == (schema, 0)
        with pytest.raises(NotFoundError) as caught:
            warehouse.layouts("nba_tset", ["nba_tset.games"], timeout=TIMEOUT)
        assert caught.value.details["missing"] == "dataset"

    def test_a_ddl_statement_that_is_refused_changes_nothing(self, warehouse: Warehouse) -> None:
        for sql in (
            "ALTER TABLE nba_test.games DROP COLUMN game_id",
            "CREATE OR REPLACE TABLE nba_test.games (a INT64) PARTITION BY b",
            "CREATE TABLE nba_none.made (a INT64)",
        ):
            with pytest.raises((DataError, NotFoundError)):
                warehouse.apply_ddl([sql], timeout=TIMEOUT)
        assert warehouse.table(GAMES.name).schema == GAMES

    def test_what_is_no_ddl_is_refused(self, warehouse: Warehouse) -> None:
        for sql in ("DELETE FROM nba_test.games WHERE TRUE", "SELECT 1", "CREATE TABEL x"):
            with pytest.raises(DataError):
                warehouse.apply_ddl([sql], timeout=TIMEOUT)

    def test_a_timestamp_table_is_partitioned_by_utc_day(self, warehouse: Warehouse) -> None:
        events = TableSchema("nba_test.events", (Column("at", "TIMESTAMP", required=True),), "at")
        warehouse.create_table(events)
        late, early = datetime(2024, 1, 15, 23, 59, tzinfo=UTC), datetime(2024, 1, 16, 0, 1, tzinfo=UTC)
        warehouse.replace_partitions(events.name, [D1, D2], Rows(("at",), [(late,), (early,)]), timeout=TIMEOUT)
        assert warehouse.replace_partitions(events.name, [D2], Rows(("at",), []), timeout=TIMEOUT).rows == 0
        assert warehouse.query("SELECT at FROM nba_test.events", timeout=TIMEOUT).rows == [(late,)]

    def test_a_table_without_partitions_takes_no_replacement(self, warehouse: Warehouse) -> None:
        warehouse.create_table(TableSchema("nba_test.flat", (Column("a", "INT64"),)))
        with pytest.raises(DataError, match="not partitioned"):
            warehouse.replace_partitions("nba_test.flat", [D1], Rows(("a",), [(1,)]), timeout=TIMEOUT)

    @pytest.mark.variants
    def test_missing_tables_are_named_with_their_nearest_neighbour(self, warehouse: Warehouse) -> None:
        for name in ("nba_test.gamez", "nba_tset.games", "nba_test.games_"):
            sql = f"SELECT * FROM `{name}`"  # noqa: S608 - a name that is written above
            self.check_missing(warehouse, name, sql)

    @staticmethod
    def check_missing(warehouse: Warehouse, name: str, sql: str) -> None:
        for call in (
            lambda: warehouse.query(sql, timeout=TIMEOUT),
            lambda: warehouse.dry_run(sql, timeout=TIMEOUT),
            lambda: warehouse.load(name, Rows(("a",), []), timeout=TIMEOUT),
            lambda: warehouse.replace_partitions(name, [D1], Rows(KEYS, []), timeout=TIMEOUT),
            lambda: warehouse.table(name),
        ):
            with pytest.raises(NotFoundError) as caught:
                call()
            assert caught.value.next_step == "Did you mean 'nba_test.games'?"

    @pytest.mark.variants
    def test_a_missing_column_is_named_with_its_nearest_neighbour(self, warehouse: Warehouse) -> None:
        for sql in ("SELECT pionts FROM nba_test.games", "SELECT g.pionts FROM nba_test.games AS g"):
            with pytest.raises(NotFoundError, match="pionts") as caught:
                warehouse.query(sql, timeout=TIMEOUT)
            assert caught.value.next_step == "Did you mean 'points'?"

    @pytest.mark.variants
    def test_a_syntax_error_is_placed(self, warehouse: Warehouse) -> None:
        with pytest.raises(DataError, match="line 2, column") as caught:
            warehouse.query("SELECT game_id\nFROM nba_test.games WHERE )", timeout=TIMEOUT)
        assert caught.value.details["line"] == 2

    @pytest.mark.variants
    def test_what_is_not_one_query_is_refused(self, warehouse: Warehouse) -> None:
        texts = (
            "SELECT 1; SELECT 2",
            "",
            "DELETE FROM nba_test.games WHERE TRUE",
            "DROP TABLE nba_test.games",
            "SELECT '",
        )
        for sql in texts:
            with pytest.raises(DataError):
                warehouse.query(sql, timeout=TIMEOUT)
        assert self.ids(warehouse) == []

    @pytest.mark.variants
    def test_parameters_are_values_never_sql(self, warehouse: Warehouse) -> None:
        hostile = "x' OR TRUE; DROP TABLE nba_test.games; --"
        self.put(warehouse, (hostile, D1), ("b", D1))
        sql = "SELECT game_id FROM nba_test.games WHERE game_id = @id AND game_date IN UNNEST(@days)"
        assert warehouse.query(sql, {"id": hostile, "days": [D1, D2]}, timeout=TIMEOUT).rows == [(hostile,)]

    @pytest.mark.variants
    def test_an_unknown_parameter_is_named_and_a_spare_one_does_not_matter(self, warehouse: Warehouse) -> None:
        with pytest.raises(DataError, match="@day"):
            warehouse.query("SELECT @day AS d", {"date": D1}, timeout=TIMEOUT)
        assert warehouse.query("SELECT @a AS a", {"a": 1, "b": 2}, timeout=TIMEOUT).scalar() == 1

    @pytest.mark.variants
    def test_parameters_that_are_no_values_are_refused(self, warehouse: Warehouse) -> None:
        naive = datetime(2024, 1, 15)  # noqa: DTZ001
        for value in (object(), {"a": 1}, naive, [naive]):
            with pytest.raises(DataError, match="@x"):
                warehouse.query("SELECT @x AS x", {"x": value}, timeout=TIMEOUT)

    @pytest.mark.variants
    def test_two_result_columns_of_one_name_are_refused(self, warehouse: Warehouse) -> None:
        with pytest.raises(DataError, match="game_id"):
            warehouse.query("SELECT game_id, game_id FROM nba_test.games", timeout=TIMEOUT)

    @pytest.mark.variants
    def test_a_result_names_the_types_of_its_columns(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ("g1", D1))
        sql = "SELECT *, [1] AS a, STRUCT(pace AS p, NULL AS n) AS s, NULL AS z FROM nba_test.games"
        types = ("STRING", "DATE", "INT64", "FLOAT64", "BOOL", "TIMESTAMP", "JSON", "NUMERIC")
        nested = ("ARRAY<INT64>", "STRUCT<p FLOAT64, n INT64>", "INT64")
        assert warehouse.query(sql, timeout=TIMEOUT).types == (*types, *nested)
        assert warehouse.dry_run(sql, timeout=TIMEOUT).types == (*types, *nested)

    @pytest.mark.variants
    def test_no_more_rows_are_fetched_than_asked_for(self, warehouse: Warehouse) -> None:
        self.put(warehouse, *[(f"g{number}", D1) for number in range(5)])
        sql = "SELECT game_id, tipoff_at FROM nba_test.games ORDER BY game_id"
        for most, truncated in ((1, True), (4, True), (5, False), (6, False), (None, False)):
            result = warehouse.query(sql, timeout=TIMEOUT, max_rows=most)
            assert (len(result.rows), result.truncated) == (min(most or 5, 5), truncated)
            assert result.rows[0] == ("g0", None)

    @pytest.mark.variants
    def test_a_dry_run_names_the_columns_and_runs_nothing(self, warehouse: Warehouse) -> None:
        sql = "SELECT game_id, DIV(1, 0) AS bad FROM nba_test.games WHERE game_date = @d"
        assert warehouse.dry_run(sql, {"d": D1}, timeout=TIMEOUT).columns == ("game_id", "bad")

    def test_queries_are_answered_as_bigquery_does(self, warehouse: Warehouse) -> None:
        wrong = []
        for expression, expected in (answer for answers in ANSWERS.values() for answer in answers):
            try:
                answer = warehouse.query(f"SELECT {expression}", PARAMETERS, timeout=TIMEOUT).rows[0][0]
            except DataError as error:
                answer = ERROR if expected is ERROR else error
            if answer != expected or type(answer) is not type(expected):
                wrong.append((expression, answer, expected))
        assert wrong == []

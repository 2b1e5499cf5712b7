"""What every Warehouse must do that is to change its tables and rows: DML, clustering, definitions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import (
    AlreadyExistsError,
    DataError,
    NotFoundError,
    PreconditionError,
)
from nbactl.ports.warehouse import Column, Rows, TableSchema

if TYPE_CHECKING:
    from nbactl.ports.warehouse import TableLayout, Warehouse

D1, D2, D3 = date(2024, 1, 15), date(2024, 1, 16), date(2024, 1, 17)
TIMEOUT = 20.0
LINES = TableSchema(
    "nba_test.lines",
    (
        Column("day", "DATE", required=True),
        Column("team", "STRING", required=True, description="Home team."),
        Column("points", "INT64"),
        Column("odds", "NUMERIC"),
    ),
    partition_by="day",
    cluster_by=("team",),
    description="Lines.",
)

REFUSED_CHANGES: list[tuple[str, type[Exception]]] = [
    ("SELECT 1", DataError),
    ("DROP TABLE nba_test.lines", DataError),
    ("DELETE FROM nba_test.lines", DataError),
    ("DELETE FROM nba_test.lines WHERE TRUE; DELETE FROM nba_test.lines WHERE TRUE", DataError),
    ("UPDATE nba_test.lines SET points = 'x' WHERE TRUE", DataError),
    ("UPDATE nba_test.lines SET team = NULL WHERE TRUE", DataError),
    ("UPDATE nba_test.lines SET points = 1 WHERE nope = 1", NotFoundError),
    ("DELETE FROM nba_test.lime WHERE TRUE", NotFoundError),
    ("DELETE FROM nba_test.lines WHERE team = @nobody", DataError),
]
REFUSED_ACTIONS: list[tuple[str, type[Exception]]] = [
    ("ALTER COLUMN nope DROP NOT NULL", NotFoundError),
    ("ALTER COLUMN nope SET OPTIONS (description = 'x')", NotFoundError),
    ("DROP COLUMN nope", NotFoundError),
    ("DROP COLUMN team", DataError),
    ("DROP COLUMN day", DataError),
    ("ALTER COLUMN points DROP NOT NULL", DataError),
    ("ALTER COLUMN points SET DATA TYPE STRING", DataError),
    ("ALTER COLUMN odds SET DATA TYPE INT64", DataError),
    ("ADD COLUMN must INT64 NOT NULL", DataError),
    ("ADD COLUMN points INT64", DataError),
    ("RENAME TO other", AlreadyExistsError),
]


class TestWarehouseChanges:
    @pytest.fixture(autouse=True)
    def _lines(self, warehouse: Warehouse) -> None:
        warehouse.create_table(LINES)
        rows: list[tuple[Any, ...]] = [(D1, "LAL", 1), (D1, "BOS", 2), (D2, "LAL", 3)]
        warehouse.load(LINES.name, Rows(("day", "team", "points"), rows), timeout=TIMEOUT)

    @staticmethod
    def ddl(warehouse: Warehouse, *statements: str) -> None:
        warehouse.apply_ddl(statements, timeout=TIMEOUT)

    @staticmethod
    def rows(warehouse: Warehouse, table: str = LINES.name) -> list[tuple[Any, ...]]:
        sql = f"SELECT day, team, points FROM {table} ORDER BY day, team, points"  # noqa: S608
        return warehouse.query(sql, timeout=TIMEOUT).rows

    @staticmethod
    def layout(warehouse: Warehouse, table: str = LINES.name) -> TableLayout:
        known = warehouse.layouts(table.partition(".")[0], [table], timeout=TIMEOUT)[table]
        return warehouse.layout(known, timeout=TIMEOUT)

    # DML

    def test_statements_change_rows_and_say_how_many(self, warehouse: Warehouse) -> None:
        inserted = warehouse.run_dml(
            ["INSERT INTO nba_test.lines (day, team, points) SELECT day, 'NYK', points FROM nba_test.lines -- all"],
            timeout=TIMEOUT,
        )
        assert (inserted.rows, inserted.seconds >= 0) == (3, True)
        deleted = warehouse.run_dml(
            ["DELETE FROM nba_test.lines WHERE team = @team AND day BETWEEN @first AND @last"],
            {"team": "NYK", "first": D1, "last": D2},
            timeout=TIMEOUT,
        )
        assert deleted.rows == 3
        assert self.rows(warehouse) == [(D1, "BOS", 2), (D1, "LAL", 1), (D2, "LAL", 3)]

    def test_rows_are_written_again_as_they_are(self, warehouse: Warehouse) -> None:
        before, versions = self.rows(warehouse), warehouse.versions([LINES.name], D1, D2, timeout=TIMEOUT)
        etag = self.layout(warehouse).etag
        sql = "UPDATE `nba_test.lines` SET `team` = `team`\nWHERE `day` BETWEEN @first AND @last"
        assert warehouse.run_dml([sql], {"first": D1, "last": D1}, timeout=TIMEOUT).rows == 2
        assert self.rows(warehouse) == before
        assert warehouse.versions([LINES.name], D1, D2, timeout=TIMEOUT) == versions
        assert self.layout(warehouse).etag != etag

    def test_versions_follow_the_rows(self, warehouse: Warehouse) -> None:
        before = warehouse.versions([LINES.name], D1, D3, timeout=TIMEOUT)
        warehouse.run_dml(["UPDATE nba_test.lines SET day = @day WHERE team = 'BOS'"], {"day": D3}, timeout=TIMEOUT)
        after = warehouse.versions([LINES.name], D1, D3, timeout=TIMEOUT)
        counts = {day: version.rows for (_, day), version in after.items() if version.rows}
        assert counts == {D1: 1, D2: 1, D3: 1}
        assert after[LINES.name, D1].digest != before[LINES.name, D1].digest
        assert after[LINES.name, D2] == before[LINES.name, D2]
        same = Rows(("day", "team", "points"), [(D1, "LAL", 1)])
        written = warehouse.replace_partitions(LINES.name, [D1], same, timeout=TIMEOUT)
        assert written.versions[D1].digest == after[LINES.name, D1].digest

    def test_several_statements_are_one_transaction(self, warehouse: Warehouse) -> None:
        done = warehouse.run_dml(
            [
                "DELETE FROM nba_test.lines WHERE day = @day;",
                "INSERT INTO nba_test.lines (day, team) VALUES (@day, 'CHI'), (@day, 'DEN')",
            ],
            {"day": D1},
            timeout=TIMEOUT,
        )
        assert done.rows == 4
        before = self.rows(warehouse)
        assert before == [(D1, "CHI", None), (D1, "DEN", None), (D2, "LAL", 3)]
        with pytest.raises(DataError):
            warehouse.run_dml(
                ["DELETE FROM nba_test.lines WHERE TRUE", "INSERT INTO nba_test.lines (day) VALUES (@day)"],
                {"day": D1},
                timeout=TIMEOUT,
            )
        assert self.rows(warehouse) == before

    def test_rows_are_merged(self, warehouse: Warehouse) -> None:
        merge = (
            "MERGE nba_test.lines AS t USING (SELECT DATE '2024-01-15' AS day, 'LAL' AS team, points FROM "
            "UNNEST(@points) AS points) AS s ON t.day = s.day AND t.team = s.team "
            "WHEN MATCHED THEN UPDATE SET points = s.points "
            "WHEN NOT MATCHED THEN INSERT (day, team, points) VALUES (day, team, points)"
        )
        assert warehouse.run_dml([merge], {"points": [9]}, timeout=TIMEOUT).rows == 1
        assert (D1, "LAL", 9) in self.rows(warehouse)
        with pytest.raises(DataError, match="at most one source row"):
            warehouse.run_dml([merge], {"points": [1, 2]}, timeout=TIMEOUT)

    def test_what_is_not_a_change_that_fits_is_refused(self, warehouse: Warehouse) -> None:
        before = self.rows(warehouse)
        for sql, error in REFUSED_CHANGES:
            with pytest.raises(error):
                warehouse.run_dml([sql], timeout=TIMEOUT)
        with pytest.raises(DataError):
            warehouse.run_dml([], timeout=TIMEOUT)
        with pytest.raises(DataError, match="is not a key"):
            warehouse.run_dml(["DELETE FROM nba_test.lines WHERE TRUE"], key="a b", timeout=TIMEOUT)
        assert self.rows(warehouse) == before

    # Clustering

    def test_clustering_is_changed_and_ended(self, warehouse: Warehouse) -> None:
        warehouse.set_clustering(LINES.name, ["points", "team"], timeout=TIMEOUT)
        assert warehouse.table(LINES.name).schema.cluster_by == ("points", "team")
        assert len(self.rows(warehouse)) == 3
        warehouse.set_clustering(LINES.name, [], timeout=TIMEOUT)
        assert warehouse.table(LINES.name).schema.cluster_by == ()

    def test_clustering_is_changed_only_of_the_table_that_was_seen(self, warehouse: Warehouse) -> None:
        seen = self.layout(warehouse).etag
        assert seen == self.layout(warehouse).etag
        warehouse.set_clustering(LINES.name, ["points"], etag=seen, timeout=TIMEOUT)
        for _ in range(2):
            with pytest.raises(PreconditionError, match="has changed"):
                warehouse.set_clustering(LINES.name, ["team"], etag=seen, timeout=TIMEOUT)
            now = self.layout(warehouse).etag
            warehouse.load(LINES.name, Rows(("day", "team"), [(D3, "UTA")]), timeout=TIMEOUT)
            assert self.layout(warehouse).etag != now
        assert warehouse.table(LINES.name).schema.cluster_by == ("points",)

    def test_a_key_that_cannot_be_is_refused(self, warehouse: Warehouse) -> None:
        self.ddl(
            warehouse,
            "ALTER TABLE nba_test.lines ADD COLUMN f FLOAT64, ADD COLUMN j JSON, ADD COLUMN a INT64, "
            "ADD COLUMN b INT64",
        )
        for key in (["nope"], ["f"], ["j"], ["team", "points", "odds", "a", "b"]):
            with pytest.raises(DataError):
                warehouse.set_clustering(LINES.name, key, timeout=TIMEOUT)
        with pytest.raises(NotFoundError):
            warehouse.set_clustering("nba_test.lime", ["team"], timeout=TIMEOUT)
        assert warehouse.table(LINES.name).schema.cluster_by == ("team",)

    # Definitions

    def test_a_table_is_made_with_all_of_its_options(self, warehouse: Warehouse) -> None:
        self.ddl(
            warehouse,
            "CREATE TABLE nba_test.made (`at` TIMESTAMP NOT NULL, team STRING OPTIONS (description = 'T.')) "
            "PARTITION BY TIMESTAMP_TRUNC(`at`, MONTH) CLUSTER BY team OPTIONS (description = 'Made.', "
            "partition_expiration_days = 90, require_partition_filter = TRUE, "
            "expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 7 DAY))",
        )
        columns = (Column("at", "TIMESTAMP", required=True), Column("team", "STRING", description="T."))
        assert warehouse.table("nba_test.made").schema == TableSchema(
            "nba_test.made", columns, "at", ("team",), "Made.", "MONTH", 90.0, require_partition_filter=True
        )
        with pytest.raises(AlreadyExistsError):
            self.ddl(warehouse, "CREATE TABLE nba_test.made (a INT64)")

    def test_columns_are_added_altered_and_dropped_several_at_once(self, warehouse: Warehouse) -> None:
        self.ddl(
            warehouse,
            "ALTER TABLE nba_test.lines ADD COLUMN a INT64 OPTIONS (description = 'A.'), "
            "ADD COLUMN IF NOT EXISTS points INT64, ADD COLUMN b STRING",
            "ALTER TABLE nba_test.lines ALTER COLUMN points SET DATA TYPE NUMERIC, ALTER COLUMN team DROP NOT NULL, "
            "ALTER COLUMN odds SET OPTIONS (description = 'Of (home), 1/2')",
            "ALTER TABLE nba_test.lines DROP COLUMN b, DROP COLUMN IF EXISTS c",
        )
        assert warehouse.table(LINES.name).schema.columns == (
            LINES.columns[0],
            Column("team", "STRING", description="Home team."),
            Column("points", "NUMERIC"),
            Column("odds", "NUMERIC", description="Of (home), 1/2"),
            Column("a", "INT64", description="A."),
        )
        assert self.rows(warehouse)[0] == (D1, "BOS", Decimal(2))
        self.ddl(
            warehouse,
            "ALTER TABLE nba_test.lines ALTER COLUMN odds SET OPTIONS (description = NULL), "
            "ALTER COLUMN points SET DATA TYPE FLOAT64",
        )
        assert warehouse.table(LINES.name).schema.columns[2:4] == (Column("points", "FLOAT64"), LINES.columns[3])
        assert self.rows(warehouse)[0] == (D1, "BOS", 2.0)

    def test_a_change_that_is_refused_changes_nothing(self, warehouse: Warehouse) -> None:
        self.ddl(warehouse, "CREATE TABLE nba_test.other (a INT64)")
        before, versions = self.layout(warehouse), warehouse.versions([LINES.name], D1, D2, timeout=TIMEOUT)
        for action, error in REFUSED_ACTIONS:
            also = "" if action.startswith("RENAME") else "ALTER COLUMN team DROP NOT NULL, "
            with pytest.raises(error):
                self.ddl(warehouse, f"ALTER TABLE nba_test.lines {also}{action}")
            assert self.layout(warehouse).schema == before.schema, action
        assert warehouse.versions([LINES.name], D1, D2, timeout=TIMEOUT) == versions

    def test_options_are_set_and_taken_away(self, warehouse: Warehouse) -> None:
        self.ddl(
            warehouse,
            "ALTER TABLE nba_test.lines SET OPTIONS (partition_expiration_days = 3.5, description = NULL, "
            "require_partition_filter = TRUE, expiration_timestamp = TIMESTAMP '2099-01-01 00:00:00+00')",
        )
        schema = warehouse.table(LINES.name).schema
        assert (schema.partition_expiration_days, schema.description, schema.require_partition_filter) == (
            3.5,
            "",
            True,
        )
        self.ddl(
            warehouse,
            "ALTER TABLE nba_test.lines SET OPTIONS (partition_expiration_days = NULL, expiration_timestamp = NULL, "
            "require_partition_filter = FALSE, description = 'Lines.')",
        )
        assert warehouse.table(LINES.name).schema == LINES

    def test_each_definition_changes_the_etag(self, warehouse: Warehouse) -> None:
        etags = [self.layout(warehouse).etag]
        for text in ("Other.", "Lines.", "Other.", "Lines."):
            self.ddl(warehouse, f"ALTER TABLE nba_test.lines SET OPTIONS (description = '{text}')")
            etags.append(self.layout(warehouse).etag)
        assert len(set(etags)) == 5

    def test_a_table_is_swapped_by_renaming(self, warehouse: Warehouse) -> None:
        self.ddl(
            warehouse,
            "CREATE TABLE nba_test.new (day DATE, team STRING, points INT64) PARTITION BY day",
            "ALTER TABLE nba_test.lines RENAME TO old",
            "ALTER TABLE `nba_test.new` RENAME TO lines",
        )
        assert warehouse.list_tables() == ["nba_test.lines", "nba_test.old"]
        assert (self.rows(warehouse), len(self.rows(warehouse, "nba_test.old"))) == ([], 3)
        assert warehouse.table("nba_test.old").schema.cluster_by == ("team",)
        with pytest.raises(NotFoundError):
            self.ddl(warehouse, "ALTER TABLE nba_test.lime RENAME TO x")

    def test_a_snapshot_keeps_the_rows_and_is_read_only(self, warehouse: Warehouse) -> None:
        before = self.rows(warehouse)
        self.ddl(
            warehouse,
            "CREATE SNAPSHOT TABLE nba_test.kept CLONE nba_test.lines "
            "OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 7 DAY))",
        )
        warehouse.run_dml(["DELETE FROM nba_test.lines WHERE TRUE"], timeout=TIMEOUT)
        kept = self.layout(warehouse, "nba_test.kept")
        assert (kept.kind, kept.rows, kept.schema.columns) == ("snapshot", 3, LINES.columns)
        assert (kept.schema.partition_by, kept.schema.cluster_by) == ("day", ("team",))
        one = Rows(("day", "team"), [(D1, "UTA")])
        for write in (
            lambda: warehouse.run_dml(["DELETE FROM nba_test.kept WHERE TRUE"], timeout=TIMEOUT),
            lambda: warehouse.load("nba_test.kept", one, timeout=TIMEOUT),
            lambda: warehouse.replace_partitions("nba_test.kept", [D1], one, timeout=TIMEOUT),
            lambda: warehouse.set_clustering("nba_test.kept", ["points"], timeout=TIMEOUT),
            lambda: self.ddl(warehouse, "ALTER TABLE nba_test.kept DROP COLUMN points"),
            lambda: self.ddl(warehouse, "DROP TABLE nba_test.kept"),
            lambda: self.ddl(warehouse, "DROP SNAPSHOT TABLE nba_test.lines"),
        ):
            with pytest.raises(DataError):
                write()
        assert self.rows(warehouse, "nba_test.kept") == before
        self.ddl(warehouse, "DROP TABLE nba_test.lines", "CREATE TABLE nba_test.lines CLONE nba_test.kept")
        assert self.rows(warehouse) == before
        assert self.layout(warehouse).kind == "table"
        assert warehouse.run_dml(["DELETE FROM nba_test.lines WHERE team = 'LAL'"], timeout=TIMEOUT).rows == 2
        self.ddl(warehouse, "DROP SNAPSHOT TABLE nba_test.kept", "DROP SNAPSHOT TABLE IF EXISTS nba_test.kept")
        assert warehouse.list_tables() == ["nba_test.lines"]

    def test_a_clone_is_a_table_of_its_own(self, warehouse: Warehouse) -> None:
        self.ddl(warehouse, "CREATE TABLE nba_test.twin CLONE `nba_test.lines` OPTIONS (description = 'Twin.')")
        warehouse.run_dml(["DELETE FROM nba_test.lines WHERE TRUE"], timeout=TIMEOUT)
        twin = self.layout(warehouse, "nba_test.twin")
        assert (twin.kind, twin.rows, twin.schema.description) == ("table", 3, "Twin.")
        with pytest.raises(AlreadyExistsError):
            self.ddl(warehouse, "CREATE TABLE nba_test.twin CLONE nba_test.lines")
        with pytest.raises(NotFoundError):
            self.ddl(warehouse, "CREATE TABLE nba_test.more CLONE nba_test.lime")

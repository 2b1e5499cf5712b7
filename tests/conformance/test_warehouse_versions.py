"""What the partition versions of every Warehouse must say."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from nbactl.errors import DataError, NbactlError
from nbactl.ports.warehouse import Column, PartitionVersion, Rows, Select, TableSchema
from tests.conformance.test_warehouse import HeldFence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.warehouse import Warehouse

D1, D2, D3 = date(2024, 1, 15), date(2024, 1, 16), date(2024, 1, 17)
TIMEOUT = 20.0
NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
LINES = TableSchema(
    "nba_test.lines",
    (
        Column("day", "DATE", required=True),
        Column("id", "STRING"),
        Column("points", "INT64"),
        Column("pace", "FLOAT64"),
        Column("final", "BOOL"),
        Column("seen_on", "DATE"),
        Column("tipoff_at", "TIMESTAMP"),
        Column("payload", "JSON"),
    ),
    partition_by="day",
)
ROW: dict[str, Any] = {
    "id": "a",
    "points": 7,
    "pace": 98.5,
    "final": True,
    "seen_on": D3,
    "tipoff_at": NOON,
    "payload": {"a": [1, None]},
}
OTHER = ROW | {"id": "b", "points": -5}

CHANGES: dict[str, list[Mapping[str, Any]]] = {
    "a row less": [ROW],
    "a row twice": [ROW, OTHER, OTHER],
    "all rows twice": [ROW, ROW, OTHER, OTHER],
    "text": [ROW, OTHER | {"id": "a"}],
    "empty text": [ROW, OTHER | {"id": ""}],
    "no text": [ROW, OTHER | {"id": None}],
    "a sign": [ROW, OTHER | {"points": 5}],
    "no number": [ROW, OTHER | {"points": None}],
    "the last bit": [ROW, OTHER | {"pace": math.nextafter(98.5, 99)}],
    "nan": [ROW, OTHER | {"pace": math.nan}],
    "infinity": [ROW, OTHER | {"pace": math.inf}],
    "a truth value": [ROW, OTHER | {"final": False}],
    "a date": [ROW, OTHER | {"seen_on": D2}],
    "a microsecond": [ROW, OTHER | {"tipoff_at": NOON.replace(microsecond=1)}],
    "inside of JSON": [ROW, OTHER | {"payload": {"a": [1, 2]}}],
    "no JSON": [ROW, OTHER | {"payload": None}],
    "values that changed places": [ROW | {"points": -5}, OTHER | {"points": 7}],
    "no rows": [],
}
"""Other rows than ROW and OTHER, by what is different."""


def rows_of(day: date, *rows: Mapping[str, Any]) -> Rows:
    columns = tuple(column.name for column in LINES.columns)
    return Rows(columns, [tuple({"day": day, **row}.get(column) for column in columns) for row in rows])


class TestWarehouseVersions:
    @pytest.fixture(autouse=True)
    def _lines(self, warehouse: Warehouse) -> None:
        warehouse.create_table(LINES)

    @staticmethod
    def replace(warehouse: Warehouse, *rows: Mapping[str, Any], day: date = D1, fence: Any = None) -> PartitionVersion:
        written = warehouse.replace_partitions(LINES.name, [day], rows_of(day, *rows), fence=fence, timeout=TIMEOUT)
        assert written.rows == len(rows)
        assert list(written.versions) == [day]
        return written.versions[day]

    @classmethod
    def put(cls, warehouse: Warehouse, *rows: Mapping[str, Any], day: date = D1, fence: Any = None) -> PartitionVersion:
        written = cls.replace(warehouse, *rows, day=day, fence=fence)
        assert written == cls.version(warehouse, day)
        return written

    @staticmethod
    def versions(warehouse: Warehouse, *tables: str) -> Mapping[tuple[str, date], PartitionVersion]:
        return warehouse.versions(tables or (LINES.name,), date.min, date.max, timeout=TIMEOUT)

    @staticmethod
    def version(warehouse: Warehouse, day: date = D1) -> PartitionVersion | None:
        return warehouse.versions([LINES.name], day, day, timeout=TIMEOUT).get((LINES.name, day))

    @pytest.mark.variants
    def test_what_was_never_written_or_is_not_there_has_no_version(self, warehouse: Warehouse) -> None:
        assert self.versions(warehouse, LINES.name, "nba_test.nothing", "nba_nowhere.lines") == {}
        self.put(warehouse, ROW)
        assert set(self.versions(warehouse, LINES.name, "nba_test.nothing")) == {(LINES.name, D1)}

    def test_the_same_rows_again_are_the_same_version_and_no_change(self, warehouse: Warehouse) -> None:
        first = self.put(warehouse, ROW, OTHER)
        assert first.rows == 2
        assert first.changed_at.utcoffset() == NOON.utcoffset()
        assert self.put(warehouse, ROW, OTHER) == first
        assert self.put(warehouse, OTHER, ROW) == first
        assert self.put(warehouse, ROW, OTHER, fence=HeldFence(1)) == first

    def test_a_change_of_the_rows_is_a_change_of_the_version(self, warehouse: Warehouse) -> None:
        first = latest = self.put(warehouse, ROW, OTHER)
        digests = {"as they were": first.digest}
        for change, rows in CHANGES.items():
            now = self.put(warehouse, *rows)
            assert now.changed_at > latest.changed_at, change
            digests[change], latest = now.digest, now
        assert len(set(digests.values())) == len(digests), digests
        back = self.put(warehouse, ROW, OTHER)
        assert back.digest == first.digest
        assert back.changed_at > latest.changed_at

    def test_values_that_look_alike_differ(self, warehouse: Warehouse) -> None:
        alike: list[Mapping[str, Any]] = [
            {},
            {"id": ""},
            {"id": "null"},
            {"id": "7"},
            {"points": 7},
            {"pace": 7.0},
            {"id": '","points":7'},
            {"id": "a\x00"},
            {"id": "a"},
            {"id": "é"},
            {"id": "e\u0301"},
            {"pace": 0.0},
            {"pace": math.nan},
            {"pace": math.inf},
            {"pace": -math.inf},
            {"payload": "null"},
            {"payload": "{}"},
            {"payload": "[]"},
            {"payload": "[null]"},
            {"payload": '""'},
            {"payload": '"null"'},
            {"final": False},
            {"points": 2**63 - 1},
            {"points": 2**63 - 2},
        ]
        digests = [self.replace(warehouse, row).digest for row in alike]
        assert len(set(digests)) == len(alike)

    def test_equal_values_are_the_same_however_they_are_written(self, warehouse: Warehouse) -> None:
        eastern = NOON.astimezone(ZoneInfo("America/New_York"))
        for one, other in (
            ({"tipoff_at": NOON}, {"tipoff_at": eastern}),
            ({"pace": 0.0}, {"pace": -0.0}),
            ({"pace": 7.0}, {"pace": 7}),
            ({"payload": '{"a": 1, "b": [ ]}'}, {"payload": '{"a":1,"b":[]}'}),
        ):
            assert self.replace(warehouse, one).digest == self.replace(warehouse, other).digest

    def test_a_query_and_rows_of_the_same_values_are_the_same_version(self, warehouse: Warehouse) -> None:
        first = self.put(warehouse, {"id": "a", "points": 7, "pace": 1.0})
        source = Select("SELECT 1 AS pace, 'a' AS id, DATE '2024-01-15' AS day, 7 AS points")
        assert warehouse.replace_partitions(LINES.name, [D1], source, timeout=TIMEOUT).versions == {D1: first}

    def test_an_emptied_partition_has_a_version(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ROW)
        empty = self.put(warehouse)
        assert empty.rows == 0
        assert self.put(warehouse, day=D2).digest == empty.digest

    def test_other_partitions_keep_their_version(self, warehouse: Warehouse) -> None:
        other = self.put(warehouse, ROW, day=D2)
        self.put(warehouse, ROW)
        self.put(warehouse, OTHER)
        assert self.version(warehouse, D2) == other
        assert self.version(warehouse, D3) is None

    @pytest.mark.variants
    def test_several_partitions_are_replaced_and_asked_for_at_once(self, warehouse: Warehouse) -> None:
        both = Rows(("day", "id"), [(D1, "a"), (D3, "c")])
        written = warehouse.replace_partitions(LINES.name, [D1, D2, D3, D1], both, timeout=TIMEOUT)
        assert written.rows == 2
        assert {day: version.rows for day, version in written.versions.items()} == {D1: 1, D2: 0, D3: 1}
        asked = warehouse.versions([LINES.name], D2, D3, timeout=TIMEOUT)
        assert asked == {(LINES.name, day): written.versions[day] for day in (D2, D3)}

    def test_nothing_to_replace_has_no_version(self, warehouse: Warehouse) -> None:
        assert warehouse.replace_partitions(LINES.name, [], Rows(("day",), []), timeout=TIMEOUT).versions == {}

    def test_rows_that_are_loaded_change_the_versions_of_their_partitions(self, warehouse: Warehouse) -> None:
        first, other = self.put(warehouse, ROW), self.put(warehouse, ROW, day=D2)
        warehouse.load(LINES.name, rows_of(D1, OTHER), timeout=TIMEOUT)
        assert self.put(warehouse, ROW, OTHER) == self.version(warehouse)
        assert self.put(warehouse, ROW).digest == first.digest
        warehouse.load(LINES.name, rows_of(D3, OTHER), timeout=TIMEOUT)
        loaded = self.version(warehouse, D3)
        assert loaded is not None
        assert loaded == self.put(warehouse, OTHER, day=D3)
        assert self.version(warehouse, D2) == other

    @pytest.mark.variants
    def test_a_refused_write_leaves_the_version(self, warehouse: Warehouse) -> None:
        first = self.put(warehouse, ROW, fence=HeldFence(7))
        for fence, rows in (
            (HeldFence(6), rows_of(D1, OTHER)),
            (HeldFence(8, revoked=True), rows_of(D1, OTHER)),
            (None, rows_of(D2, OTHER)),
        ):
            with pytest.raises(NbactlError):
                warehouse.replace_partitions(LINES.name, [D1], rows, fence=fence, timeout=TIMEOUT)
        with pytest.raises(DataError):
            warehouse.load(LINES.name, Rows(("day", "points"), [(D1, "7")]), timeout=TIMEOUT)
        assert self.versions(warehouse) == {(LINES.name, D1): first}

    def test_a_new_column_is_a_change_once_it_has_a_value(self, warehouse: Warehouse) -> None:
        first = self.put(warehouse, ROW)
        warehouse.add_columns(LINES.name, [Column("extra", "INT64")])
        assert self.version(warehouse) == first
        assert self.put(warehouse, ROW) == first
        rows = rows_of(D1, ROW)
        more = Rows((*rows.columns, "extra"), [(*values, 0) for values in rows.values])
        assert warehouse.replace_partitions(LINES.name, [D1], more, timeout=TIMEOUT).versions[D1] != first

    def test_definitions_leave_no_untrue_version(self, warehouse: Warehouse) -> None:
        first = self.put(warehouse, ROW)
        warehouse.apply_ddl([f"ALTER TABLE {LINES.name} DROP COLUMN points"], timeout=TIMEOUT)
        without = self.version(warehouse)
        assert without is not None
        assert without.digest != first.digest
        warehouse.apply_ddl([f"ALTER TABLE {LINES.name} RENAME TO moved"], timeout=TIMEOUT)
        ((key, moved),) = self.versions(warehouse, LINES.name, "nba_test.moved").items()
        assert (key, moved.digest, moved.rows) == (("nba_test.moved", D1), without.digest, without.rows)
        warehouse.apply_ddl(["DROP TABLE nba_test.moved"], timeout=TIMEOUT)
        warehouse.create_table(LINES)
        warehouse.create_table(replace(LINES, name="nba_test.moved"))
        assert self.versions(warehouse, LINES.name, "nba_test.moved") == {}

    def test_a_table_made_from_a_query_has_versions(self, warehouse: Warehouse) -> None:
        self.put(warehouse, ROW)
        made = f"CREATE OR REPLACE TABLE nba_test.made PARTITION BY day AS SELECT * FROM {LINES.name}"  # noqa: S608 - names of ours
        warehouse.apply_ddl([made], timeout=TIMEOUT)
        (version,) = self.versions(warehouse, "nba_test.made").values()
        assert (version.rows, version.digest) == (1, self.put(warehouse, ROW).digest)
        warehouse.apply_ddl([f"{made} WHERE FALSE"], timeout=TIMEOUT)
        assert self.versions(warehouse, "nba_test.made") == {}

    def test_a_table_without_partitions_has_no_version(self, warehouse: Warehouse) -> None:
        warehouse.create_table(TableSchema("nba_test.flat", (Column("a", "INT64"),)))
        warehouse.load("nba_test.flat", Rows(("a",), [(1,)]), timeout=TIMEOUT)
        assert self.versions(warehouse, "nba_test.flat") == {}

    def test_a_table_of_instants_has_versions_by_utc_day(self, warehouse: Warehouse) -> None:
        events = TableSchema("nba_test.events", (Column("at", "TIMESTAMP", required=True),), partition_by="at")
        warehouse.create_table(events)
        late = datetime(2024, 1, 15, 21, 0, tzinfo=ZoneInfo("America/New_York"))
        warehouse.load(events.name, Rows(("at",), [(late,)]), timeout=TIMEOUT)
        assert set(self.versions(warehouse, events.name)) == {(events.name, D2)}

"""`nbactl bq apply`: a table is rebuilt while others write, and changed back with what was written since."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support import faults
from nbactl.errors import NbactlError
from tests.integration.cli.bq.conftest import days

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.cli.bq.conftest import Place

    Writing = Callable[[Callable[[int], None]], list[int]]

OLD = "CREATE TABLE `{t}` (team STRING, day DATE, n INT64, junk STRING) PARTITION BY DATE_TRUNC(day, MONTH)"
NEW = "CREATE TABLE `{t}` (day DATE, team STRING, n STRING, extra INT64) PARTITION BY day CLUSTER BY team"
SIDE = {"new": "nbactl_new_t", "old": "nbactl_old_t", "undone": "nbactl_undone_t"}


def made(place: Place, *words: str) -> None:
    rows = [row.replace("(DATE '", "DATE '").rstrip(")").split(", ") for row in days(40, 2)]
    place.create(OLD, *(f"({team}, {day}, {n}, 'x')" for day, team, n in rows), "('none', NULL, 999, NULL)")
    place.declare(NEW)
    plan = place.plan("--drift", "100000", *words)
    assert plan["summary"]["rebuild"]


def numbers(place: Place, where: str = "") -> list[int]:
    return sorted(int(n) for (n,) in place.rows("n", where))


def test_a_table_is_rebuilt_and_changed_back_with_what_was_written_since(place: Place) -> None:
    made(place)
    before = place.rows()
    done = place.apply("-o", "json")
    assert done.code == 3, done.err
    [table] = done.data["tables"]
    assert (table["stage"], table["rows"]) == ("applied", 81)
    assert [change["column"] for change in table["refused"]] == ["junk"], "it is carried along"
    assert place.left() == [("extra_column", "refused")]
    assert place.rows("team, day, CAST(n AS INT64), junk") == before
    assert place.tables() == {"t", SIDE["old"]}
    again = place.apply()
    assert (again.code, "unchanged" in again.out) == (3, True)

    place.write(f"INSERT INTO `{place.table}` (day, n, junk) VALUES (DATE '2024-01-03', '5000', 'y')")
    place.write(f"DELETE FROM `{place.table}` WHERE n = '7'")
    assert place.call("apply", "--undo", "plan.json", "--yes", faults="apply.name_missing=kill").code == -9
    other = place.call("apply", "--table", place.table, "--schema", "t.sql", "--yes")
    assert (other.code, "an undo of" in other.err) == (6, True)
    undone = place.call("apply", "--undo", "plan.json", "--yes")
    assert undone.code == 0, undone.err
    place.declare(OLD)
    assert place.left() == []
    expected = [row for row in before if row[2] != 7]
    assert place.rows() == sorted([*expected, (None, date(2024, 1, 3), 5000, "y")], key=str)
    assert place.tables() == {"t", SIDE["undone"]}
    again = place.call("apply", "--undo", "plan.json", "--yes")
    assert (again.code, "Nothing to do: there is nothing to undo." in again.err) == (0, True)


@pytest.mark.parametrize("point", ["migration.before_checkpoint", "apply.before_swap"])
def test_rows_written_while_they_are_copied_are_copied_again(place: Place, point: str) -> None:
    made(place)
    late = iter(
        [
            f"INSERT INTO `{place.table}` (day, n) VALUES (DATE '2024-01-02', 5000)",
            f"UPDATE `{place.table}` SET team = 'late' WHERE n = 3",
            f"DELETE FROM `{place.table}` WHERE n = 4",
        ]
    )

    def write() -> None:
        for sql in late:
            place.write(sql)

    faults.arm(point, write)
    try:
        assert place.apply().code == 3
    finally:
        faults.disarm_all()
    assert next(late, None) is None
    assert numbers(place) == sorted({*range(80), 999, 5000} - {4})
    assert ("late", "3") in place.rows("team, n")


@pytest.mark.parametrize(
    "faults_",
    [
        ("apply.before_statement=kill@2", "apply.statement_done=kill@2", "apply.before_swap=kill"),
        ("migration.before_checkpoint=kill@2", "apply.name_missing=kill", "apply.statement_done=kill"),
    ],
)
def test_a_rebuild_killed_three_times_under_a_writer_loses_no_row(
    place: Place, writing: Writing, faults_: tuple[str, ...]
) -> None:
    made(place)
    kept: list[int] = []

    def write(n: int) -> None:
        for value in (f"CAST({n} AS INT64)", f"'{n}'"):  # n becomes a text
            try:
                place.write(f"INSERT INTO `{place.table}` (day, n) VALUES (DATE '2024-01-0{1 + n % 9}', {value})")
            except NbactlError:
                continue  # of the other type, or the name is missing during the swap
            kept.append(n)
            return

    writing(write)
    for fault in faults_:
        assert place.apply(faults=fault).code == -9, fault
    done = place.apply()
    assert done.code == 3, done.err
    assert kept, "the writer wrote meanwhile"
    sure = kept.copy()
    found = numbers(place)
    assert len(found) == len(set(found)), "no row is there twice"
    assert {*range(80), 999, *sure} <= set(found)
    assert place.tables() == {"t", SIDE["old"]}


def test_rows_that_cannot_go_back_keep_the_undo_from_beginning(place: Place) -> None:
    made(place, "--drop-columns")
    assert place.apply().code == 0
    place.write(f"INSERT INTO `{place.table}` (day, n) VALUES (DATE '2024-01-03', '5000')")
    refused = place.call("apply", "--undo", "--table", place.table, "--yes")
    assert (refused.code, "was written to since, in 2024-01-03" in refused.err) == (6, True)
    assert SIDE["old"].replace("_t", "") in refused.err
    place.write(f"DELETE FROM `{place.table}` WHERE n = '5000'")
    assert place.call("apply", "--undo", "--table", place.table, "--yes").code == 0
    assert numbers(place) == [*range(80), 999]


def test_an_undo_in_the_middle_leaves_the_table_as_it_was(place: Place) -> None:
    made(place)
    before = place.rows()
    assert place.apply(faults="apply.statement_done=kill@2").code == -9
    assert place.tables() == {"t", SIDE["new"]}
    assert place.call("apply", "--undo", "plan.json", "--yes").code == 0
    assert (place.rows(), place.tables()) == (before, {"t"})
    assert place.apply(faults="apply.name_missing=kill").code == -9
    assert place.tables() == {SIDE["old"], SIDE["new"]}
    assert place.call("apply", "--undo", "plan.json", "--yes").code == 0
    assert (place.rows(), place.tables()) == (before, {"t"})


def test_after_the_old_table_has_expired_an_undo_says_so(place: Place) -> None:
    made(place)
    assert place.apply("--keep", "1h").code == 3
    place.warehouse.apply_ddl([f"DROP TABLE `d.nbactl_old_{place.table[2:]}`"], timeout=30)
    expired = place.call("apply", "--undo", "plan.json", "--yes")
    assert (expired.code, "has expired" in expired.err) == (6, True)


def test_a_rebuild_by_hand_that_was_not_finished_is_named(place: Place) -> None:
    made(place)
    name = f"d.nbactl_new_{place.table[2:]}"
    place.warehouse.apply_ddl([f"CREATE TABLE `{name}` (n INT64)"], timeout=30)
    refused = place.apply()
    assert (refused.code, f"DROP TABLE `{name}`" in refused.err) == (6, True)
    place.warehouse.apply_ddl([f"DROP TABLE `{name}`"], timeout=30)
    assert place.apply(faults="apply.before_swap=kill").code == -9
    place.warehouse.apply_ddl([f"ALTER TABLE `{place.table}` RENAME TO mine"], timeout=30)
    by_hand = place.apply()
    assert (by_hand.code, "created, renamed or dropped" in by_hand.err) == (6, True)
    place.warehouse.apply_ddl([f"ALTER TABLE `d.mine` RENAME TO {place.table[2:]}"], timeout=30)
    assert place.apply().code == 3


def test_rows_in_the_streaming_buffer_keep_a_rebuild_from_beginning(place: Place) -> None:
    made(place)
    place.server.store.tables["d", place.table[2:]].streamed.append(datetime.now(UTC))
    place.plan("--drift", "100000")
    refused = place.apply()
    assert (refused.code, "has 1 rows in its streaming buffer" in refused.err) == (6, True)
    assert place.tables() == {"t"}


def test_a_table_that_requires_a_filter_is_rebuilt_and_changed_back(place: Place) -> None:
    filtered = "OPTIONS (require_partition_filter = TRUE)"
    place.create(
        f"CREATE TABLE `{{t}}` (at TIMESTAMP, n INT64) PARTITION BY TIMESTAMP_TRUNC(at, HOUR) {filtered}",
        *(f"(TIMESTAMP '2024-01-0{1 + n % 3} 05:30:00+00', {n})" for n in range(9)),
        "(NULL, 9)",
    )
    place.declare(f"CREATE TABLE `{{t}}` (at DATE, n INT64) PARTITION BY at {filtered}")
    place.plan()
    done = place.apply()
    assert done.code == 0, done.err
    assert place.left() == []
    assert numbers(place, "WHERE at > '2000-01-01' OR at IS NULL") == [*range(10)]
    undone = place.call("apply", "--undo", "plan.json", "--yes")
    assert undone.code == 0, undone.err
    assert numbers(place, "WHERE at > '2000-01-01' OR at IS NULL") == [*range(10)]


def test_partitions_that_a_plan_lets_expire_come_back(place: Place) -> None:
    place.create(
        "CREATE TABLE `{t}` (day DATE, n INT64) PARTITION BY day", "(DATE '2020-01-01', 1)", "(CURRENT_DATE(), 2)"
    )
    place.declare("CREATE TABLE `{t}` (day DATE, n INT64) PARTITION BY day OPTIONS (partition_expiration_days = 30)")
    place.plan()
    assert place.apply().code == 0
    place.write(f"DELETE FROM `{place.table}` WHERE day = '2020-01-01'")  # as BigQuery does within some hours
    place.write(f"INSERT INTO `{place.table}` VALUES (CURRENT_DATE(), 3)")
    undone = place.call("apply", "--undo", "plan.json", "--yes")
    assert undone.code == 0, undone.err
    assert numbers(place) == [1, 2, 3]


def test_a_copy_has_ranges_that_are_billed_within_the_limit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.server.limits, "billed_minimum", 1)
    pad = "REPEAT('x', 300000)"
    place.create(
        "CREATE TABLE `{t}` (day DATE, team STRING, n INT64, pad STRING) PARTITION BY day",
        *(f"{row[:-1]}, {pad})" for row in days(4, 5)),
    )
    place.declare("CREATE TABLE `{t}` (day DATE, team STRING, n STRING, pad STRING) PARTITION BY day")
    place.plan()
    done = place.apply("--max-bytes", "5MB")
    assert done.code == 0, done.err
    assert "4 of 4 ranges" in done.err


def test_resumed_with_larger_ranges_no_partition_is_copied_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.server.limits, "billed_minimum", 1)
    rows = [f"{row[:-1]}, REPEAT('x', 300000))" for row in days(4, 5)]
    place.create("CREATE TABLE `{t}` (day DATE, team STRING, n INT64, pad STRING) PARTITION BY day", *rows)
    place.write(f"INSERT INTO `{place.table}` VALUES (NULL, 'none', 999, NULL)")
    place.declare("CREATE TABLE `{t}` (day DATE, team STRING, n STRING, pad STRING) PARTITION BY day")
    place.plan()
    assert place.apply("--max-bytes", "5MB", faults="migration.checkpointed=kill@1").code == -9
    done = place.apply("-o", "json")
    assert done.code == 0, done.err
    assert done.data["tables"][0]["rows"] == 21
    assert len(place.rows("n")) == 21

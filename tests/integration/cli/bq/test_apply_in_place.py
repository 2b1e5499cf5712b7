"""`nbactl bq apply`: changes in place and their undo, and plans that are not applied."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

from nbactl.core._support import faults
from nbactl.testing import emulator_documents
from nbactl.warehouse.costs.baseline import read_baseline
from tests.integration.cli.bq.conftest import PROJECT, Done, days

if TYPE_CHECKING:
    from tests.integration.cli.bq.conftest import Place

OLD = """CREATE TABLE `{t}` (day DATE NOT NULL, team STRING NOT NULL, n INT64, junk STRING)
PARTITION BY day CLUSTER BY junk"""
NEW = """CREATE TABLE `{t}` (day DATE NOT NULL, team STRING OPTIONS (description = 'Who.'), n NUMERIC, extra INT64)
PARTITION BY day CLUSTER BY team OPTIONS (description = 'What.', partition_expiration_days = 100000)"""
PLAIN = "CREATE TABLE `{t}` (day DATE NOT NULL, team STRING, n INT64) PARTITION BY day"
CLUSTERED = f"{PLAIN} CLUSTER BY team"


def made(place: Place) -> None:
    place.create(OLD, *(f"{row[:-1]}, 'x')" for row in days(3, 2)))
    place.declare(NEW)


def test_a_table_is_changed_in_place_as_planned_and_back(place: Place) -> None:
    made(place)
    place.plan("--drop-columns")
    done = place.apply("-o", "json")
    assert done.code == 0, done.err
    [table] = done.data["tables"]
    assert (table["table"], table["status"], table["stage"]) == (place.table, "applied", "applied")
    assert table["kept_until"]
    assert place.left() == []
    assert place.rows("team, CAST(n AS INT64), extra") == sorted([(f"T{n % 2}", n, None) for n in range(6)], key=str)
    assert place.tables() == {"t", "nbactl_before_t"}
    assert place.apply().code == 0, "once it is applied there is nothing to do"

    place.declare(OLD)
    undone = place.call("apply", "--undo", "plan.json", "--yes", "-o", "json")
    assert undone.code == 0, undone.err
    [table] = undone.data["tables"]
    assert (table["stage"], table["kept_until"]) == ("undone", None), "the old table has its name back"
    assert place.left() == []
    assert place.rows("team, n, junk") == sorted([(f"T{n % 2}", n, "x") for n in range(6)], key=str)
    assert place.tables() == {"t", "nbactl_before_t", "nbactl_undone_t"}


def test_what_was_written_since_is_not_lost_by_an_undo(place: Place) -> None:
    made(place)
    place.plan("--drop-columns")
    assert place.apply().code == 0
    place.write(f"INSERT INTO `{place.table}` (day, n) VALUES (DATE '2024-01-02', 77)")
    refused = place.call("apply", "--undo", "--table", place.table, "--yes")
    assert refused.code == 6
    assert "was written to since, in 2024-01-02" in refused.err
    assert "junk" in refused.err
    assert place.call("apply", "--status", "--table", place.table, "-o", "json").data["tables"][0]["stage"] == "applied"


def test_a_column_with_values_is_not_dropped_by_an_undo(place: Place) -> None:
    place.create(PLAIN, *days(1, 2))
    place.declare(PLAIN.replace("n INT64", "n INT64, extra INT64").replace("team STRING,", "team STRING,"))
    place.plan()
    assert place.apply().code == 0
    place.write(f"UPDATE `{place.table}` SET extra = 1 WHERE n = 1")
    refused = place.call("apply", "--undo", "plan.json", "--yes")
    assert (refused.code, "extra of" in refused.err) == (6, True)
    place.write(f"UPDATE `{place.table}` SET extra = NULL WHERE TRUE")
    assert place.call("apply", "--undo", "plan.json", "--yes").code == 0
    place.declare(PLAIN)
    assert place.left() == []
    assert place.tables() == {"t"}, "nothing was lost, so that no snapshot was needed"


def test_after_a_kill_the_same_command_goes_on(place: Place) -> None:
    made(place)
    place.plan("--drop-columns")
    assert place.apply(faults="apply.before_statement=kill@3").code == -9
    other = place.folder / "other.json"
    other.write_text((place.folder / "plan.json").read_text().replace('"made_at": "20', '"made_at": "19'))
    refused = place.call("apply", "other.json", "--yes")
    assert (refused.code, "another plan of" in refused.err) == (6, True)
    assert place.apply(faults="apply.statement_done=kill@2").code == -9
    done = place.apply("-o", "json")
    assert done.code == 0, done.err
    assert done.data["tables"][0]["resumed"]
    assert place.left() == []


def test_without_a_file_what_was_begun_is_finished_and_the_rest_planned(place: Place) -> None:
    made(place)
    words = ("apply", "--table", place.table, "--schema", "t.sql", "--drop-columns", "--yes")
    assert place.call(*words, faults="apply.statement_done=kill@2").code == -9
    assert place.call(*words).code == 0
    assert place.left() == []
    done = place.call(*words)
    assert (done.code, "Nothing to do" in done.err) == (0, True)


def test_a_plan_whose_table_has_changed_is_refused(place: Place) -> None:
    place.create(PLAIN, *days(4, 10))
    place.declare(CLUSTERED)
    place.plan()
    place.write(f"INSERT INTO `{place.table}` VALUES (DATE '2024-01-01', 'T1', 100)")
    assert place.apply("--dry-run").code == 0, "one row of 40 is within the drift"
    place.write(f"DELETE FROM `{place.table}` WHERE n < 5")
    stale = place.apply("-o", "json")
    assert (stale.code, stale.error["code"]) == (6, "precondition")
    assert "it had 40 rows and has 36" in stale.error["message"]
    assert "nbactl bq plan" in stale.error["next"]
    place.plan("--drift", "50")
    place.write(f"DELETE FROM `{place.table}` WHERE n < 8")
    assert place.apply("--dry-run").code == 0
    place.warehouse.apply_ddl([f"ALTER TABLE `{place.table}` ADD COLUMN late INT64"], timeout=30)
    assert "its columns, partitioning, clustering or options have changed" in place.apply().err
    place.plan()
    place.warehouse.apply_ddl([f"DROP TABLE `{place.table}`"], timeout=30)
    assert "it is gone" in place.apply().err
    place.plan()
    place.create(CLUSTERED)
    assert "it exists now" in place.apply().err


def test_all_tables_are_checked_before_any_is_changed(place: Place) -> None:
    place.create(PLAIN)
    first, place.table = place.table, "d.zz" + place.table[2:]
    place.create(PLAIN, *days(1, 2))
    (place.folder / "t.sql").write_text(CLUSTERED.format(t=first) + ";" + CLUSTERED.format(t=place.table))
    assert place.call("plan", "--schema", "t.sql", "--out", "plan.json").code == 0
    place.write(f"DELETE FROM `{place.table}` WHERE n = 1")
    assert place.apply().code == 6
    assert not place.warehouse.table(first).schema.cluster_by


def test_it_asks_and_names_what_is_lost(place: Place) -> None:
    made(place)
    place.plan("--drop-columns")
    asked = place.call("apply", "plan.json")
    assert asked.code == 2
    assert f"Apply the plan to 1 table on gcp ({PROJECT})?" in asked.err
    assert f"{place.table} is changed in place." in asked.err
    assert f"{place.table} loses the values of junk." in asked.err
    assert place.call("apply", "plan.json", "--dry-run").code == 0
    assert place.apply().code == 0
    undo = place.call("apply", "--undo", "plan.json")
    assert (undo.code, f"Undo the last plan of {place.table} on gcp" in undo.err) == (2, True)
    assert place.call("apply", "--undo").code == 2
    assert place.call("apply", "plan.json", "--drop-columns").code == 2
    assert place.call("apply", "--status", "--rate", "1MB/s").code == 2
    assert place.call("apply", "--status", "--pause").code == 2
    assert place.call("apply", "--status", "--table", "d.none").code == 4


def test_two_at_once_are_refused(place: Place) -> None:
    made(place)
    place.plan("--drop-columns")
    others: list[Done] = []
    faults.arm("apply.before_statement", lambda: None if others else others.append(place.apply("-o", "json")))
    try:
        assert place.apply().code == 0
    finally:
        faults.disarm_all()
    assert others[0].code == 6
    assert others[0].data["tables"][0]["error"]["code"] == "lease_held"


def test_the_cost_of_its_queries_is_kept_before_a_table_is_changed(place: Place) -> None:
    place.create(PLAIN, *days(1, 2))
    place.rows("team")
    place.declare(CLUSTERED)
    place.plan()
    assert place.apply().code == 0
    with closing(emulator_documents(place.firestore, PROJECT)) as documents:
        baseline = read_baseline(documents, place.table)
    assert baseline is not None
    assert baseline["queries"]
    assert baseline["captured_at"] < baseline["applied_at"]


def test_what_is_under_way_is_shown_and_paused(place: Place) -> None:
    made(place)
    place.plan("--drop-columns")
    assert place.call("apply", "--pause", "--table", place.table).code == 4, "nothing is under way"
    assert place.apply(faults="apply.statement_done=kill@1").code == -9
    paused = place.call("apply", "--pause", "--table", place.table, "-o", "json")
    assert paused.data["tables"][0]["paused_by"]
    assert paused.data["tables"][0]["pending"] == "apply"
    shown = place.call("apply", "--status", "--table", place.table)
    assert "snapshot (paused)" in shown.out
    assert place.call("apply", "--resume", "--table", place.table).code == 0
    assert place.apply().code == 0


def test_a_plan_of_another_place_or_form_is_refused(place: Place) -> None:
    place.create(PLAIN)
    place.declare(CLUSTERED)
    place.plan()
    other = place.call("apply", "plan.json", "--yes", project="another-1")
    assert (other.code, "the plan is for project" in other.err) == (5, True)
    far = place.call("apply", "plan.json", "--yes", region="europe-west1")
    assert (far.code, "the plan is for location" in far.err) == (5, True)
    file = place.folder / "plan.json"
    plan = json.loads(file.read_text())
    broken: Any
    for broken in (plan | {"form": "nbactl/bq-plan/v9"}, plan | {"drift": None}, [], plan | {"tables": [{}]}):
        file.write_text(json.dumps(broken))
        assert place.apply().code == 1
    file.write_text("{")
    assert place.apply().code == 2
    assert place.call("apply", "none.json").code == 2


def test_a_view_is_left_alone_and_named(place: Place) -> None:
    place.warehouse.apply_ddl([f"CREATE VIEW `{place.table}` AS SELECT 1 AS n"], timeout=30)
    place.declare(CLUSTERED)
    assert place.call("plan", "--schema", "t.sql", "--out", "plan.json").out.startswith(f"{place.table}  view\n")
    done = place.apply()
    assert done.code == 3
    assert "is a view" in done.out


def test_what_is_refused_is_named_and_the_rest_is_done(place: Place) -> None:
    place.create(OLD)
    place.declare(NEW)
    place.plan()
    done = place.apply("-o", "json")
    assert done.code == 3
    [table] = done.data["tables"]
    assert [change["column"] for change in table["refused"]] == ["junk"]
    assert place.left() == [("extra_column", "refused")]


def test_a_missing_table_is_created_and_an_undo_drops_it_while_it_is_empty(place: Place) -> None:
    place.declare(CLUSTERED)
    place.plan()
    assert place.apply().code == 0
    assert place.left() == []
    place.write(f"INSERT INTO `{place.table}` VALUES (DATE '2024-01-01', 'T1', 100)")
    refused = place.call("apply", "--undo", "--table", place.table, "--yes")
    assert (refused.code, "has 1 rows" in refused.err) == (6, True)
    place.write(f"DELETE FROM `{place.table}` WHERE TRUE")
    assert place.call("apply", "--undo", "--table", place.table, "--yes").code == 0
    assert place.tables() == set()


def test_rights_that_lack_are_named(place: Place) -> None:
    place.create(PLAIN)
    place.declare(CLUSTERED)
    place.plan()
    place.server.deny("bigquery.tables.update")
    try:
        denied = place.apply("-o", "json")
    finally:
        place.server.allow()
    assert denied.code == 5
    assert denied.data["tables"][0]["status"] == "failed"
    assert place.apply().code == 0, "and goes on with the right"

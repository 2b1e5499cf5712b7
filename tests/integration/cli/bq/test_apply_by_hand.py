"""`nbactl bq apply` as a person uses it: what it asks and says, and mistakes that are no success."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from nbactl.core._support.clock import SystemClock
from tests.integration.cli.bq.conftest import Done, days
from tests.integration.cli.bq.test_apply_in_place import CLUSTERED, NEW, OLD, PLAIN, made

if TYPE_CHECKING:
    import pytest

    from tests.integration.cli.bq.conftest import Place


def test_what_was_begun_is_finished_by_name_though_nothing_declares_it(place: Place) -> None:
    made(place)
    place.plan("--drop-columns")
    assert place.apply(faults="apply.statement_done=kill@2").code == -9
    other = place.call("apply", "--table", place.table)
    assert f"{place.table} is resumed." in other.err
    done = place.call("apply", "--table", place.table, "--yes", "-o", "json")
    assert (done.code, done.data["tables"][0]["resumed"]) == (0, True)
    assert place.left() == []


def test_the_question_says_that_a_plan_is_resumed_or_a_table_created(place: Place) -> None:
    place.declare(CLUSTERED)
    place.plan()
    assert f"{place.table} is created." in place.call("apply", "plan.json").err
    place.create(OLD)
    place.declare(NEW)
    place.plan("--drop-columns")
    assert place.apply(faults="apply.before_statement=kill@1").code == -9
    assert f"{place.table} is resumed." in place.call("apply", "plan.json").err


def test_of_many_tables_the_question_names_a_few(place: Place) -> None:
    tables = [f"{place.table}_{number}" for number in range(12)]
    (place.folder / "t.sql").write_text(";\n".join(CLUSTERED.format(t=table) for table in tables))
    assert place.call("plan", "--schema", "t.sql", "--out", "plan.json").code == 0
    asked = place.call("apply", "plan.json").err
    assert " and 7 more are created." in asked
    assert f"{tables[6]}," not in asked
    assert "(test-" in place.call("apply", "plan.json", "--dry-run").err
    assert ": 12 tables." in place.call("apply", "plan.json", "--dry-run").err


def test_an_undo_of_a_table_without_a_plan_is_no_success(place: Place) -> None:
    place.create(PLAIN)
    missed = place.call("apply", "--undo", "--table", f"{place.table}x", "--yes")
    assert (missed.code, "no plan was applied to" in missed.err) == (4, True)
    kept = place.call("apply", "--undo", "--table", place.table, "--keep", "1d", "--yes")
    assert (kept.code, "--undo does not take --keep" in kept.err) == (2, True)


def test_a_change_that_was_undone_has_no_gain(place: Place) -> None:
    place.create(PLAIN, *days(1, 2))
    place.rows("team")
    place.declare(CLUSTERED)
    place.plan()
    assert place.apply().code == 0
    assert place.call("apply", "--undo", "plan.json", "--yes").code == 0
    shown = place.call("costs", "--applied", place.table)
    assert (shown.code, "was undone" in shown.err) == (6, True)


def test_a_table_that_a_plan_has_twice_is_refused(place: Place) -> None:
    place.create(PLAIN)
    place.declare(CLUSTERED)
    place.plan()
    file = place.folder / "plan.json"
    plan = json.loads(file.read_text())
    file.write_text(json.dumps(plan | {"tables": plan["tables"] * 2}))
    refused = place.apply()
    assert (refused.code, f"{place.table} is in it twice" in refused.err) == (1, True)


def test_a_dataset_that_is_missing_is_created_with_its_table(place: Place) -> None:
    dataset = f"new_{place.table.partition('.')[2]}"
    place.table = f"{dataset}.t"
    place.server.store.create_dataset(dataset, {})
    place.declare(CLUSTERED)
    place.plan()
    place.server.store.drop_dataset(dataset, contents=True)
    assert place.apply().code == 0
    assert place.left() == []


def test_a_paused_plan_says_so_when_it_is_run_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    made(place)
    place.plan("--drop-columns")
    assert place.apply(faults="apply.statement_done=kill@1").code == -9
    assert place.call("apply", "--pause", "--table", place.table).code == 0
    resumed: list[Done] = []

    def resume(_clock: SystemClock, _seconds: float) -> None:
        if threading.current_thread() is threading.main_thread() and not resumed:
            resumed.append(place.call("apply", "--resume", "--table", place.table))

    monkeypatch.setattr(SystemClock, "sleep", resume)
    done = place.apply()
    assert (done.code, [one.code for one in resumed]) == (0, [0])
    assert f"apply {place.table}: 0 of 1 ranges - paused by " in done.err

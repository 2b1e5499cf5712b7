"""What a validation of the completions migration finds, on every engine that can hold its documents."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.completions.documents import batch_path, completion_path
from nbactl.errors import NotFoundError
from nbactl.migrations.completions.selection import Selection
from nbactl.ports.documents import ArrayRemove, ArrayUnion, Create, Delete, Update
from tests.kit.migration import ALL, Lab

LATER = GameDate(date(2030, 1, 1))


def test_inv_03_a_validation_compares_sets_payloads_and_counters(lab: Lab) -> None:
    lab.batch("good", ["p1", "p2"])
    lab.batch("bad", ["p1", "p2", "p3"], predictions_by_player={"p2": 4})
    lab.to("backfilled")
    lab.store.commit(
        [
            Delete(completion_path("bad", "p1")),
            Create(completion_path("bad", "p9"), {"player_lookup": "p9", "predictions_count": 1}),
            Update(completion_path("bad", "p2"), {"predictions_count": 5}),
            Update(batch_path("good"), {"completed_count": 7}),
        ]
    )
    report = lab.migration.validate(ALL, lab.caller)
    found = report.findings.as_json()
    assert not report.consistent
    assert found["missing"] == [{"batch": "bad", "player": "p1"}]
    assert found["extra"] == [{"batch": "bad", "player": "p9"}]
    assert found["different"] == [{"batch": "bad", "player": "p2", "array": 4, "subcollection": 5}]
    assert found["counter_drift"] == [
        {"batch": "bad", "counter": 3, "actual": 4},
        {"batch": "good", "counter": 7, "actual": 2},
    ]
    assert found["unreadable"] == []
    assert lab.migration.stage == "backfilled"
    assert (report.validation.batches, report.validation.completions) == (2, 6)


def test_inv_03_equal_numbers_of_other_players_are_no_consistency(lab: Lab) -> None:
    lab.batch("b", ["p1", "p2"])
    lab.to("backfilled")
    lab.store.commit(
        [
            Update(batch_path("b"), {"completed_players": ArrayRemove(("p1",))}),
            Update(batch_path("b"), {"completed_players": ArrayUnion(("x1",))}),
        ]
    )
    found = lab.migration.validate(ALL, lab.caller).findings
    assert [each.player for each in found.missing] == ["x1"]
    assert [each.player for each in found.extra] == ["p1"]


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"completed_players": ["p1", "p1"]}, "completed_players", "2 times"),
        ({"completed_players": ["p1", None]}, "completed_players", "null"),
        ({"completed_players": ["p1", 7]}, "completed_players", "not a string but int"),
        ({"completed_players": ["p1", ""]}, "completed_players", "empty"),
        ({"completed_players": ["p1", "x" * 1_501]}, "completed_players", "cannot name"),
        ({"completed_players": ...}, "completed_players", "no such field"),
        ({"completed_players": "p1"}, "completed_players", "not an array"),
        ({"predictions_by_player": {"p1": -1}}, "predictions_by_player", "not a number"),
        ({"predictions_by_player": [1]}, "predictions_by_player", "not a map"),
        ({"total_predictions": None}, "total_predictions", "not a number"),
        ({"total_predictions_subcoll": "5"}, "total_predictions_subcoll", "not a number"),
        ({"total_predictions": 1.5}, "total_predictions", "not a number"),
        ({"batch_id": "other"}, "batch_id", "document of b"),
        ({"game_date": "15.1."}, "game_date", "YYYY"),
        ({"counter_shards": -2}, "counter_shards", "0 to"),
    ],
)
def test_inv_03_what_cannot_be_read_is_reported(lab: Lab, fields: dict[str, Any], field: str, reason: str) -> None:
    lab.batch("b", ["p1"], **fields)
    lab.to("backfilled")
    report = lab.migration.validate(ALL, lab.caller)
    assert [(each.batch, each.field) for each in report.findings.unreadable] == [("b", field)]
    assert reason in report.findings.unreadable[0].reason
    assert not report.consistent


def test_a_document_whose_name_stands_for_nobody_is_reported(lab: Lab) -> None:
    lab.batch("b", ["p1"])
    lab.to("backfilled")
    lab.store.commit([Create("prediction_batches/b/completions/100%", {"player_lookup": "?"})])
    report = lab.migration.validate(ALL, lab.caller)
    assert [each.value for each in report.findings.unreadable] == ["'100%'"]


def test_the_digest_stands_for_the_content(lab: Lab) -> None:
    lab.batch("b", ["p1", "p2"])
    lab.batch("c", ["p1"])
    lab.to("validated")
    first = lab.migration.validate(ALL, lab.caller).validation.digest
    assert lab.migration.validate(ALL, lab.caller).validation.digest == first
    lab.tracker().record_completion("c", "p2", 1)
    assert lab.migration.validate(ALL, lab.caller).validation.digest != first


@pytest.mark.parametrize("selection", [Selection(("b",)), Selection(sample=100.0)])
def test_a_part_is_never_enough_for_a_gate(lab: Lab, selection: Selection) -> None:
    lab.batch("b", ["p1"])
    lab.to("backfilled")
    report = lab.migration.validate(selection, lab.caller)
    assert report.consistent
    assert not report.complete
    assert lab.migration.stage == "backfilled"
    assert lab.migration.record.read().last_validation is None


@pytest.mark.parametrize("selection", [Selection(sample=0.01), Selection(since=LATER), ALL])
def test_inv_24_a_comparison_of_nothing_is_no_success(lab: Lab, selection: Selection) -> None:
    if selection is not ALL:
        lab.batch("b", ["p1"])
    lab.to("backfilled")
    said = "there are none" if selection is ALL else r"the selection \(.*\) has none"
    for ask in (lab.migration.validate, lab.migration.compare):
        assert not ask(selection, lab.caller).consistent
    with pytest.raises(NotFoundError, match=f"no batch was looked at: {said}"):
        lab.migration.plan_repair(selection, lab.caller)
    with pytest.raises(NotFoundError, match=f"no batch was looked at: {said}"):
        lab.migration.plan(selection, 500.0, lab.caller)
    if selection is not ALL:
        with pytest.raises(NotFoundError, match="no batch was looked at"):
            lab.migration.backfill(selection, lab.caller)
    assert lab.migration.stage == "backfilled"
    state = lab.migration.record.read()
    assert (state.last_validation, state.drift_at) == (None, None)


def test_a_batch_that_is_not_there_is_an_error(lab: Lab) -> None:
    with pytest.raises(NotFoundError):
        lab.migration.validate(Selection(("nope",)), lab.caller)

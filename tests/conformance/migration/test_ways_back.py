"""The ways back of the completions migration: a rollback that is not repeated, a clean-up that is undone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.completions.documents import batch_path
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import DataError, NotFoundError, PreconditionError
from nbactl.migrations.completions.selection import Selection
from nbactl.ports.documents import Delete
from tests.kit.migration import ALL, LIMITS

if TYPE_CHECKING:
    from tests.kit.migration import Lab


def noted(lab: Lab, batch: str) -> tuple[Any, Any]:
    """Return the two fields that a clean-up removes, None where they are missing."""
    found = lab.store.get(batch_path(batch))
    assert found is not None
    return found.data.get("completed_players"), found.data.get("predictions_by_player")


class TestWaysBack:
    def test_inv_19_a_clean_up_is_undone_from_the_file_that_it_saved(self, lab: Lab) -> None:
        lab.batch("b1", ["p2", "p1"])
        lab.batch("b2", [])
        lab.to("dual_write_stopped")
        lab.tracker().record_completion("b1", "p3", 1)
        lab.advance(LIMITS.cleanup_bake)
        file = lab.folder / Path(lab.migration.clean_up(lab.caller).export).name
        lab.live_batch("begun later")
        planned = lab.migration.undo_clean_up(file, ALL, lab.caller, dry_run=True)
        assert (planned.restored, planned.saved, lab.array("b1")) == (2, 2, None)
        restored = lab.migration.undo_clean_up(file, ALL, lab.caller)
        assert (restored.restored, restored.there, restored.gone) == (2, 0, ())
        assert (lab.array("b1"), lab.array("b2")) == (["p2", "p1"], [])
        state = lab.migration.record.read()
        assert state.stage == "dual_write_stopped"
        assert str(file) in str(state.history[-1].why)
        again = lab.migration.undo_clean_up(file, ALL, lab.caller)
        assert (again.restored, again.there) == (0, 2), "given again it finds nothing to do"
        lab.migration.roll_back(lab.caller)
        assert set(lab.array("b1") or ()) == {"p1", "p2", "p3"}
        assert lab.tracker().progress("b1").completed == 3

    def test_inv_19_the_array_of_one_batch_is_brought_back(self, lab: Lab) -> None:
        lab.batch("b1", ["p1"])
        lab.batch("b2", ["p2"])
        lab.batch("b3", ["p3"])
        lab.to("cleaned")
        [file] = lab.folder.glob("completions-cleanup-*.jsonl")
        lab.store.commit([Delete(batch_path("b3"))])
        lab.migration.undo_clean_up(file, Selection(("b1",)), lab.caller)
        assert (lab.array("b1"), lab.array("b2")) == (["p1"], None)
        assert lab.migration.stage == "cleaned"
        assert lab.migration.compare(ALL, lab.caller).consistent
        with pytest.raises(NotFoundError, match="'b4' is not in"):
            lab.migration.undo_clean_up(file, Selection(("b4",)), lab.caller)
        everything = lab.migration.undo_clean_up(file, ALL, lab.caller)
        assert (everything.restored, everything.there, everything.gone) == (1, 1, ("b3",))

    def test_inv_19_predictions_by_player_go_with_the_array_and_come_back_with_it(self, lab: Lab) -> None:
        lab.batch("b1", ["p1", "p2"], predictions_by_player={"p1": 3})
        lab.batch("b3", ["p3"])
        lab.to("dual_write_stopped")
        lab.batch("b2", completed_players=..., predictions_by_player={})
        before = {name: noted(lab, name) for name in ("b1", "b2", "b3")}
        lab.to("cleaned")
        assert [noted(lab, name) for name in before] == [(None, None)] * 3
        assert lab.migration.compare(ALL, lab.caller).consistent
        assert lab.documents("b1")["p1"]["predictions_count"] == 3
        [file] = lab.folder.glob("completions-cleanup-*.jsonl")
        lab.migration.undo_clean_up(file, ALL, lab.caller)
        assert {name: noted(lab, name) for name in before} == before
        assert before["b1"] == (["p1", "p2"], {"p1": 3})
        assert before["b2"] == (None, {})

    def test_what_is_no_export_of_a_clean_up_is_not_put_back(self, lab: Lab, tmp_path: Path) -> None:
        lab.batch("b1", ["p1"])
        file = tmp_path / "f.jsonl"
        with pytest.raises(PreconditionError, match="nothing was cleaned up"):
            lab.migration.undo_clean_up(file, ALL, lab.caller)
        lab.to("cleaned")
        with pytest.raises(NotFoundError):
            lab.migration.undo_clean_up(file, ALL, lab.caller)
        for text in ("x", '{"path": "runs/1", "update_time": "", "fields": {}}\n', "[]\n"):
            file.write_text(text)
            with pytest.raises(DataError):
                lab.migration.undo_clean_up(file, ALL, lab.caller)
        assert lab.array("b1") is None

    def test_inv_20_a_rollback_that_was_not_reported_is_not_repeated(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("reads_switched")
        rolled = lab.migration.roll_back(lab.caller, acknowledged=False)
        with pytest.raises(PreconditionError, match="the rollback is not finished"):
            lab.migration.switch_reads(lab.caller)
        assert lab.migration.roll_back(lab.caller, acknowledged=False) == rolled
        lab.migration.acknowledge_rollback(rolled)
        lab.settled()
        assert lab.migration.roll_back(lab.caller).after == "legacy"

    def test_a_rollback_to_a_stage_goes_there_and_no_further(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("dual_write_stopped")
        lab.tracker().record_completion("b", "p2", 1)
        rolled = lab.migration.roll_back(lab.caller, to=CompletionStage.VALIDATED)
        assert (rolled.before, rolled.after, rolled.put_back.players) == ("dual_write_stopped", "validated", 1)
        assert [change.after for change in lab.migration.record.read().history[-2:]] == ["reads_switched", "validated"]
        assert lab.migration.roll_back(lab.caller, to=CompletionStage.VALIDATED).after == "validated"
        with pytest.raises(PreconditionError, match="no rollback leads from stage validated to reads_switched"):
            lab.migration.roll_back(lab.caller, to=CompletionStage.READS_SWITCHED)
        assert lab.migration.stage == "validated"

"""The rounds of the proof: forward, back and forward again, with every command killed on its way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.ports.documents import ArrayRemove, Update
from tests.kit.paths import ROOT
from tests.proof.live import DAMAGED
from tests.proof.old_code import BATCHES

if TYPE_CHECKING:
    from tests.proof.live import LiveSystem
    from tests.proof.operator import Answer, Operator

_CHUNK: Final = ("before_chunk", "chunk_written", "before_checkpoint", "checkpointed")
_STEP: Final = ("before_stage", "stage_changed")
LEAST_KILLS: Final = 6


def named_instants() -> set[str]:
    """Return every fault point of the migrations, as the code names them."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "nbactl/migrations").rglob("*.py"))
    return set(re.findall(r'reach\("(migration\.\w+)"\)', text))


class Rounds:
    """Plays the rounds; `thorough` kills each command at each instant that it comes by."""

    def __init__(self, live: LiveSystem, operator: Operator, *, thorough: bool) -> None:
        self._live = live
        self._operator = operator
        self._thorough = thorough

    def forward(self) -> None:
        """From the array to the subcollection, the old code ending on the way."""
        self._killed("--start-dual-write", few=("stage_changed",), all_=_STEP)
        reconciling = ("before_reconcile", "reconciled")
        self._interrupted("--backfill", few=("chunk_written", *reconciling), all_=(*_CHUNK, *reconciling))
        self._live.drain_old_code()
        self._live.kill_writers("unlucky")
        self._killed("--backfill", few=("backfilled",), all_=("before_chunk@2", "backfilled", *_STEP))
        self._killed("--backfill", few=(), all_=_CHUNK)
        self._killed("--validate", few=("before_checkpoint", "validated"), all_=(*_CHUNK, "validated", *_STEP))
        self._killed("--switch-reads", few=("before_stage",), all_=_STEP)
        self._validate()
        assert self._killed("--stop-dual-write", few=(), all_=_STEP).stage == "dual_write_stopped"
        self._live.watched.look()

    def back(self) -> None:
        """All the way back, a repair on the way."""
        refill = ("before_checkpoint", "put_back", "checkpointed")
        # A rollback comes by there only while players lack in the arrays: writers may have done all theirs before.
        lacking = ("put_back",) if self._live.arrays_lack_players() else ()
        few = (*lacking, "before_checkpoint", "stage_changed", "rolled_back")
        back = self._rolled_back(few=few, all_=(*refill, *_STEP, "put_back", "before_checkpoint", "rolled_back"))
        assert back.stage == "reads_switched"
        self._live.kill_writers("slow")
        # Told of already when it is killed: only a stage that is named keeps the next one from going back further.
        told = (*_STEP, "rolled_back", "rollback_acknowledged")
        assert self._killed("--rollback --to validated", few=("rollback_acknowledged",), all_=told).stage == "validated"
        self._damage()
        self._operator.until_done("--validate", expect=1)
        repair = ("before_repair", "repair_saved", "repaired")
        self._killed("--repair", few=repair[:2], all_=repair)
        self._validate()
        assert self._rolled_back(few=(), all_=(*_STEP, "rolled_back")).stage == "legacy"
        self._live.watched.look()

    def to_the_end(self) -> None:
        """Forward again, and the arrays removed."""
        self._killed("--start-dual-write", few=("before_stage",), all_=_STEP)
        self._killed("--backfill", few=("before_checkpoint",), all_=_CHUNK)
        self._killed("--validate", few=(), all_=("validated",))
        self._killed("--switch-reads", few=("stage_changed",), all_=_STEP)
        self._validate()
        self._killed("--stop-dual-write", few=(), all_=_STEP)
        cleanup = ("exported", "removed", "checkpointed", "stage_changed")
        end = self._killed("--cleanup", few=cleanup, all_=(*cleanup, *_CHUNK, "before_stage"))
        assert end.stage == "cleaned"

    def _rolled_back(self, *, few: tuple[str, ...], all_: tuple[str, ...]) -> Answer:
        """Roll back a stage; one that came to its end is not given again, for it would go back one stage more."""
        for instant in all_ if self._thorough else few:
            if (answer := self._operator.killed_at(f"migration.{instant}", "--rollback")) is not None:
                return answer
        return self._operator.until_done("--rollback")

    def _killed(self, action: str, *, few: tuple[str, ...], all_: tuple[str, ...]) -> Answer:
        """Give a command that is killed again and again, and then let it come to its end."""
        self._interrupted(action, few=few, all_=all_)
        return self._operator.until_done(*action.split())

    def _interrupted(self, action: str, *, few: tuple[str, ...], all_: tuple[str, ...]) -> None:
        for instant in all_ if self._thorough else few:
            self._operator.killed_at(f"migration.{instant}", *action.split())

    def _validate(self) -> None:
        """While everybody writes: what differs only because somebody is at work must not be reported."""
        assert self._operator.until_done("--validate").data["consistent"]

    def _damage(self) -> None:
        """Take a player out of an array behind everybody's back."""
        path = f"{BATCHES}/{DAMAGED}"
        self._live.store.commit([Update(path, {"completed_players": ArrayRemove(("player1",)), "completed_count": 99})])

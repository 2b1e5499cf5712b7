"""A production system and its operator on a virtual calendar: the services' code of both ages, and the migration."""

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.gamedate import GameDate
from nbactl.core.completions.stages import CompletionStage
from nbactl.migrations.completions.migration import Caller
from nbactl.migrations.completions.selection import Selection
from nbactl.migrations.model import Operator
from tests.kit.migration import PassingClock
from tests.proof.checking import Checker, Damage, Expected, read_journals
from tests.proof.journal import Journal, entries
from tests.proof.old_code import BATCHES, OldCode
from tests.proof.writers import PREDICTIONS, plain_players, predictions_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.engines import Engine

DAY: Final = 86_400.0
ARRAY_WRITTEN: Final = tuple(CompletionStage)[: tuple(CompletionStage).index(CompletionStage.READS_SWITCHED) + 1]
DOCUMENTS_WHOLE: Final = tuple(CompletionStage)[tuple(CompletionStage).index(CompletionStage.BACKFILLED) :]
ALL: Final = Selection()
_SNAPSHOT_AGE: Final = 1.2
"""Seconds of the real clock that a snapshot of the emulator lags behind."""


class Story:
    """The system, day by day. Close it at the end."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.clock = PassingClock()
        self.folder = folder
        self._engine = engine
        self._start = self.clock.now()
        self._journal = Journal(folder / "journals" / "story.jsonl")
        self._apps: list[Container] = []
        self.operator = self._application()
        self.service, self.other_service = self._application(), self._application()
        self.old = OldCode(self.service.documents)
        self.old_batches: set[str] = set()
        self._batches = 0
        self.caller = Caller(Operator("ada@ops", "acceptance"), lambda _event: None, Cancellation())
        self.migration = self.operator.completions_migration

    def close(self) -> None:
        for application in self._apps:
            application.close()
        self._journal.__exit__()

    def _application(self) -> Container:
        flags: dict[str, object] = {"state_dir": str(self.folder / "state")}
        if self._engine.kind == "firestore":
            flags |= {"target": "gcp", "project": self._engine.place}
        application = Container(load_settings(flags, {}, self.folder), clock=self.clock)
        self._apps.append(application)
        return application

    @property
    def stage(self) -> CompletionStage:
        return self.migration.stage

    def day(self, number: int) -> None:
        """Let the calendar come to that day, if it is not there already."""
        self.clock.advance(max(0.0, number * DAY - (self.clock.now() - self._start).total_seconds()))

    def settle(self) -> None:
        """Let every writer learn of the last step."""
        self.clock.advance(self.migration.limits.settle)

    def catch_up(self) -> None:
        """Wait until the emulator's snapshots, which know nothing of the calendar, show what was written."""
        if self._engine.kind == "firestore":
            time.sleep(_SNAPSHOT_AGE)

    # What the services do.

    def night(self, *, old_code: bool, players: int = 6) -> None:
        """A night of games: a batch of old code, one of the new, one that both work on; messages come twice."""
        self._batches += 1
        night = f"night-{self._batches:02d}"
        if old_code:
            self.old_batches |= {f"{night}-old", f"{night}-both"}
            self.old.create_batch(f"{night}-old", "2024-01-15", players)
            for player in plain_players(players):
                self.old_completes(f"{night}-old", player)
            self.old_completes(f"{night}-old", "player0")
        for kind in ("both", "new"):
            tracker = self.service.completions
            tracker.create_batch(f"{night}-{kind}", GameDate(date(2024, 1, 15)), players, f"corr-{night}")
            for number, player in enumerate(plain_players(players)):
                if kind == "both" and old_code and number % 2:
                    self.old_completes(f"{night}-{kind}", player)
                self.completes(f"{night}-{kind}", player, twice=number % 3 == 0)
        self.fails(f"{night}-new", "player1")

    def begin(self, batch: str, expected: int) -> None:
        self.service.completions.create_batch(batch, GameDate(date(2024, 1, 15)), expected, "corr")

    def completes(self, batch: str, player: str, *, twice: bool = False) -> None:
        for service in (self.service, self.other_service)[: 1 + twice]:
            began = self._journal.note("tried", batch, player)
            did = service.completions.record_completion(batch, player, predictions_of(player))
            self._journal.note("told", batch, player, began=began, new=did.new, finished=did.became_complete)

    def fails(self, batch: str, player: str) -> None:
        self._journal.note("tried", batch, player, "fail")
        did = self.service.completions.record_failure(batch, player)
        self._journal.note("told", batch, player, "fail", new=did.new, finished=did.became_complete)

    def old_completes(self, batch: str, player: str) -> None:
        began = self._journal.note("tried", batch, player)
        self.old.record_completion(batch, player, predictions_of(player))
        self._journal.note("told", batch, player, began=began)

    # What the operator does.

    def start_dual_write(self) -> None:
        self.migration.start_dual_write(self.caller)

    def backfill(self) -> None:
        self.settle()
        self.catch_up()
        self.migration.backfill(ALL, self.caller)

    def validate(self) -> None:
        self.settle()
        self.catch_up()
        report = self.migration.validate(ALL, self.caller)
        assert report.consistent, report.findings

    def switch_reads(self) -> None:
        self.validate()
        self.migration.switch_reads(self.caller)

    def stop_dual_write(self) -> None:
        self.validate()
        self.migration.stop_dual_write(self.caller)

    def clean_up(self) -> None:
        self.catch_up()
        self.migration.clean_up(self.caller)

    def forward_to(self, stage: CompletionStage, *, from_day: int, old_code: bool) -> None:
        """Go the way of production, a night of games at each stage, and look after each night that all is right."""
        steps = {
            CompletionStage.DUAL_WRITE: (1, self.start_dual_write),
            CompletionStage.BACKFILLED: (1, self.backfill),
            CompletionStage.VALIDATED: (1, self.validate),
            CompletionStage.READS_SWITCHED: (8, self.switch_reads),
            CompletionStage.DUAL_WRITE_STOPPED: (15, self.stop_dual_write),
            CompletionStage.CLEANED: (30, self.clean_up),
        }
        for reached, (day, step) in steps.items():
            self.day(from_day + day)
            if reached is CompletionStage.BACKFILLED:
                old_code = False  # the last service that had it was deployed anew
            step()
            assert self.stage is reached
            # Right after the step: this service has the stage before in mind, the other one not.
            self.other_service = self._application()
            self.night(old_code=old_code)
            self.settle()
            self.night(old_code=old_code)
            self.all_is_right()
            if reached is stage:
                return

    def back_to_legacy(self) -> None:
        """Roll back stage by stage, a night of games at each."""
        while (stage := self.stage) is not CompletionStage.LEGACY:
            self.settle()
            if stage not in ARRAY_WRITTEN:
                self.catch_up()
            old_code = self.migration.roll_back(self.caller).after == CompletionStage.LEGACY  # it is deployed anew then
            self.other_service = self._application()
            self.night(old_code=old_code)
            self.settle()
            self.night(old_code=old_code)
            self.all_is_right()

    # What must be.

    def all_is_right(self) -> None:
        """Compare with the journal; both ages of code must show the same, as long as both can."""
        stage = self.stage
        told = read_journals(entries(self.folder / "journals"))
        documents = stage in DOCUMENTS_WHOLE
        expected = Expected(
            array=stage in ARRAY_WRITTEN, documents=documents, counted_by_old_code=frozenset(self.old_batches)
        )
        damages = Checker(self.service.documents, told, expected, PREDICTIONS).damages()
        # Until the backfill has set it right, the counter has what old code counted twice.
        found = [each for each in damages if documents or not self._known(each)]
        assert found == [], (stage, found)
        for batch, done in told.done.items():
            assert self.service.completions.progress(batch).completed == len(done), (stage, batch)
            if stage in ARRAY_WRITTEN:
                assert self.old.completed(batch) == len(done), (stage, batch)

    def _known(self, damage: Damage) -> bool:
        return damage.kind == "counted twice" and damage.batch in self.old_batches and not damage.player

    def arrays(self) -> list[str]:
        """Return the batches that have an array."""
        store = self.service.documents
        found = {batch: store.get(f"{BATCHES}/{batch}") for batch in store.list_ids(BATCHES)}
        return [batch for batch, document in found.items() if document and "completed_players" in document.data]

"""A week of a small league with a hole of each kind, as `expect` finds it and `run --gaps` mends it."""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.bootstrap.outputs import make_grids
from nbactl.core._support.gamedate import GameDate
from nbactl.ports.documents import Update
from nbactl.ports.warehouse import Rows
from tests.kit.called import call_nbactl
from tests.kit.league import League
from tests.kit.paths import ROOT
from tests.kit.production import PHASE3, phase_document, put, triggered
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from nbactl.bootstrap import Container
    from nbactl.outputs.model import Grid, Output
    from nbactl.ports.documents import FieldPath

FIRST: Final = date(2025, 1, 11)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


GONE_PARTITION: Final = day(1)
ZERO_BEHIND_GREEN: Final = day(1)
NO_OPTIONAL: Final = day(2)
CUT_PARTITION: Final = day(2)
HALF_A_DATE: Final = day(2)
GONE_RAW_FILE: Final = day(2)
CHANGED_SOURCE: Final = day(3)
DOCUMENT_WITHOUT_ROWS: Final = day(4)
KILLED: Final = day(5)
FAILED: Final = day(6)
LAST: Final = FAILED


class Holes:
    """A league whose dates were all run but the last three, and what is done to it."""

    def __init__(self, folder: Path) -> None:
        self.league = League(folder, {day(number): 20 + number for number in range(7)})
        self.league.run("daily", days=[day(number) for number in range(4)])
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}

    def nbactl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return call_nbactl(self._words(*words), cwd=self.league.folder, env=self.env)

    def _words(self, *words: str) -> list[str]:
        return [*words, "--source", f"path:{self.league.folder}", "--state-dir", str(self.league.state)]

    def expect(self, *words: str) -> tuple[int, dict[str, Any]]:
        done = self.nbactl("expect", "--from", str(FIRST), "--to", str(LAST), "-o", "json", *words)
        return done.returncode, json.loads(done.stdout)

    def draw(self) -> Grid:
        with self.league.open() as app:
            return make_grids(app).draw(GameDate(FIRST), GameDate(LAST))

    def plant(self) -> None:
        self._in_warehouse(
            ("DELETE FROM nba_analytics.player_game_summary WHERE game_date = ?", GONE_PARTITION),
            (
                "DELETE FROM nba_precompute.ml_feature_store WHERE game_date = ? AND player_lookup LIKE '%chi%'",
                CUT_PARTITION,
            ),
            ("DELETE FROM nba_raw.player_boxscores WHERE game_date = ? AND team_abbr = 'CHI'", HALF_A_DATE),
            # Phase 6 grades the day before.
            (
                "DELETE FROM nba_predictions.prediction_accuracy WHERE game_date = ?",
                NO_OPTIONAL - timedelta(days=1),
            ),
        )
        with self.league.open() as app:
            self._write_nothing(app)
        self.league.run("phase1", "phase2", days=[DOCUMENT_WITHOUT_ROWS])
        with self.league.open() as app:
            names = {f"phase3_completion/{DOCUMENT_WITHOUT_ROWS}": phase_document(PHASE3, **triggered())}
            put(app.documents, names)
        self._kill()
        self._fail()
        self.league.points[CHANGED_SOURCE] += 2
        self.league.write()
        with self.league.open() as app:  # last: phase 1 of later dates fills it in
            app.processor_resources.raw.path("schedule", GONE_RAW_FILE).unlink()

    def _in_warehouse(self, *statements: tuple[str, date]) -> None:
        """Change rows as another program does: no version is recorded."""
        import duckdb

        with self.league.open() as app, closing(duckdb.connect(str(app.data_dir / "warehouse.duckdb"))) as file:
            for statement, day_ in statements:
                file.execute(statement, [day_])

    def _write_nothing(self, app: Container) -> None:
        """Leave what a processor leaves that wrote no row and reported no data: the ledger finds it fresh."""
        table = "nba_analytics.upcoming_team_game_context"
        columns = tuple(column.name for column in app.warehouse.table(table).schema.columns)
        written = app.warehouse.replace_partitions(table, [ZERO_BEHIND_GREEN], Rows(columns, []), timeout=30.0)
        run = app.ledger.latest("phase3", GameDate(ZERO_BEHIND_GREEN), app.source.key)
        assert run is not None
        changes: dict[FieldPath, Any] = {
            "status": "no_data",
            "rows": 0,
            ("versions", "writes", table): written.versions[ZERO_BEHIND_GREEN].digest,
        }
        app.documents.commit([Update(f"runs/{run.run_id}/tasks/upcoming_team_game_context", changes)])

    def _kill(self) -> None:
        env = {**self.env, "NBACTL_FAULTS": "runner.run_recorded=kill@3"}
        done = run_nbactl(
            self._words("run", "phase1", "phase2", "phase3", "--date", str(KILLED)), cwd=self.league.folder, env=env
        )
        assert done.returncode == -9

    def _fail(self) -> None:
        played = (self.league.folder / "logs.csv").read_text()
        kept = [line for line in played.splitlines() if f",{FAILED}," not in line]
        (self.league.folder / "logs.csv").write_text("\n".join(kept) + "\n")
        assert self.league.run("phase1", days=[FAILED]).runs[-1].status == "failed"


def of(grid: Grid, day_: date, name: str) -> Output:
    return next(output for output in grid.outputs if output.game_date.day == day_ and output.name == name)

"""Two real seasons that pass day by day, in which something goes wrong every night, and only cron mends it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import signal
from collections import Counter
from contextlib import closing
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.ports.documents import Query, Set, Update
from nbactl.ports.warehouse import Rows
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl
from tests.kit.production import PHASE3, phase_document, report
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import duckdb

    from nbactl.ports.documents import FieldPath
    from tests.kit.wall_clock import WallClock

GAMES: Final = "games_2023-25"
LOGS: Final = {2023: "player_game_logs_2023-24", 2024: "player_game_logs_2024-25"}
VOLATILE: Final = ("created_at", "batch_id")
"""Columns that say when and by which run a row was written."""
PREDICTIONS: Final = "nba_predictions.player_prop_predictions"
CONTEXTS: Final = "nba_analytics.upcoming_team_game_context"


def read_rows(files: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a real file."""
    with gzip.open(files / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as given:
        return list(csv.DictReader(given))


class Seasons:
    """A machine with a source, a state and cron. `days` are the dates with games, oldest first."""

    def __init__(self, folder: Path, files: Path, clock: WallClock, choose: Callable[[list[date]], list[date]]) -> None:
        self.folder = folder
        self.clock = clock
        self.source = folder / "source"
        self.source.mkdir(parents=True)
        self._rows = {name: read_rows(files, name) for name in (GAMES, *LOGS.values())}
        played = sorted(
            {date.fromisoformat(row["GAME_DATE"][:10]) for name in LOGS.values() for row in self._rows[name]}
        )
        self.days = choose(played)
        kept = set(self.days)
        for name, rows in self._rows.items():
            self._rows[name] = [row for row in rows if date.fromisoformat(row["GAME_DATE"][:10]) in kept]
            self.write(name)

    def write(self, name: str, without: date | None = None) -> None:
        """Write a file of the source, as it is, or without the records of a date."""
        text = io.StringIO()
        rows = self._rows[name]
        writer = csv.DictWriter(text, rows[0].keys())
        writer.writeheader()
        writer.writerows(row for row in rows if row["GAME_DATE"][:10] != str(without))
        (self.source / f"{name}.csv").write_text(text.getvalue())

    def logs_of(self, day: date) -> str:
        """Return the name of the file with the box scores of a date."""
        return next(
            name for name in LOGS.values() if any(row["GAME_DATE"][:10] == str(day) for row in self._rows[name])
        )

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def env(self) -> dict[str, str]:
        return environment({"NBACTL_SOURCE": f"path:{self.source}", "NBACTL_STATE_DIR": str(self.state)})

    def at(self, day: date, clock_time: str) -> None:
        """Let time pass until the morning after a date."""
        morning = datetime.combine(day + timedelta(days=1), time.fromisoformat(clock_time), EASTERN)
        self.clock.to(morning)

    def call(self, *words: str) -> tuple[int, str]:
        """Run a command; returns its exit code and all that it printed."""
        done = call_nbactl([*words], cwd=self.folder, env=self.env)
        return done.returncode, done.stdout + done.stderr

    def killed(self, fault: str, *words: str) -> None:
        """Run a command that is killed at an instant."""
        env = {**self.env, "NBACTL_FAULTS": f"{fault}"}
        done = run_module("tests.kit.wall_clock", self.clock.now().isoformat(), *words, env=env)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr

    def night(self, day: date) -> str:
        """Run the night of a date as it is run when nothing goes wrong."""
        return self.call("run", "daily", "--date", str(day), "-q")[1]

    def open(self) -> Container:
        given = {"state_dir": str(self.state), "source": f"path:{self.source}"}
        return Container(load_settings(given, {}, self.folder))

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        """Open the warehouse as another program does: no version is recorded of what it changes."""
        import duckdb

        (file,) = self.state.glob("data/*/warehouse.duckdb")
        return duckdb.connect(str(file))

    def expect(self, day: date) -> dict[str, str]:
        """Return the state of each output of a date."""
        done = call_nbactl(["expect", "--date", str(day), "-o", "json"], cwd=self.folder, env=self.env)
        return {output["name"]: output["state"] for output in json.loads(done.stdout)["data"]["outputs"]}

    def rows(self, day: date) -> dict[str, Counter[Any]]:
        """Return the rows of a date by table, but for the columns that say when they were written."""
        found: dict[str, Counter[Any]] = {}
        with closing(self.warehouse()) as warehouse:
            tables = warehouse.execute(
                "SELECT table_schema || '.' || table_name FROM information_schema.columns "
                "WHERE column_name = 'game_date' AND table_schema LIKE 'nba_%' AND table_schema <> 'nba_orchestration'"
            ).fetchall()
            kept = f"COLUMNS(lambda name: name NOT IN {VOLATILE})::VARCHAR"
            for (table,) in tables:
                sql = f"SELECT {kept} FROM {table} WHERE game_date = ?"  # noqa: S608 - names of a test
                found[table] = Counter(warehouse.execute(sql, [day]).fetchall())
        return found

    def delete(self, table: str, day: date) -> None:
        """Delete the rows of a date."""
        with closing(self.warehouse()) as warehouse:
            warehouse.execute(f"DELETE FROM {table} WHERE game_date = ?", [day])  # noqa: S608 - names of a test

    def healing(self) -> list[Mapping[str, Any]]:
        """Return what is kept of every fault that was repaired."""
        with self.open() as app:
            return [document.data for document in app.documents.query(Query("healing"))]


def gone_partition(seasons: Seasons, day: date) -> None:
    seasons.delete("nba_analytics.player_game_summary", day)


def lost_predictions(seasons: Seasons, day: date) -> None:
    seasons.delete(PREDICTIONS, day)


def gone_raw_rows(seasons: Seasons, day: date) -> None:
    seasons.delete("nba_raw.player_boxscores", day)


def gone_raw_file(seasons: Seasons, day: date) -> None:
    with seasons.open() as app:
        app.processor_resources.raw.path("schedule", day).unlink()


def zero_behind_green(seasons: Seasons, day: date) -> None:
    with seasons.open() as app:
        columns = tuple(column.name for column in app.warehouse.table(CONTEXTS).schema.columns)
        written = app.warehouse.replace_partitions(CONTEXTS, [day], Rows(columns, []), timeout=30.0)
        run = app.ledger.latest("phase3", GameDate(day), app.source.key)
        assert run is not None
        version: FieldPath = ("versions", "writes", CONTEXTS)
        changes: dict[FieldPath, Any] = {"status": "no_data", "rows": 0, version: written.versions[day].digest}
        app.documents.commit([Update(f"runs/{run.run_id}/tasks/upcoming_team_game_context", changes)])


def killed_run(seasons: Seasons, day: date) -> None:
    seasons.killed("runner.run_recorded=kill@3", "run", "daily", "--date", str(day))


def failed_run(seasons: Seasons, day: date) -> None:
    name = seasons.logs_of(day)
    seasons.write(name, without=day)
    assert seasons.call("run", "daily", "--date", str(day), "-q")[0] == 1
    seasons.write(name)


def never_ran(_seasons: Seasons, _day: date) -> None:
    """Nobody started anything."""


def killed_tick(seasons: Seasons, day: date) -> None:
    seasons.at(day, "06:03")
    seasons.killed("schedule.decided=kill@2", "schedule", "tick")
    assert "morning_recovery" in seasons.call("schedule", "decisions", "--orphans")[1]


def document_without_rows(seasons: Seasons, day: date) -> None:
    assert seasons.call("run", "phase1", "phase2", "--date", str(day), "-q")[0] in (0, 3)
    now = seasons.clock.now()
    reports = {name: report() | {"completed_at": now} for name in PHASE3}
    times = {"_first_completion_at": now, "_last_update": now}
    with seasons.open() as app:
        app.documents.commit([Set(f"phase3_completion/{day}", {**phase_document(PHASE3), **reports, **times})])


AFTER_THE_NIGHT: Final = (gone_partition, lost_predictions, gone_raw_rows, gone_raw_file, zero_behind_green)
"""What happens to a night that went well. The others are nights that did not."""
PLAN: Final = (
    (gone_raw_file, zero_behind_green),
    (gone_raw_rows,),
    (killed_run,),
    (gone_partition, lost_predictions),
    (never_ran, killed_tick),
    (document_without_rows,),
    (failed_run,),
)
"""The holes of one night after the other; ten kinds."""


FOUND: Final[Mapping[Callable[[Seasons, date], None], tuple[str, str]]] = {
    gone_partition: ("player_game_summary", "MISSING"),
    lost_predictions: ("player_prop_predictions", "MISSING"),
    gone_raw_rows: ("p2_player_boxscores", "MISSING"),
    gone_raw_file: ("schedule", "MISSING"),
    zero_behind_green: ("upcoming_team_game_context", "MISSING"),
    killed_run: ("player_game_summary", "FAILED"),
    failed_run: ("player_boxscores", "FAILED"),
    never_ran: ("p2_player_boxscores", "MISSING"),
    killed_tick: ("player_boxscores", "MISSING"),
    document_without_rows: ("player_game_summary", "MISSING"),
}
"""An output that `expect` names because of a hole, and its state."""


def keep(folder: Path) -> None:
    """Copy the state, if there is one yet."""
    if (folder / "state").exists():
        shutil.copytree(folder / "state", folder / "before")


def restore(folder: Path) -> None:
    """Take the state back to the copy, which is used up."""
    shutil.rmtree(folder / "state")
    if (folder / "before").exists():
        (folder / "before").rename(folder / "state")

"""A season in one sweep: 116 real dates of phases 1 to 4, beside an older build and beside plain DuckDB.

`--against FOLDER` names a checkout of the older build, such as `git worktree add FOLDER COMMIT` makes one; this
interpreter runs it. Without it only what needs no older build is measured. The data are those of NBACTL_NBA_DATA.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Command, Line, in_turn, nbactl, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

ROOT: Final = Path(__file__).resolve().parents[1]
SEASON: Final = ("2024-10-22", "2025-02-24")
"""116 dates with games."""
FIRST_MONTH: Final = ("2023-11-01", "2023-11-30")
SECOND_SEASON: Final = ("2025-02-25", "2025-03-26")
ONE_DATE: Final = ("2025-03-27", "2025-03-27")
DATES_OF_FIRST_MONTH: Final = 28
DATES_OF_SECOND_SEASON: Final = 30
MAX_OF_OLDER: Final = 0.25
MAX_GROWTH: Final = 1.2
MAX_MB: Final = 400.0
MAX_OF_PEER: Final = 1.0
_PEER: Final = """
import sys, time
from functools import partial
import duckdb
from nbactl.adapters.duckdb.catalog import quoted
from nbactl.adapters.duckdb.dialect import translated_query
from nbactl.adapters.duckdb.sql.columns import columns_of
from nbactl.adapters.duckdb.values import bind, parameter_types
from nbactl.pipeline.registry import PROCESSORS
from nbactl.pipeline.statements import date_parameters, table_sql

path, first, last = sys.argv[1:]
connection = duckdb.connect(path)
days = [day for (day,) in connection.execute(
    "SELECT DISTINCT game_date FROM nba_raw.games WHERE game_date BETWEEN $1 AND $2 ORDER BY 1", [first, last]
).fetchall()]
tables = [name for name, target in PROCESSORS.items() if target.startswith("nbactl.pipeline.transform")]
sql = {name: translated_query(
    table_sql(name), parameter_types(date_parameters(days)), partial(columns_of, connection)
) for name in tables}
start = time.perf_counter()
for day in days:
    for name in tables:
        connection.begin()
        connection.execute(f"DELETE FROM {quoted(name)} WHERE game_date = $1", [day])
        columns = ", ".join(f'"{column}"' for column, _ in sql[name].columns)
        query = sql[name]
        connection.execute(
            f"INSERT INTO {quoted(name)} ({columns}) {query.sql}", bind(date_parameters([day]), query.parameters)
        )
        connection.commit()
print(time.perf_counter() - start)
"""


def measure(runs: int, against: str | None = None) -> Iterator[Line]:
    """Measure each season once: it is long, and both builds are at it in the same minutes."""
    data = Path(os.environ.get("NBACTL_NBA_DATA", ROOT.parent / "shared" / "data" / "nba"))
    if not data.is_dir():
        yield Line("a season in one sweep", 0.0, "s", None, f"no data in {data}")
        return
    with tempfile.TemporaryDirectory() as name:
        yield from _lines(Path(name), data, runs, None if against is None else Path(against).resolve())


def _lines(folder: Path, data: Path, runs: int, older: Path | None) -> Iterator[Line]:
    ours = run_once(_run(folder / "ours", data, "phase4", SEASON))
    yield Line("a season, memory", ours.peak_mb, "MB", MAX_MB, f"116 dates of phases 1 to 4 in {ours.wall:.1f} s")
    if older is not None:
        theirs = run_once(_run(folder / "older", data, "phase4", SEASON, cwd=older))
        note = f"{ours.wall:.1f} s beside {theirs.wall:.1f} s; CPU {ours.cpu:.1f} s beside {theirs.cpu:.1f} s"
        yield Line("a season", ours.wall / theirs.wall, "x the older build", MAX_OF_OLDER, note)
        count, unlike = _unlike(_warehouse(folder / "ours"), _warehouse(folder / "older"))
        yield Line("a season, other rows", unlike, "rows", 0.0, f"of {count:,}, EXCEPT both ways, nine digits")
        taken = in_turn(
            [
                _run(folder / "ours", data, "phase4", ONE_DATE, "--force", "--upstream", "run"),
                _run(folder / "older", data, "phase4", ONE_DATE, "--force", "--upstream", "run", cwd=older),
            ],
            runs,
        )
        mine, other = (taken[str(folder / which)] for which in ("ours", "older"))
        note = f"CPU {mine.cpu:.2f} s beside {other.cpu:.2f} s; {mine.wall:.2f} s beside {other.wall:.2f} s"
        yield Line("a single date, CPU", mine.cpu / other.cpu, "x the older build", 1.0, note)
    sweep = run_once(_run(folder / "ours", data, ("phase3", "phase4"), SEASON, "--force", "--upstream", "skip"))
    peer = float(subprocess.check_output([sys.executable, "-c", _PEER, _warehouse(folder / "ours"), *SEASON], cwd=ROOT))
    note = f"{sweep.wall:.1f} s; the same SQL date by date in plain DuckDB, without a ledger: {peer:.1f} s"
    yield Line("phases 3 and 4 of a season", sweep.wall / peer, "x plain DuckDB", MAX_OF_PEER, note)
    early = run_once(_run(folder / "ours", data, "phase4", FIRST_MONTH)).cpu / DATES_OF_FIRST_MONTH
    late = run_once(_run(folder / "ours", data, "phase4", SECOND_SEASON)).cpu / DATES_OF_SECOND_SEASON
    note = f"CPU {early * 1000:.0f} ms in the first month, {late * 1000:.0f} ms in the second season"
    yield Line("a date of a month, CPU", late / early, "x the first month", MAX_GROWTH, note)


def _run(
    state: Path, data: Path, names: str | tuple[str, ...], dates: tuple[str, str], *more: str, cwd: Path = ROOT
) -> Command:
    # A date whose source lacks something ends `partial` (exit 3), which does not count as a failure here.
    named = (names,) if isinstance(names, str) else names
    where = ("--state-dir", str(state))
    words = nbactl(*where, "run", *named, "--from", dates[0], "--to", dates[1], "--source", f"path:{data}", *more)
    return Command(str(state), lambda: ["sh", "-c", '"$@" >/dev/null || test $? = 3', "sh", *words], cwd=cwd)


def _warehouse(state: Path) -> str:
    (found,) = state.glob("data/*/warehouse.duckdb")
    return str(found)


def _unlike(ours: str, theirs: str) -> tuple[int, int]:
    """Return how many rows there are, and how many are in one of two warehouses only; floats to nine digits."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{ours}' AS ours (READ_ONLY)")
        connection.execute(f"ATTACH '{theirs}' AS theirs (READ_ONLY)")
        columns: dict[str, list[str]] = {}
        for table, column, kind in connection.execute(
            "SELECT table_schema || '.' || table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_catalog = 'theirs' AND table_schema IN ('nba_raw', 'nba_analytics', 'nba_precompute')"
        ).fetchall():
            columns.setdefault(table, []).append(f"printf('%.9g', \"{column}\")" if kind == "DOUBLE" else f'"{column}"')
        unlike = sum(
            _only_in(connection, table, listed, sides) for table, listed in columns.items() for sides in _SIDES
        )
        count = sum(_scalar(connection, f"SELECT COUNT(*) FROM ours.{table}") for table in columns)  # noqa: S608
    return count, unlike


_SIDES: Final = (("ours", "theirs"), ("theirs", "ours"))


def _only_in(connection: DuckDBPyConnection, table: str, listed: list[str], sides: tuple[str, str]) -> int:
    one, other = (f"SELECT {', '.join(listed)} FROM {side}.{table}" for side in sides)  # noqa: S608
    return _scalar(connection, f"SELECT COUNT(*) FROM ({one} EXCEPT ALL {other})")  # noqa: S608


def _scalar(connection: DuckDBPyConnection, sql: str) -> int:
    ((value,),) = connection.execute(sql).fetchall()
    return int(value)

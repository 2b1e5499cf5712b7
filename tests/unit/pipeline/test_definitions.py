"""docs/definitions.md says what every computed column means, and speaks of no other."""

from __future__ import annotations

import re

from nbactl.warehouse.tables import load_tables
from tests.kit.paths import ROOT
from tests.kit.warehouse import TABLES

TEXT = (ROOT / "docs/definitions.md").read_text(encoding="utf-8")
COPIED = {
    column.name for name in ("nba_raw.games", "nba_raw.player_boxscores") for column in load_tables()[name].columns
}


def defined() -> set[str]:
    """Return the columns named in the first cells of the tables, `<stat>` written out."""
    (stats,) = re.findall(r"`<stat>` is one of (.*?)\.", TEXT)
    cells = re.findall(r"^\| (`[^|]*`) \|", TEXT, flags=re.MULTILINE)
    names = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    return {name.replace("<stat>", stat) for name in names for stat in re.findall(r"`(\w+)`", stats)}


def test_every_computed_column_is_defined() -> None:
    schemas = load_tables()
    computed = {column.name for table in TABLES for column in schemas[table].columns} - COPIED
    team_names = {f"points_allowed_avg_{window}" for window in ("last_5", "last_10", "season")}
    assert team_names <= computed
    assert sorted(computed - defined()) == []


def test_every_definition_is_of_a_column() -> None:
    schemas = load_tables()
    columns = {column.name for table in TABLES for column in schemas[table].columns}
    assert sorted(defined() - columns) == []


def test_every_computed_number_of_a_schema_has_a_description_or_a_plain_name() -> None:
    schemas = load_tables()
    bare = {
        column.name
        for table in TABLES
        for column in schemas[table].columns
        if not column.description and column.name not in COPIED
    }
    assert bare <= {"won", "injury", "points_last_game", "team_points_avg_season", "team_win_pct_last_10"}

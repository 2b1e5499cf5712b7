from __future__ import annotations

import csv
import gzip
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import DataError, NotFoundError, UsageError
from nbactl.pipeline.sources import files, open_source
from nbactl.testing import FakeClock
from tests.kit.records import DAY, GAME_ID, bdl_payload, game_payload, log_payload

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.pipeline.sources.base import GameSource, RawRecord


def source_of(folder: Path) -> GameSource:
    return open_source(f"path:{folder}", FakeClock())


def csv_text(*rows: dict[str, Any]) -> str:
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


def players(folder: Path, day: date = DAY) -> list[RawRecord]:
    return list(source_of(folder).collect("player_boxscores", [day]))


def games(folder: Path, day: date = DAY) -> list[RawRecord]:
    return list(source_of(folder).collect("schedule", [day]))


LOGS = csv_text(log_payload(), log_payload(PLAYER_NAME="Clint Capela", PLAYER_ID="203991"))


@pytest.mark.parametrize("name", ["logs.csv", "anything", "x.txt", "notes.md"])
def test_a_file_is_recognised_by_its_columns_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LOGS)
    assert [record.origin for record in players(tmp_path)] == [f"{name}:2", f"{name}:3"]
    assert players(tmp_path)[0].payload == log_payload()


@pytest.mark.parametrize("name", ["logs.csv.gz", "logs.csv"])
def test_gzip_is_recognised_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(LOGS.encode()))
    assert len(players(tmp_path)) == 2


def test_headers_are_read_in_any_case_and_with_a_byte_order_mark(tmp_path: Path) -> None:
    header, _, rest = LOGS.partition("\n")
    (tmp_path / "logs.csv").write_text("\ufeff" + header.title().replace("Min", "min") + "\n" + rest)
    assert players(tmp_path)[0].payload == log_payload()


def test_json_lists_of_rows_are_logs_and_games_too(tmp_path: Path) -> None:
    (tmp_path / "logs.json").write_text(json.dumps([log_payload()]))
    (tmp_path / "games.json").write_text(json.dumps({"data": [game_payload()]}))
    assert [record.origin for record in players(tmp_path)] == ["logs.json:[0]"]
    assert [(record.shape, record.origin) for record in games(tmp_path)] == [("game", "games.json:data[0]")]


def test_a_balldontlie_file_gives_games_and_the_players_of_both_sides(tmp_path: Path) -> None:
    payload = bdl_payload()
    game = payload["game"]
    game["home_team"] = {**game["home_team"], "players": [payload["row"]]}
    game["visitor_team"] = {**game["visitor_team"], "players": [payload["row"]]}
    (tmp_path / "box").write_text(json.dumps({"data": [game]}))
    assert [record.payload["side"] for record in players(tmp_path)] == ["home_team", "visitor_team"]
    assert players(tmp_path)[1].origin == "box:data[0].visitor_team.players[0]"
    (only,) = games(tmp_path)
    assert "players" not in only.payload["game"]["home_team"]


def test_a_league_result_set_gives_players(tmp_path: Path) -> None:
    row = log_payload()
    document = {"resultSets": [{"name": "Other"}, {"headers": list(row), "rowSet": [list(row.values())]}]}
    (tmp_path / "box.json").write_text(json.dumps(document))
    (record,) = players(tmp_path)
    assert (record.shape, record.origin) == ("nbac", "box.json:resultSets[1].rowSet[0]")
    assert record.payload == row


def test_a_game_that_only_logs_know_is_on_the_schedule_once(tmp_path: Path) -> None:
    (tmp_path / "logs.csv").write_text(LOGS)
    assert [(record.shape, record.payload["GAME_ID"]) for record in games(tmp_path)] == [("player_game_log", GAME_ID)]
    (tmp_path / "games.csv").write_text(csv_text(game_payload()))
    assert [record.shape for record in games(tmp_path)] == ["game"]


def test_a_log_row_under_a_wrong_date_makes_no_game_on_that_date(tmp_path: Path) -> None:
    (tmp_path / "logs.csv").write_text(csv_text(log_payload(GAME_DATE="2024-01-16")))
    (tmp_path / "games.csv").write_text(csv_text(game_payload()))
    wrong = date(2024, 1, 16)
    assert len(players(tmp_path, wrong)) == 1
    assert games(tmp_path, wrong) == []


@pytest.mark.parametrize("order", [1, -1])
def test_a_row_whose_date_cannot_be_read_stands_with_its_neighbour(tmp_path: Path, order: int) -> None:
    rows = [log_payload(), log_payload(GAME_DATE="soon")][::order]
    (tmp_path / "logs.csv").write_text(csv_text(*rows))
    assert [record.payload["GAME_DATE"] for record in players(tmp_path)] == [row["GAME_DATE"] for row in rows]


def test_files_that_are_no_data_are_passed_over_by_name(tmp_path: Path) -> None:
    (tmp_path / "logs.csv").write_text(LOGS)
    (tmp_path / "README.md").write_text("# Data\n")
    (tmp_path / "links.md").write_text("[a link](x)\n")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff\x00")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "folder").mkdir()
    assert [note.partition(":")[0] for note in source_of(tmp_path).notes] == [
        "README.md",
        "links.md",
        "logo.png",
        "other.csv",
        "other.json",
    ]


LONG = csv_text(*(log_payload(PLAYER_ID=str(number)) for number in range(2000)))
PACKED = gzip.compress(LONG.encode())


@pytest.mark.parametrize(
    ("name", "content", "line", "cause"),
    [
        ("logs.csv.gz", PACKED[: len(PACKED) // 2], None, "cut short or damaged"),
        ("logs.csv.gz", PACKED[:-8] + b"12345678", None, "cut short or damaged"),
        ("logs.csv.gz", LOGS.encode(), 1, "does not start as a gzip"),
        ("logs.csv", LOGS.encode()[:-60], 3, "the header 23"),
        ("logs.csv", LOGS.replace("Clint", "Clint,Jr").encode(), 3, "has 24 values"),
        ("logs.csv", LOGS.replace("Clint", '"Clint').encode(), 3, "is not CSV"),
        ("logs.csv", LOGS.replace("Clint", "Cl\xefnt").encode("latin-1"), 3, "not UTF-8"),
        ("logs.csv", LOGS.replace("PTS", "POINTS", 1).encode(), 1, "column PTS is missing"),
        ("logs.csv", LOGS.replace("2024-01-15", "soon").encode(), 1, "none of its 2 records has a date"),
        ("logs.csv", b"", 1, "is empty"),
        ("box.json", b'{"data": [\n{"date": "2024-01-15",\n', 3, "is not JSON"),
        ("box.json", b"<html>busy</html>", 1, "is not JSON"),
        ("box.json", b"", 1, "is empty"),
        ("box.json", b'{"resultSets": [{"headers": ["PLAYER_NAME", "GAME_ID"], "rowSet": 1}]}', None, None),
    ],
)
def test_a_broken_file_is_refused_whole_with_file_and_line(
    tmp_path: Path, name: str, content: bytes, line: int | None, cause: str | None
) -> None:
    (tmp_path / "good.csv").write_text(LOGS)
    (tmp_path / name).write_bytes(content)
    if cause is None:
        assert source_of(tmp_path).notes
        return
    with pytest.raises(DataError) as caught:
        players(tmp_path)
    assert str(tmp_path / name) in caught.value.message
    assert cause.lower() in str(caught.value.cause).lower()
    assert caught.value.next_step
    if line is not None:
        assert caught.value.details["line"] == line
    else:
        assert caught.value.details["line"] > 500


def test_a_packed_file_is_unpacked_up_to_a_limit_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LARGEST", 1 << 20)
    (tmp_path / "logs.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * (1 << 18)))
    with pytest.raises(DataError, match=r"logs\.csv\.gz") as refused:
        source_of(tmp_path).latest()
    assert refused.value.cause == "What it unpacks to is larger than 1 MiB. Nothing of it was used."


def test_a_folder_without_data_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# nothing\n")
    with pytest.raises(DataError, match="no file that can be used") as caught:
        source_of(tmp_path).latest()
    assert "PLAYER_NAME" in str(caught.value.cause)


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no folder"):
        source_of(tmp_path / "nowhere")


def test_a_misspelt_source_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        open_source("smaple", FakeClock())
    assert caught.value.next_step == "Did you mean 'sample'?"


def test_different_folders_have_different_keys_and_one_folder_has_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "logs.csv").write_text(LOGS)
    assert source_of(tmp_path / "a").key != source_of(tmp_path / "b").key
    assert source_of(tmp_path / "a").key == source_of(tmp_path / "b" / ".." / "a").key
    assert source_of(tmp_path / "a").key.startswith("path-a-")


def test_quoted_values_may_hold_commas_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "logs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(log_payload()))
        writer.writeheader()
        writer.writerow(log_payload(PLAYER_NAME="Young,\nTrae"))
        writer.writerow(log_payload())
    assert [record.origin for record in players(tmp_path)] == ["logs.csv:3", "logs.csv:4"]


@pytest.mark.parametrize(
    "unsure", ["01/15/24", "15-Jan-24", "15/01/2024", "15.01.2024", "45306", "2024-01-15T20:30:00 PST"]
)
def test_a_date_that_may_be_another_is_refused_with_file_and_line(tmp_path: Path, unsure: str) -> None:
    (tmp_path / "logs.csv").write_text(csv_text(log_payload(), log_payload(GAME_DATE=unsure)))
    with pytest.raises(DataError) as caught:
        players(tmp_path)
    assert caught.value.message == f"{tmp_path / 'logs.csv'}:3 was not taken"
    assert unsure in str(caught.value.cause)
    assert "YYYY-MM-DD" in str(caught.value.next_step)


def test_a_number_for_a_date_in_json_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "logs.json").write_text(json.dumps({"data": [log_payload(), log_payload(GAME_DATE=1705276800)]}))
    with pytest.raises(DataError) as caught:
        players(tmp_path)
    assert "logs.json:data[1]" in str(caught.value.cause)


def test_inv_14_tip_offs_in_utc_are_filed_under_the_date_in_new_york(tmp_path: Path) -> None:
    tip_offs = ["2024-01-15T20:30:00Z", "2024-01-16T00:00:00Z", "2024-01-16T03:30:00Z", "2024-01-16T20:30:00Z"]
    rows = [game_payload(GAME_ID=f"2230055{number}", GAME_DATE=tip_off) for number, tip_off in enumerate(tip_offs)]
    (tmp_path / "games.csv").write_text(csv_text(*rows))
    assert [record.origin for record in games(tmp_path)] == ["games.csv:2", "games.csv:3", "games.csv:4"]
    assert [record.origin for record in games(tmp_path, date(2024, 1, 16))] == ["games.csv:5"]
    assert games(tmp_path)[1].payload["GAME_DATE"] == "2024-01-16T00:00:00Z"


def test_dates_written_as_midnight_utc_stay_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "games.csv").write_text(csv_text(game_payload(GAME_DATE="2024-01-15T00:00:00.000Z")))
    assert len(games(tmp_path)) == 1


def without(payload: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in columns}


TEAM = {"TEAM_ID": "1", "TEAM_NAME": "Hawks"}


@pytest.mark.parametrize(
    ("name", "row", "looks_like"),
    [
        ("teams.csv", {**TEAM, **without(log_payload(), "PLAYER_ID", "PLAYER_NAME")}, "a table of teams"),
        ("totals.csv", without(log_payload(), "GAME_ID", "GAME_DATE", "MATCHUP"), "a table of totals"),
        ("lines.csv", without(game_payload(), "HOMESCORE", "AWAYSCORE"), "a table of games without scores"),
        ("other.csv", {"GAME_ID": "1", "PLAYER_NAME": "A", "OFF_RATING": "1"}, "no known shape"),
        ("injuries.csv", {"Game Date": "01/15/2024", "Team": "BOS", "Player Name": "A"}, "no known shape"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "json", "resultSets"])
def test_a_table_of_another_kind_is_passed_over_by_name(
    tmp_path: Path, name: str, row: dict[str, Any], looks_like: str, form: str
) -> None:
    (tmp_path / "logs.csv").write_text(LOGS)
    documents = {
        "csv": csv_text(row),
        "json": json.dumps([row]),
        "resultSets": json.dumps({"resultSets": [{"headers": list(row), "rowSet": [list(row.values())]}]}),
    }
    file = tmp_path / (name if form == "csv" else name.replace(".csv", ".json"))
    file.write_text(documents[form])
    (note,) = source_of(tmp_path).notes
    assert note.startswith(f"{file.name}: {looks_like}")
    assert note.endswith(", passed over")
    assert len(players(tmp_path)) == 2


@pytest.mark.parametrize("column", ["PLAYER_NAME", "GAME_DATE", "GAME_ID", "TOV"])
def test_a_log_that_lacks_a_column_is_still_refused(tmp_path: Path, column: str) -> None:
    (tmp_path / "logs.csv").write_text(csv_text(without(log_payload(), column)))
    with pytest.raises(DataError) as caught:
        players(tmp_path)
    assert f"olumn {column} is missing" in str(caught.value.cause)


def test_hidden_files_and_aliases_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "logs.csv").write_text(LOGS)
    (tmp_path / ".DS_Store").write_bytes(b"\x00\xff")
    (tmp_path / "aliases.csv").write_text("alias,player\nA A,B B\n")
    assert source_of(tmp_path).notes == []


def test_a_folder_of_other_tables_says_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "teams.csv").write_text(csv_text({**TEAM, **without(log_payload(), "PLAYER_ID", "PLAYER_NAME")}))
    with pytest.raises(DataError) as caught:
        players(tmp_path)
    assert "teams.csv: a table of teams" in str(caught.value.cause)

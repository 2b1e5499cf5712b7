"""Rows as a table on terminals of every width."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from nbactl.cli.show.console import Console
from nbactl.cli.show.grid import show_rows

if TYPE_CHECKING:
    import pytest

COLUMNS, TYPES = ("name", "points", "note", "tags"), ("STRING", "INT64", "STRING", "ARRAY<STRING>")
ROWS = [
    ("Jayson Tatum", 30, "a long remark about the game that does not fit", ["x", "y"]),
    ("Zoë 東京", None, "", []),
]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown(width: int, rows: Any = None, *, wide: bool = False, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((width, 24)))
    out, err = Terminal(), Terminal()
    console = Console(environ={}, color="never", wide=wide, stdout=out, stderr=err)
    show_rows(console, COLUMNS, TYPES, ROWS if rows is None else rows)
    return out.getvalue(), err.getvalue()


def test_everything_is_shown_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = shown(100, monkeypatch=monkeypatch)
    assert out.splitlines() == [
        "NAME          POINTS  NOTE                                            TAGS",
        'Jayson Tatum      30  a long remark about the game that does not fit  ["x","y"]',
        'Zoë 東京        NULL  ""                                              []',
    ]
    assert not err


def test_texts_are_cut_with_a_sign_and_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = shown(60, monkeypatch=monkeypatch)
    assert out.splitlines()[1] == 'Jayson Tatum      30  a long remark about the ga…  ["x","y"]'
    assert err == "1 value cut: use -o wide.\n"
    assert max(map(len, out.splitlines())) <= 60


def test_columns_without_room_are_hidden_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = shown(40, monkeypatch=monkeypatch)
    assert out.splitlines()[0].split() == ["NAME", "POINTS", "NOTE"]
    assert err == "1 value cut, 1 column hidden (tags): use -o wide.\n"


def test_numbers_are_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    row: tuple[Any, ...] = ("a" * 100, 2**62, "b" * 100, [])
    out, _ = shown(60, [row, row], monkeypatch=monkeypatch)
    assert str(2**62) in out.splitlines()[1]


def test_wide_shows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = shown(40, wide=True, monkeypatch=monkeypatch)
    assert "does not fit" in out
    assert "TAGS" in out
    assert not err


def test_a_single_row_that_does_not_fit_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = shown(60, ROWS[:1], monkeypatch=monkeypatch)
    assert out.splitlines()[2] == "note    a long remark about the game that does not fit"
    assert not err


def test_names_and_values_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    out, _ = shown(100, [("a\x1b[2J\nb", 1, "\u202ex", ["\x07"])] * 2, monkeypatch=monkeypatch)
    assert r"a\x1b[2J\nb" in out
    assert r"\u202ex" in out
    assert "\x07" not in out
    assert len(out.splitlines()) == 3


def test_no_rows_have_a_heading(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(100, [], monkeypatch=monkeypatch)[0] == "NAME  POINTS  NOTE  TAGS\n"

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from nbactl.cli.show.console import Console
from nbactl.cli.show.stream import Stream
from nbactl.cli.show.text import Styled, copyable
from nbactl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.show.stream import Color


DAY, AT = "2024-01-13", "2026-11-29 21:59:09"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


_ROWS: list[list[str | Styled | None]] = [
    ["a long name", "1,234", "one"],
    [Styled("b", "red"), "5", None],
    ["[c]", "-0.5", ":smile:"],
]


def _table(file: io.StringIO, color: Color) -> list[str]:
    Stream(file, color, {}).table(["name", "rows", "remark"], _ROWS)
    return file.getvalue().splitlines()


def test_a_plain_table_aligns_numbers_to_the_right_and_leaves_data_as_they_are() -> None:
    assert _table(io.StringIO(), "never") == [
        "NAME          ROWS  REMARK",
        "a long name  1,234  one",
        "b                5",
        "[c]           -0.5  :smile:",
    ]


def test_a_table_on_a_terminal_without_colours_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert _table(Terminal(), "never") == _table(io.StringIO(), "never")


def test_long_names_go_over_several_lines_where_no_column_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    names = ["UpcomingPlayerGameContextProcessor", "p" * 34, "exec-26-team_defense_game_summary"]
    file = Terminal()
    Stream(file, "never", {}).table(["name", "date", "state", "started"], [[n, DAY, "running", AT] for n in names])
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[1] == "UpcomingPlayerGame  2024-01-13  running  2026-11-29 21:59:09"
    assert [line.split()[0] for line in lines[1:]] == [
        *("UpcomingPlayerGame", "ContextProcessor"),
        *("p" * 18, "p" * 16),
        *("exec-26-team_", "defense_game_", "summary"),
    ]


def test_a_table_on_a_terminal_keeps_within_it_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    file = Terminal()
    Stream(file, "never", {}).table(["run", "remark"], [["run-1m80bzk39dpsz39n", "words " * 12]])
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert file.getvalue().count("words") == 12


def test_nothing_is_cut_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    colors: tuple[Color, ...] = ("never", "always")
    for color in colors:
        file = io.StringIO()
        Stream(file, color, {}).table(["remark"], [["x" * 300]])
        assert "x" * 300 in file.getvalue()


def test_colours_are_written_only_where_wanted() -> None:
    colors: dict[Color, bool] = {"always": True, "never": False, "auto": False}
    for color, wanted in colors.items():
        file = io.StringIO()
        Stream(file, color, {}).print("it is ", Styled("red", "red"), " [not bold]")
        assert ("\x1b[31m" in file.getvalue()) is wanted
        assert "[not bold]" in file.getvalue()


def test_glyphs_have_a_plain_form() -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert Stream(ascii_only, "auto", {}).glyph("✓", "ok") == "ok"
    assert Stream(Terminal(), "auto", {}).glyph("✓", "ok") == "✓"


@pytest.mark.parametrize(("environ", "live"), [({}, True), ({"TERM": "dumb"}, False), ({"CI": "1"}, False)])
def test_live_displays_need_a_terminal_that_can_be_drawn_over(environ: dict[str, str], *, live: bool) -> None:
    assert Stream(Terminal(), "auto", environ).is_live is live
    assert not Stream(io.StringIO(), "auto", environ).is_live


def _console(answer: str | None = None, *, yes: bool = False, no_input: bool = False) -> tuple[Console, io.StringIO]:
    stdin = io.StringIO() if answer is None else Terminal(answer)
    err = Terminal()
    return Console(yes=yes, no_input=no_input, environ={}, stdin=stdin, stdout=io.StringIO(), stderr=err), err


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_a_question_is_asked_on_stderr_and_only_yes_is_yes(answer: str, *, agreed: bool) -> None:
    console, err = _console(answer)
    assert console.confirm("Delete it?") is agreed
    assert "Delete it? [y/N] " in err.getvalue()


def test_yes_answers_without_asking() -> None:
    console, err = _console(yes=True)
    assert console.confirm("Delete it?")
    assert err.getvalue() == ""


@pytest.mark.parametrize(("answer", "no_input"), [(None, False), ("y\n", True)])
def test_where_nobody_can_be_asked_it_is_refused_with_exit_2(answer: str | None, *, no_input: bool) -> None:
    console, _ = _console(answer, no_input=no_input)
    with pytest.raises(UsageError) as refused:
        console.confirm("Delete it?")
    assert refused.value.exit_code == 2
    assert refused.value.next_step == "Add --yes to go ahead."


def test_quiet_silences_notes_but_no_warning_and_no_error() -> None:
    err = io.StringIO()
    console = Console(quiet=True, environ={}, stdout=io.StringIO(), stderr=err)
    console.note("a note")
    console.detail("a detail")
    console.warn("a warning")
    console.error(ConfigError("it is wrong", cause="a typo", next_step="Correct it."))
    assert err.getvalue() == ("warning: a warning\nerror: it is wrong\n  cause: a typo\n  next:  Correct it.\n")
    assert console.warnings == ["a warning"]


def test_a_narrow_terminal_leaves_out_optional_columns_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, rows = ["run", "rows", "state", "started"], [["run-1m80bzk39dpsz39n", "5", "done", "2024-01-15 23:00"]]
    shown = {}
    for width in ("120", "45", "40"):
        monkeypatch.setenv("COLUMNS", width)
        file = Terminal()
        Stream(file, "never", {}).table(columns, rows, optional=["started", "rows"])
        shown[width] = file.getvalue().splitlines()[0].split()
    assert shown == {
        "120": ["RUN", "ROWS", "STATE", "STARTED"],
        "45": ["RUN", "ROWS", "STATE"],
        "40": ["RUN", "ROWS", "STATE"],
    }


def test_characters_of_double_width_keep_the_columns_straight() -> None:
    file = io.StringIO()
    Stream(file, "never", {}).table(["a", "b"], [["日本", "x"], ["Jokić", "y"], ["e\u0301", "z"]])
    assert file.getvalue().splitlines() == ["A      B", "日本   x", "Jokić  y", "e\u0301      z"]


def test_hanging_text_keeps_its_indent_and_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    file = Terminal()
    Stream(file, "never", {}).print_hanging("cause: ", text="one two three four five six seven eight\nnext", indent=7)
    assert file.getvalue().splitlines() == ["cause: one two three four five six seven", "       eight", "       next"]


_WIDE = [["run-1", "succeeded", "2024-01-15 23:00:01 EST", "morning_operations", "fine"]]
_COLUMNS = ["run", "state", "started", "name", "remark"]


def _on_terminal(monkeypatch: pytest.MonkeyPatch, *, wide: bool = False, **columns: Sequence[str]) -> tuple[str, str]:
    monkeypatch.setenv("COLUMNS", "60")
    out, err = Terminal(), io.StringIO()
    console = Console(environ={}, color="never", wide=wide, stdout=out, stderr=err)
    console.table(_COLUMNS, _WIDE, **columns)
    return out.getvalue().splitlines()[0], err.getvalue()


def test_a_narrow_terminal_hides_optional_columns_and_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    heading, note = _on_terminal(monkeypatch, optional=["name", "state"])
    assert heading.split() == ["RUN", "STATE", "STARTED", "REMARK"]
    assert note == "1 column hidden (name): use -o wide.\n"


def test_key_columns_never_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    heading, note = _on_terminal(monkeypatch, key=["run", "started"])
    assert {"RUN", "STARTED"} <= set(heading.split())
    assert "hidden" in note


def test_wide_shows_every_column_however_narrow_the_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    heading, note = _on_terminal(monkeypatch, wide=True, optional=["name", "state"])
    assert heading.split() == [column.upper() for column in _COLUMNS]
    assert note == ""


def test_a_cell_is_never_wrapped_inside_of_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    file = Terminal()
    word = "upcoming-team-game-context-of-the-season"
    Stream(file, "never", {}).table(["name", "remark"], [["x" * 16, f"see {word} now"]])
    assert word in file.getvalue()


def test_a_command_in_a_table_stays_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    file = Terminal()
    command = "nbactl runs show run-1m80bzk39dpsz39n -v --target gcp"
    Stream(file, "never", {}).table(["name", "look"], [["x", copyable(command)]])
    assert command in file.getvalue()


@pytest.mark.parametrize(("shown", "note"), [(20, "Showing 20 of 1,328 runs. Use --limit to see more.\n"), (1328, "")])
def test_rows_that_are_left_out_are_counted(shown: int, note: str) -> None:
    err = io.StringIO()
    Console(environ={}, stdout=io.StringIO(), stderr=err).showing(shown, 1328, "runs", more="Use --limit to see more.")
    assert err.getvalue() == note


def test_inv_28_a_line_and_an_error_show_control_characters() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(environ={}, stdout=out, stderr=err)
    console.print("a\x1b[31mb\n", Styled("c\x07", "red"))
    console.note("n\x9b")
    console.error(ConfigError("m\x1b]0;t\x07", cause="c\x1bc", next_step="s\x1b"))
    assert out.getvalue() == "a\\x1b[31mb\nc\\x07\n"
    assert not set(err.getvalue()) & set("\x1b\x07\x9b")


def test_inv_28_a_line_break_in_a_cell_breaks_no_table() -> None:
    out = io.StringIO()
    Stream(out, "never", {}).table(["name", "rows"], [["a\nFAKE  9", "1"], ["b", "2"]])
    assert out.getvalue().splitlines() == ["NAME        ROWS", "a\\nFAKE  9     1", "b              2"]

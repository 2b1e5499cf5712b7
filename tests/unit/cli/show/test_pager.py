"""Paging: when it is used, and what the pager gets."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.show.console import Console
from nbactl.cli.show.pager import pager_of

if TYPE_CHECKING:
    from pathlib import Path


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Screen:
    """A terminal of 40 x 10, and a pager that writes what it gets to a file."""

    def __init__(self, folder: Path) -> None:
        self.paged = folder / "paged"
        script = folder / "pager"
        script.write_text(f'#!/bin/sh\necho "$LESS" > {folder}/less\ncat > {self.paged}\n')
        script.chmod(0o755)
        self.environ = {"PAGER": str(script), "PATH": os.environ["PATH"], "TERM": "xterm"}
        self.out, self.err = Terminal(), Terminal()

    def show(self, lines: list[str], **options: Any) -> None:
        environ = {**self.environ, **options.pop("environ", {})}
        out = options.pop("out", self.out)
        console = Console(environ=environ, stdout=out, stderr=self.err, color="never", **options)
        with console.paged():
            for line in lines:
                console.print(line)
            console.note("the note")


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((40, 10)))
    return Screen(tmp_path)


def test_what_is_longer_than_the_screen_goes_to_the_pager_and_notes_come_after_it(screen: Screen) -> None:
    screen.show([f"line {number}" for number in range(20)])
    assert screen.paged.read_text().splitlines() == [f"line {number}" for number in range(20)]
    assert not screen.out.getvalue()
    assert screen.err.getvalue() == "the note\n"
    assert screen.paged.with_name("less").read_text() == "RSX\n"


def test_what_fits_does_not(screen: Screen) -> None:
    screen.show(["line"] * 8)
    assert screen.out.getvalue() == "line\n" * 8
    assert not screen.paged.exists()


def test_lines_that_are_too_long_do_with_wide_output_only(screen: Screen) -> None:
    screen.show(["x" * 50])
    assert not screen.paged.exists()
    screen.show(["x" * 50], wide=True)
    assert screen.paged.read_text() == "x" * 50 + "\n"


@pytest.mark.parametrize(
    "options",
    [{"no_input": True}, {"environ": {"TERM": "dumb"}}, {"environ": {"PAGER": "cat"}}, {"environ": {"PAGER": ""}},
     {"environ": {"PAGER": "no-such-pager-here"}}],
)  # fmt: skip
def test_without_a_person_or_a_pager_everything_is_written(options: dict[str, Any], screen: Screen) -> None:
    screen.show(["line"] * 20, **options)
    assert screen.out.getvalue() == "line\n" * 20
    assert not screen.paged.exists()


def test_where_stdout_is_no_terminal_nothing_is_paged(screen: Screen) -> None:
    piped = io.StringIO()
    screen.show(["line"] * 20, out=piped)
    assert piped.getvalue() == "line\n" * 20
    assert not screen.paged.exists()


def test_a_pager_may_have_options() -> None:
    assert pager_of({"PAGER": "sh -c cat"}) == ["sh", "-c", "cat"]


def test_a_failure_on_the_way_shows_what_there_was(screen: Screen) -> None:
    console = Console(environ=screen.environ, stdout=screen.out, stderr=screen.err, color="never")

    def fail() -> None:
        with console.paged():
            console.print("first")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail()
    assert screen.out.getvalue() == "first\n"

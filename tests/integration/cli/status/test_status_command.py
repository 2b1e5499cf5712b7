from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import termios
from typing import TYPE_CHECKING

import pytest

from tests.kit.paths import ROOT
from tests.kit.small_project import DATE, Project, project

if TYPE_CHECKING:
    from pathlib import Path

DAY = ("--date", DATE)


@pytest.fixture
def here(tmp_path: Path) -> Project:
    return project(tmp_path / "project")


def test_the_board_before_anything_ran_is_in_order_and_makes_no_files(here: Project) -> None:
    board = here.data("status", *DAY)
    assert [(phase["name"], phase["state"], phase["waits_for"]) for phase in board["phases"]] == [
        ("first", "missing", []),
        ("second", "missing", ["first"]),
    ]
    assert not here.state.exists()


def test_the_board_of_a_date_of_which_nothing_is_expected_says_why(here: Project) -> None:
    assert here.data("status", *DAY)["idle"] is None
    shown = here.run("status", "--date", "2024-12-24").stdout
    assert "Nothing is expected on 2024-12-24: the schedule has no games\n" in shown
    assert here.data("status", "--date", "2024-12-24")["idle"]["kind"] == "no_games"
    assert here.data("status", "--date", "2031-01-01")["idle"] is None, "nobody knows"
    assert not here.state.exists()
    here.run("run", "first", "--date", "2024-12-24")
    assert here.data("status", "--date", "2024-12-24")["idle"] is None, "something was done"


def test_the_time_of_the_board_names_its_zone(here: Project) -> None:
    assert here.run("status", *DAY).stdout.splitlines()[0].endswith(" Eastern")
    assert here.run("status", *DAY, "--utc").stdout.splitlines()[0].endswith(" UTC")


def test_a_failed_phase_ends_with_1_and_is_named(here: Project) -> None:
    here.run("run", "second", *DAY, code=1)
    text = here.run("status", *DAY, code=1).stdout
    assert "first   ✓ succeeded  1/1" in text
    assert "second  ✗ failed     0/2              failed: bad; not done: after_bad" in text
    assert "Failures\n" in text
    assert "bad: bad cannot <go> on" in text
    document = json.loads(here.run("status", *DAY, "-o", "json", code=1).stdout)
    board = document["data"]
    assert document["ok"] is False
    assert document["error"]["code"] == "check_failed"
    assert document["error"]["message"] == f"{DATE}: 1 failed (second)"
    assert board["wrong"] is True
    assert board["failures"][0]["name"] == "second"


def test_another_source_has_its_own_board(here: Project, nba_data: Path) -> None:
    here.run("run", "first", *DAY)
    board = here.data("status", "--date", "2024-01-15", "--source", f"path:{nba_data}")
    assert {phase["state"] for phase in board["phases"]} == {"missing"}


def test_watching_without_a_terminal_tells_each_change_until_ctrl_c(here: Project) -> None:
    watcher = here.start("status", *DAY, "--watch", "-o", "jsonl")
    assert watcher.stdout is not None
    assert json.loads(watcher.stdout.readline())["phases"][0]["state"] == "missing"
    here.run("run", "first", *DAY)
    states: list[str] = []
    while "succeeded" not in states:
        states.append(json.loads(watcher.stdout.readline())["phases"][0]["state"])
    assert "missing" not in states, "only changes are told"
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate(timeout=30)
    assert watcher.returncode == 0, said


def test_watching_as_one_document_is_refused(here: Project) -> None:
    assert "jsonl" in here.run("status", "--watch", "-o", "json", code=2).stderr


def test_watching_on_a_terminal_draws_in_place_and_gives_the_screen_back(here: Project) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (30, 100))
    environment = {**here.environment, "TERM": "xterm-256color"}
    environment.pop("CI", None)
    with subprocess.Popen(
        here.command("status", *DAY, "--watch"), stdout=slave, stderr=slave, env=environment, cwd=ROOT
    ) as watcher:
        os.close(slave)
        screen = b""
        while b"Press Ctrl-C" not in screen:
            screen += os.read(master, 4096)
        watcher.send_signal(signal.SIGINT)
        try:
            while part := os.read(master, 4096):
                screen += part
        except OSError:  # Linux: the other end was closed
            pass
    os.close(master)
    assert watcher.returncode == 0
    assert screen.index(b"\x1b[?1049h") < screen.index(b"first")
    assert screen.rstrip().endswith(b"\x1b[?1049l")

"""The examples of docs/data.md print what the page says."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import environment
from tests.kit.paths import ROOT
from tests.kit.warm import put_on_path

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLES = [
    (command, output)
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder / '.bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment({"PATH": path}),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page")
    put_on_path(made / ".bin")
    assert run("nbactl run phase3", made).returncode == 0
    return made


@pytest.mark.parametrize(("command", "output"), EXAMPLES)
def test_an_example_prints_what_the_page_says(command: str, output: str, folder: Path) -> None:
    done = run(command, folder)
    assert output in (done.stdout, done.stderr)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5

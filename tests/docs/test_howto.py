"""The how-to pages: what they show is executed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.kit.paths import ROOT
from tests.kit.warm import put_on_path

if TYPE_CHECKING:
    from pathlib import Path

PAGES = ROOT / "docs" / "howto"
YAML_FILES = ("workflows.yaml", "timeouts.yaml", "flags.yaml")
AFTER = {
    "nbactl/warehouse/tables.yaml": None,
    "nbactl/pipeline/registry.py": "PROCESSORS: Final[Mapping[str, str]] = {\n",
    "nbactl/pipeline/transform.py": "_MADE_OF: Final = {\n",
}
"""The line after which a block goes into a file; None for its end."""


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.DOTALL)


def placed(page: str) -> list[tuple[str, str | None, str]]:
    """Return file, key and block of every block that a sentence with a file name announces."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = []
    for sentence, block in re.findall(r"([^\n]+(?:\n[^\n]+)*):\n\n```(?:yaml|sql|python)\n(.*?)```", text, re.DOTALL):
        file = re.findall(r"`([\w/.]+\.(?:yaml|sql|py))`", sentence)[-1]
        key = re.match(r"Under `(\w+)`", sentence)
        found.append((file, key and key[1], block))
    return found


def insert(file: Path, block: str, after: str | None) -> None:
    """Put a block behind a line that is there once, or at the end."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if after is None:
        file.write_text(f"{text}\n{block}" if text else block, encoding="utf-8")
        return
    assert text.count(f"\n{after}") == 1, f"{after!r} in {file}"
    file.write_text(text.replace(f"\n{after}", f"\n{after}{block}"), encoding="utf-8")


def run_scripts(page: str, folder: Path, package: Path) -> str:
    """Run the shell blocks of a page in `folder`, with the nbactl of `package`."""
    script = folder / "bin" / "nbactl"
    if package == ROOT:
        put_on_path(script.parent)
    else:
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nbactl "$@"\n')
        script.chmod(0o755)
    kept = {key: os.environ[key] for key in ("HOME", "TMPDIR", "LANG") if key in os.environ}
    done = subprocess.run(
        ["sh", "-ec", "".join(blocks(page, "sh"))],
        cwd=folder,
        env={
            **kept,
            "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(package),
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("page", ["command.md", "adapter.md", "rule.md"])
def test_the_examples_run(page: str, tmp_path: Path) -> None:
    examples = blocks(page, "python")
    assert examples
    for number, example in enumerate(examples, 1):
        exec(compile(example, f"{page}, example {number}", "exec"), {"state_dir": tmp_path})  # noqa: S102 - our own text


def test_the_parser_that_is_shown_is_the_one_that_there_is() -> None:
    shown = re.findall(r"^\s+(\w+ = .*|return .*)$", blocks("command.md", "python")[1], re.MULTILINE)
    real = (ROOT / "nbactl" / "cli" / "leases" / "parser.py").read_text(encoding="utf-8")
    assert shown[-1] in real


def test_a_processor_is_added_as_the_page_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "nbactl", tmp_path / "nbactl")  # with what is compiled
    for name in YAML_FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    steps = placed("processor.md")
    assert len(steps) == 5
    for file, key, block in steps:
        insert(tmp_path / file, block, f"{key}:\n" if key else AFTER.get(file))
    output = run_scripts("processor.md", tmp_path, tmp_path)
    assert re.search(r"team_scores +✓ succeeded +18\b", output), output


def test_a_workflow_is_added_as_the_page_says(tmp_path: Path) -> None:
    for name in YAML_FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    steps = placed("workflow.md")
    assert len(steps) == 3
    for file, key, block in steps:
        assert key
        insert(tmp_path / file, block, f"{key}:\n")
    output = run_scripts("workflow.md", tmp_path, ROOT)
    assert re.search(r"disk_space +✓ succeeded", output), output
    assert "07:30" in output


def test_every_how_to_page_is_tested_here() -> None:
    assert {page.name for page in PAGES.iterdir()} == {
        "command.md",
        "adapter.md",
        "rule.md",
        "processor.md",
        "workflow.md",
    }

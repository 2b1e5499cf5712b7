from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import environment

if TYPE_CHECKING:
    from pathlib import Path

_COMPLETE_IN_BASH = r"""
source <(nbactl completion bash)
COMP_LINE=$1
COMP_POINT=${#COMP_LINE}
read -ra COMP_WORDS <<< "${COMP_LINE//=/ = }"
[[ $COMP_LINE == *" " || $COMP_LINE == *= ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_nbactl nbactl
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nbactl he", {"heal", "help"}),
        ("nbactl help exit", {"exit-codes"}),
        ("nbactl help --out", {"--output"}),
        ("nbactl --output ", {"table", "wide", "json", "jsonl", "yaml", "csv"}),
        ("nbactl help -o j", {"json", "jsonl"}),
        ("nbactl help --output=js", {"json", "jsonl"}),
        ("nbactl help --output=", {"table", "wide", "json", "jsonl", "yaml", "csv"}),
        ("nbactl -o json completion ", {"bash", "zsh", "fish"}),
        ("nbactl config exp", {"explain"}),
        ("nbactl tables show nba_raw.g", {"nba_raw.games", "nba_raw.games_quarantine"}),
        ("nbactl tables list --dataset nba_p", {"nba_precompute", "nba_predictions"}),
        ("nbactl quarantine list --reason missing_m", {"missing_minutes"}),
        ("nbactl nothing-like-this ", {""}),
        ("nbactl run phase", {f"phase{number}" for number in range(1, 7)}),
        ("nbactl run phase3 --only team_offense", {"team_offense_game_summary"}),
        ("nbactl run phase3 --date ", {"latest", "today", "yesterday", "tomorrow"}),
        ("nbactl run phase3 --source s", {"sample"}),
        ("nbactl runs show ", {"last"}),
        ("nbactl runs list --status f", {"failed"}),
        ("nbactl runs list --name phase1", {"phase1"}),
        ("nbactl runs list --group ", {""}),
        ("nbactl runs logs last --level w", {"warning"}),
        ("nbactl flags set query", {"query_caching"}),
        ("nbactl flags rollout start query", {"query_caching"}),
        ("nbactl flags rollout abort ", {""}),
        ("nbactl config explain state", {"state_dir"}),
        ("nbactl config explain phases.phase3.de", {"phases.phase3.description", "phases.phase3.deadline"}),
        ("nbactl --config-dir nowhere run phase", {""}),
    ],
)
def test_bash_completes(command_on_path: Path, tmp_path: Path, line: str, expected: set[str]) -> None:
    bash = shutil.which("bash")
    assert bash, "bash is needed"
    path = f"{command_on_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "--norc", "-c", _COMPLETE_IN_BASH, "bash", line],
        env=environment({"PATH": path}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert set(done.stdout.removesuffix("\n").split("\n")) == expected
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_meaning_beside_each_candidate(command_on_path: Path, tmp_path: Path, shell: str) -> None:
    separator = {"zsh": ":", "fish": "\t"}[shell]
    done = subprocess.run(
        [command_on_path / "nbactl", "completi"],
        env=environment({"_NBACTL_COMPLETE": shell}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"completion{separator}Print the completion script of your shell.\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_can_read(command_on_path: Path, tmp_path: Path, shell: str) -> None:
    binary = shutil.which(shell)
    if binary is None:
        pytest.skip(f"{shell} is not installed here; its script is read where it is")
    script = subprocess.run(
        [command_on_path / "nbactl", "completion", shell],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    (tmp_path / "script").write_text(script)
    subprocess.run([binary, "-n", str(tmp_path / "script")], timeout=60, check=True)

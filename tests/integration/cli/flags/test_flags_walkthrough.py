"""The commands of docs/flags.md, executed in their order."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from tests.integration.cli.conftest import environment
from tests.kit.paths import ROOT
from tests.kit.warm import put_on_path

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (ROOT / "docs" / "flags.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def test_the_commands_of_the_documentation_work(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("request-1\nrequest-17\n")
    (tmp_path / "service.py").write_text("")
    put_on_path(tmp_path / "bin")
    night, rollout, stages, in_step = SCRIPTS
    script = stages + rollout + in_step + night
    for command, refused in (
        ("flags check .", 1),  # nothing here uses the flags
        ("flags rollout advance query_caching", 6),  # paused, and not baked
        ("flags sync --dry-run", 4),  # target local has no deployed services
        ("flags sync --reason 'left from a test'", 4),
    ):
        assert script.count(command) == 1
        script = script.replace(command, f"{command} && exit 99 || test $? = {refused} ")
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=tmp_path,
        env=environment({"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "export ENABLE_QUERY_CACHING=false" in done.stdout

"""What timeouts.yaml keeps is kept as long as it says (invariant 22), and every kind is named once (invariant 21)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.integration.config.keys import proves
from tests.integration.config.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_DAY = 86_400


@proves("timeouts.yaml: retention.*.keep")
def test_inv_22_keep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path, capsys)
    report = project.folder / "state" / "crash" / "a.txt"
    report.parent.mkdir(parents=True)
    report.write_text("crashed")
    os.utime(report, (time.time() - 40 * _DAY,) * 2)
    for keep, found in (("90d", 0), ("30d", 1)):
        project.timeouts["retention"]["crash_reports"]["keep"] = keep
        [kind] = project.command("prune", "--kind", "crash_reports", "--dry-run")["data"]["kinds"]
        assert (kind["found"], kind["keep_s"]) == (found, float(keep.removesuffix("d")) * _DAY)


def test_inv_21_every_kind_is_named_and_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path, capsys)
    project.timeouts["retention"]["run_log"] = project.timeouts["retention"].pop("run_logs")
    assert project.problems() == [
        "retention lacks 'run_logs'. Did you mean 'run_log'?",
        "'run_log' is not a kind of what nbactl keeps. Did you mean 'run_logs'?",
    ]

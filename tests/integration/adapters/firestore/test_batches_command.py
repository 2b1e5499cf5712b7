"""`nbactl batches` on target gcp: the same documents, and nothing is changed without being asked."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import uuid
from datetime import date
from typing import TYPE_CHECKING

from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.testing import emulator_documents
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_on_gcp_a_batch_is_completed_and_brought_back_only_on_request(firestore_address: str, tmp_path: Path) -> None:
    project = f"test-{uuid.uuid4().hex[:20]}"
    store = emulator_documents(firestore_address, project)
    tracker = CompletionTracker(
        store,
        SystemClock(),
        mode=lambda _: mode_of(CompletionStage.LEGACY, {}),
        acting=30.0,
        retry=NO_RETRY,
        rng=random.Random(1),
    )
    tracker.create_batch("night", GameDate(date(2024, 1, 15)), 2, "corr")
    tracker.record_completion("night", "a", 3)

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "nbactl", "batches", *arguments, "--target", "gcp", "--project", project],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "FIRESTORE_EMULATOR_HOST": firestore_address, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    assert "Add --yes" in run("complete", "night", code=2).stderr
    assert not tracker.progress("night").is_complete
    run("reset", "night", "--yes")
    assert tracker.progress("night").completed == 0
    assert "Add --yes" in run("reset", "night", "--undo", code=2).stderr
    run("reset", "night", "--undo", "--yes")
    shown = json.loads(run("show", "night", "-o", "json").stdout)["data"]["batch"]
    assert (shown["completed"], shown["predictions"], shown["is_complete"]) == (1, 3, False)
    store.close()

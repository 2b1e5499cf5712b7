"""What a shell completes for batches, breakers, messages and stages: names from the store, with a meaning."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.outbox.outbox import Outbox
from nbactl.testing import memory_bus
from tests.integration.cli.conftest import environment
from tests.kit.batches import add_batch, open_documents

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("batches", "show", "night"), ["night-1\t2 of 4 completed"]),
        (("batches", "reset", "la"), ["last\tThe newest batch"]),
        (("migrate", "completions", "--batch", "n"), ["night-1\t2 of 4 completed"]),
        (("migrate", "completions", "--to", "re"), ["reads_switched"]),
        (("breakers", "reset", "sta"), ["stats_nba"]),
        (("outbox", "drive", "phase3"), ["phase3/2024-01-15/1\ttopic"]),
    ],
)
def test_names_are_completed(
    command_on_path: Path, tmp_path: Path, words: tuple[str, ...], expected: list[str]
) -> None:
    state = tmp_path / ".nbactl"
    add_batch(state, "night-1", completed=2)
    store, clock = open_documents(state), SystemClock()
    outbox = Outbox(store, memory_bus(clock), clock, redrive_after=60.0, keep=60.0)
    store.commit([outbox.message("phase3/2024-01-15/1", "topic", {})])
    store.close()
    done = subprocess.run(
        [command_on_path / "nbactl", *words],
        env=environment({"_NBACTL_COMPLETE": "fish"}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [line.rstrip("\t") for line in done.stdout.splitlines()] == expected

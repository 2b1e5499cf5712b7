from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.kit.called import call_nbactl
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path


class Nbactl(Protocol):
    """Runs nbactl as a process of its own in an empty directory."""

    directory: Path

    def __call__(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]: ...


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a fresh shell has, with this checkout importable; nothing that changes nbactl's behaviour."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "LANG") if key in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


@pytest.fixture
def nbactl(tmp_path: Path) -> Nbactl:
    class Runner:
        directory = tmp_path

        def __call__(
            self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
        ) -> subprocess.CompletedProcess[str]:
            return call_nbactl([*arguments], cwd=tmp_path, env=environment(env), stdin=stdin)

    return Runner()


@pytest.fixture
def command_on_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an executable `nbactl` in it."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "nbactl"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nbactl "$@"\n')
    script.chmod(0o755)
    return folder

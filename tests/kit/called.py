"""nbactl called in the process of the test, with a folder, an environment and streams of its own.

That costs a third of a process of its own (`tests/kit/warm.py`), which remains for what is about processes.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from nbactl.cli.main import main
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def call_nbactl(
    arguments: list[str], *, cwd: Path, env: Mapping[str, str], stdin: str = "", encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """Run a command as `run_nbactl` does, in this process where it can be.

    A command that is killed or delayed at a fault point, and one of several at a time, is a process. `encoding` is that
    of the output, in which not every character may be known.
    """
    if env.get("NBACTL_FAULTS") or threading.current_thread() is not threading.main_thread():
        return run_nbactl(arguments, cwd=cwd, env=env, stdin=stdin)
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(cwd):
        for name in os.environ.keys() - env.keys():
            patch.delenv(name)
        for name, value in env.items():
            patch.setenv(name, value)
        out, err = _stream(encoding=encoding), _stream(encoding=encoding)
        patch.setattr(sys, "stdin", _stream(stdin))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = main(arguments)
        return subprocess.CompletedProcess(["nbactl", *arguments], code, _text(out), _text(err))


def _stream(text: str = "", *, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode(encoding)), encoding=encoding, newline="")


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()

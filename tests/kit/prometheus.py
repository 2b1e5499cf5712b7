"""Debian's prometheus and promtool, for tests that want the real thing."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`; without it the test is skipped, or fails where it may not be."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} not found: install Debian's package prometheus"
    if os.environ.get("NBACTL_REQUIRE_EMULATORS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def nba_data() -> Path:
    """The folder of real NBA files, which is not part of the project."""
    given = os.environ.get("NBACTL_NBA_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[1] / "../shared/data/nba"
    if not folder.is_dir():
        if os.environ.get("NBACTL_REQUIRE_EMULATORS") == "1":
            pytest.fail(f"the real NBA files are not at {folder}; set NBACTL_NBA_DATA")
        pytest.skip(f"the real NBA files are not at {folder}; set NBACTL_NBA_DATA")
    return folder.resolve()

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from nbactl.adapters.sqlite import documents
from nbactl.testing.emulators import (
    firestore_emulator,
    missing_for_firestore,
    missing_for_pubsub,
    pubsub_emulator,
)
from tests.kit.budget import budget
from tests.kit.dealing import deal
from tests.kit.firestore_indexes import checked

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long an example takes says how busy the machine is, not whether the promise holds.
settings.register_profile(
    "busy machine", parent=budget(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")

# With all tests in memory, the default of 700 objects spends a seventh of the time on looking for garbage.
gc.set_threshold(10_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def _only_declared_indexes() -> Iterator[None]:
    """Hold every query of every test to the indexes that are declared: only production refuses one for want of them.

    SQLite's `select`, through which each query of a store in this process goes, raises MissingIndexError.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "select", checked(documents.select))  # type: ignore[attr-defined]
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have each worker begin with its share of the slow files."""
    items[:] = deal(
        items, lambda item: item.nodeid.partition("::")[0], int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    )


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


@pytest.fixture(scope="session")
def firestore_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host:port of Google's emulator: one for all workers of the session, gone when the last one ends."""
    _require(missing_for_firestore())
    with firestore_emulator(_shared(tmp_path_factory) / "firestore") as address:
        yield address


@pytest.fixture(scope="session")
def pubsub_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host:port of the Pub/Sub emulator, as that of Firestore's."""
    _require(missing_for_pubsub())
    with pubsub_emulator(_shared(tmp_path_factory) / "pubsub") as address:
        yield address


def _require(missing: str | None) -> None:
    if missing is not None:
        if os.environ.get("NBACTL_REQUIRE_EMULATORS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)


def _shared(factory: pytest.TempPathFactory) -> Path:
    folder = factory.getbasetemp()
    return folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder

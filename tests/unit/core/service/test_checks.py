from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.core.calls.breaker import Breaker, BreakerSettings
from nbactl.core.flags.client import FlagsHealth
from nbactl.core.service.health import breakers_check, disk_check, documents_check, flags_check
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock, memory_documents

if TYPE_CHECKING:
    from pathlib import Path


def test_the_document_store_is_asked_for_a_document_that_is_not_there() -> None:
    store = memory_documents()
    check = documents_check(store, 5.0)
    assert check.critical
    assert check.probe() is None
    store.close()


def test_an_open_breaker_is_a_flaw() -> None:
    clock = FakeClock()
    breaker = Breaker(BreakerSettings("odds", failure_rate=0.5, minimum_calls=1, open_for=30.0, window=60.0), clock)
    check = breakers_check({"odds": breaker}, 5.0)
    assert not check.critical
    assert check.probe() is None
    breaker.open("by hand")
    assert check.probe() == "open: odds"


def test_flags_that_are_not_refreshed_are_a_flaw() -> None:
    known = [
        FlagsHealth(None, 0, None, ()),
        FlagsHealth(None, 3, "down", ()),
        FlagsHealth(None, 0, None, ("odd salt",)),
    ]
    answers = [flags_check(lambda health=health: health, 5.0).probe() for health in known]  # type: ignore[misc]
    assert answers == [None, "not refreshed, 3 times in a row", "odd salt"]


def test_a_disk_that_is_full_fails_and_a_folder_that_is_not_made_yet_does_not(tmp_path: Path) -> None:
    assert disk_check(tmp_path / "not" / "yet", 1, 5.0).probe() is None
    with pytest.raises(UnavailableError, match="MiB are free"):
        disk_check(tmp_path, 1 << 62, 5.0).probe()

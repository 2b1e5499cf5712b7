from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kit.warehouse_process import end_all

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """End the processes that a test started, also when it fails: they may hold a file, and the CPU, for a minute."""
    yield
    end_all()

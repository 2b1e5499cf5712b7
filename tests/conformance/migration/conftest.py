from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.testing import FakeClock
from tests.kit.migration import Lab, PassingClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kit.engines import Engine


@pytest.fixture
def clock(engine: Engine) -> FakeClock:
    """A clock that moves when it is told to, or with the machine's where the store goes by that."""
    return PassingClock() if "clock" in engine.capabilities.lacks else FakeClock()


@pytest.fixture
def lab(engine: Engine, tmp_path: Path, clock: FakeClock) -> Iterator[Lab]:
    with closing(engine.open(clock)) as store:
        yield Lab(store, tmp_path / "exports", clock=clock)

"""A service counts the duplicates that it caught, by day, for the report."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.bootstrap import Container
from nbactl.bootstrap.service import ServiceContainer
from nbactl.config.settings import load_settings
from nbactl.core.observe import daily_counts
from nbactl.core.observe.daily_counts import DUPLICATES, DailyCounts, read_counts
from nbactl.testing import FakeClock, memory_documents

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_message_that_comes_again_is_counted_when_the_service_ends(tmp_path: Path) -> None:
    settings = load_settings({"state_dir": str(tmp_path / "state")}, {}, tmp_path)
    environ = {"ENABLE_IDEMPOTENCY_KEYS": "true"}
    with ServiceContainer("worker", settings, environ=environ) as app:
        for _ in range(3):
            app.idempotency.run("predict/b1/someone", lambda: 1)
        now = app.clock.now()
        assert read_counts(app.documents, DUPLICATES, now, now) == {}
        asyncio.run(app.graceful_stop.run())
    with Container(settings) as later:
        assert read_counts(later.documents, DUPLICATES, now, now) == {"messages": 2}


def test_counts_are_kept_by_day_and_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_counts, "FLUSH", 3)
    clock = FakeClock()
    store = memory_documents(clock)
    first, second = (DailyCounts(DUPLICATES, lambda: store, clock) for _ in range(2))
    for counts in (first, second):
        for name in ("messages", "messages", "completions", "messages"):
            counts.count(name)
    start = clock.now()
    assert read_counts(store, DUPLICATES, start, start) == {"messages": 4, "completions": 2}  # the last are not full
    clock.advance(86_400)
    first.flush()
    assert read_counts(store, DUPLICATES, start, clock.now())["messages"] == 5
    assert read_counts(store, DUPLICATES, start + timedelta(days=1), clock.now()) == {"messages": 1}
    store.close()

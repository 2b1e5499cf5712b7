from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from nbactl.core.lease.holder import is_dead
from nbactl.errors import UnavailableError
from nbactl.rollouts.guards import MetricReading, judge
from nbactl.rollouts.model import RolloutGuard
from nbactl.rollouts.sources import LedgerSource
from nbactl.testing import FakeClock, memory_documents
from nbactl.workflows.ledger import Ledger
from tests.kit.run_records import run, task
from tests.unit.rollouts.test_model import NOW, ROLLOUT


class Told:
    """A source with one reading before the rollout, and one since."""

    def __init__(
        self, name: str, before: MetricReading | None, now: MetricReading | None, *, down: bool = False
    ) -> None:
        self.name = name
        self._before, self._now, self._down = before, now, down

    def read(self, number: str, since: datetime, until: datetime) -> MetricReading | None:
        assert number == "error_rate"
        assert since < until
        if self._down:
            raise UnavailableError("gone")
        return self._before if until <= ROLLOUT.started_at else self._now


SPIKE = replace(ROLLOUT, guards=(RolloutGuard("spike", "error_rate_increase", 0.10, 3600.0, 10),))


@pytest.mark.parametrize(
    ("before", "now", "breached", "passed"),
    [
        (MetricReading(0.10, 100), MetricReading(0.1099, 100), False, True),
        (MetricReading(0.10, 100), MetricReading(0.12, 100), True, False),
        (MetricReading(0.10, 100), MetricReading(0.0, 100), False, True),
        (MetricReading(0.0, 100), MetricReading(0.05, 100), False, True),
        (MetricReading(0.0, 100), MetricReading(0.11, 100), True, False),
        (MetricReading(0.10, 9), MetricReading(0.5, 100), False, False),
        (None, MetricReading(0.5, 100), False, False),
        (MetricReading(0.10, 100), MetricReading(0.5, 9), False, False),
        (MetricReading(0.10, 100), None, False, False),
    ],
)
def test_an_increase_is_judged_by_what_was_before_the_rollout(
    before: MetricReading | None, now: MetricReading | None, breached: bool, passed: bool
) -> None:
    [verdict] = judge(SPIKE, [Told("a", before, now)], NOW + timedelta(hours=1))
    assert (verdict.breached, verdict.passed) == (breached, passed)


def test_the_next_source_is_asked_where_one_has_no_number_or_no_answer() -> None:
    full = Told("b", MetricReading(0.1, 100), MetricReading(0.1, 100))
    for first in (Told("a", None, None), Told("a", None, None, down=True)):
        [verdict] = judge(SPIKE, [first, full], NOW + timedelta(hours=1))
        assert verdict.passed
    [verdict] = judge(SPIKE, [Told("a", None, None, down=True)], NOW + timedelta(hours=1))
    assert (verdict.passed, verdict.why) == (False, "a does not answer: gone")


def test_the_history_of_runs_tells_failures_and_durations() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    ledger = Ledger(store, clock, is_dead=is_dead)
    begun = None
    for number in range(20):
        status = "failed" if number < 3 else "succeeded"
        record = replace(run(task("a", status, 0, 1), status=status, end=float(number + 1)), run_id=f"run-{number}")
        begun = record.started_at
        ledger.start(replace(record, finished_at=None), supersedes=None)
        ledger.commit([*ledger.end_writes(record), *ledger.task_writes(record.run_id, record.tasks)])
    assert begun is not None
    source, until = LedgerSource(ledger), begun + timedelta(hours=1)
    assert source.read("workflow_failure_rate", begun, until) == MetricReading(0.15, 20)
    assert source.read("error_rate", begun, until) == MetricReading(0.15, 20)
    assert source.read("p95", begun, until) == MetricReading(19.0, 20)
    assert source.read("p95", until, until) == MetricReading(0.0, 0)
    assert source.read("cost", begun, until) is None
    store.close()

"""The history of jobs: what each is said to be, page by page, within one time limit."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.bigquery import jobs
from nbactl.core._support.clock import SystemClock
from nbactl.errors import TimedOutError
from nbactl.ports.warehouse import Rows
from tests.kit.job_days import DECISIONS, GIB, TIMEOUT, JobDays, job_days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.warehouse import WarehouseJob


@pytest.fixture(scope="module")
def days() -> Iterator[JobDays]:
    """A script that writes (its load first), queries, a cache hit and a failure."""
    with job_days(1) as made:
        made.go_to(0.5)
        made.warehouse.load(
            DECISIONS, Rows(("game_date", "workflow_name"), [(date(2024, 1, 16), "b")] * 2), timeout=TIMEOUT
        )
        made.read(2 * GIB, "one", task="raw", run_id="run-1")
        made.read(GIB, "two", cache=True)
        made.read(GIB, "two", cache=True)
        with pytest.raises(Exception, match="there is no column"):
            made.warehouse.query(f"SELECT nothing FROM {DECISIONS}", timeout=TIMEOUT)  # noqa: S608 - a test's own
        made.go_to(1)
        yield made


def found(days: JobDays, **more: bool) -> list[WarehouseJob]:
    start = days.start + timedelta(days=0.25)
    return list(days.history.jobs(start, days.clock.now(), timeout=TIMEOUT, **more))


def test_a_job_says_what_it_read_wrote_and_cost(days: JobDays) -> None:
    [first] = [job for job in found(days) if job.labels == {"task": "raw", "run_id": "run-1"}]
    assert (first.kind, first.statement, first.bytes_billed, first.cache_hit) == ("query", "SELECT", 2 * GIB, False)
    assert (first.referenced, first.destination, first.error) == ((DECISIONS,), None, None)
    assert first.user == days.server.user
    assert first.slot_ms >= 1
    [insert] = [job for job in found(days) if job.statement == "INSERT" and job.destination == DECISIONS]
    assert insert.rows_changed == 2
    assert [job.destination is not None for job in found(days) if job.kind == "load"] == [True]


def test_a_script_is_its_statements_so_that_nothing_is_counted_twice(days: JobDays) -> None:
    kept = days.server.jobs()
    scripts = [job for job in kept if job["statement"] == "SCRIPT"]
    assert scripts[-1]["bytes_billed"] > 0
    assert {job.job_id for job in found(days)}.isdisjoint(job["id"] for job in scripts)
    billed = sum(job["bytes_billed"] for job in kept if job["parent"] == scripts[-1]["id"])
    assert sum(job.bytes_billed for job in found(days) if job.statement == "INSERT") == billed


def test_a_cache_hit_has_neither_hash_nor_tables_and_its_text_if_it_is_asked_for(days: JobDays) -> None:
    [hit] = [job for job in found(days) if job.cache_hit]
    assert (hit.query_hash, hit.referenced, hit.sql, hit.bytes_billed) == (None, (), None, 0)
    [hit] = [job for job in found(days, hit_texts=True) if job.cache_hit]
    assert "'two'" in (hit.sql or "")
    assert all(job.sql is None for job in found(days, hit_texts=True) if not job.cache_hit)


def test_literals_do_not_change_the_hash_and_a_failure_has_its_reason(days: JobDays) -> None:
    selects = [job for job in found(days) if job.statement == "SELECT" and job.referenced == (DECISIONS,)]
    assert len({job.query_hash for job in selects if job.error is None}) == 1
    assert [job.error for job in selects if job.query_hash is None] == ["invalidQuery"]
    key = next(job.query_hash for job in selects if job.query_hash)
    texts = days.history.query_texts([key, "none"], days.start, days.clock.now(), timeout=TIMEOUT)
    assert set(texts) == {key}
    assert "workflow_name = '" in texts[key]


def test_the_answer_is_read_page_by_page_and_a_page_again_if_it_fails(
    days: JobDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {job.job_id for job in found(days)}
    monkeypatch.setattr(jobs, "_PAGE", 3)
    before = len(days.server.requests)
    pages = found(days)
    assert len(days.server.requests) - before >= len(pages) // 3 + 1
    assert whole <= {job.job_id for job in pages}
    assert len({job.job_id for job in pages}) == len(pages)
    begun = days.history.jobs(days.start, days.clock.now(), timeout=TIMEOUT)
    next(begun)
    days.server.fail("GET", 503, "backendError")
    assert len(list(begun)) >= len(pages) - 1


def test_jobs_outside_of_the_time_are_left_out(days: JobDays) -> None:
    none = days.history.jobs(days.start + timedelta(days=0.6), days.start + timedelta(days=0.7), timeout=TIMEOUT)
    assert list(none) == []


class SlowAnswers(SystemClock):
    """Each answer takes ten seconds."""

    passed = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.passed


def test_one_limit_is_for_all_pages(days: JobDays, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SlowAnswers()
    whole, rows = len(found(days)), jobs._rows

    def slowly(*arguments: Any) -> Any:
        clock.passed += 10.0
        return rows(*arguments)

    monkeypatch.setattr(jobs, "_PAGE", 2)
    monkeypatch.setattr(jobs, "_rows", slowly)
    monkeypatch.setattr(days.history._calls, "clock", clock)
    monkeypatch.setattr(days.history._calls.reads, "clock", clock)
    read: list[str] = []
    with pytest.raises(TimedOutError):
        read.extend(job.job_id for job in days.history.jobs(days.start, days.clock.now(), timeout=55.0))
    clock.passed = 0.0
    assert len(list(days.history.jobs(days.start, days.clock.now(), timeout=3600.0))) > whole

"""How jobs are grouped and judged, and the text of queries without their literals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.ports.warehouse import WarehouseJob
from nbactl.warehouse.costs import usage
from nbactl.warehouse.costs.anomaly import LEAST_BYTES, judge
from nbactl.warehouse.costs.usage import OTHER, Groups, names_by
from nbactl.warehouse.prices import prices_in
from nbactl.warehouse.sql.normalized import normalized

if TYPE_CHECKING:
    from nbactl.warehouse.costs.usage import By

GIB = 2**30
FRIDAY = date(2024, 1, 19)
JOB = WarehouseJob(
    job_id="a", kind="query", statement="SELECT", created_at=datetime(2024, 1, 16, 4, 30, tzinfo=UTC), started_at=None,
    finished_at=None, bytes_processed=1, bytes_billed=10 * 2**20, slot_ms=5, cache_hit=False,
    labels={"task": "raw", "service": "loader"}, user="phase3@p.iam.gserviceaccount.com", destination="d.t",
    referenced=("d.a", "other-p.d.b", "d.nbactl_staging_rows_1"), query_hash="ff",
)  # fmt: skip


@pytest.mark.parametrize(
    ("by", "label", "names"),
    [
        ("label", "task", {"raw"}),
        ("label", "workflow", {"(none)"}),
        ("user", "", {JOB.user}),
        ("table", "", {"d.a", "other-p.d.b", "d.nbactl_staging_*"}),
        ("query", "", {"ff"}),
        ("hour", "", {"23:00"}),
        ("service", "", {"loader"}),
    ],
)
def test_a_job_has_its_groups(by: By, label: str, names: set[str]) -> None:
    assert set(names_by(by, label)(JOB)) == names


def test_a_job_without_what_names_it_has_a_group_too() -> None:
    bare = replace(JOB, labels={}, referenced=(), query_hash=None, cache_hit=True)
    assert names_by("service", "")(bare) == ("phase3",)
    assert names_by("service", "")(replace(bare, user="a@example.com")) == ("(people)",)
    assert names_by("table", "")(replace(bare, cache_hit=False)) == ("d.t",)
    assert names_by("table", "")(bare) == ("(cache hit)",)
    assert names_by("query", "")(bare) == ("(cache hit)",)


def test_memory_is_bounded_whatever_the_number_of_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MOST_GROUPS", 3)
    groups = Groups(1)
    for number in range(10):
        groups.get(str(number)).now.add(JOB)
    assert set(groups.found) == {"0", "1", "2", OTHER}
    assert groups.found[OTHER].now.jobs == 7


def test_a_day_is_judged_by_median_and_mad_of_its_weekday() -> None:
    usual = [100 * GIB, 104 * GIB, 96 * GIB, 102 * GIB, 1000 * GIB]
    found = judge("raw", FRIDAY, 200 * GIB, usual)
    assert found is not None
    assert (found.median, found.mad, found.weekdays) == (102 * GIB, 2 * GIB, 5)
    assert found.score == pytest.approx(0.6745 * 98 / 5.1), "the MAD counts as 5 % of the median at least"
    assert "Friday 2024-01-19 was billed for 200 GB, 2.0 times the median" in found.sentence("200 GB", "102 GB", "$1")


@pytest.mark.parametrize(
    ("billed", "before"),
    [
        (500 * GIB, [GIB] * 3),  # three weekdays are too few
        (LEAST_BYTES - 1, [0, 0, 0, 0]),  # too little to care
        (110 * GIB, [100 * GIB, 60 * GIB, 140 * GIB, 90 * GIB]),  # within what is usual
        (0, [100 * GIB] * 6),  # less is no anomaly
    ],
)
def test_a_day_is_no_anomaly(billed: int, before: list[int]) -> None:
    assert judge("raw", FRIDAY, billed, before) is None


def test_a_group_that_is_new_is_compared_with_nothing() -> None:
    found = judge("raw", FRIDAY, 50 * GIB, [0, 0, 0, 0])
    assert found is not None
    assert "against a median 0 B" in found.sentence("54 GB", "0 B", "$0.30")


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT a,\n  'x''y' -- why\nFROM d.t1 WHERE n = 1.5e3", "SELECT a, ?? FROM d.t1 WHERE n = ?"),
        ("SELECT @day, @@row_count, `p-1.d.2024`", "SELECT ?, @@row_count, `p-1.d.2024`"),
        ("SELECT 1 IN (1, 2,3), '''a'b''' /* c */ # d", "SELECT ? IN (?), ?"),
    ],
)
def test_a_query_is_shown_without_its_literals(sql: str, text: str) -> None:
    assert normalized(sql) == text


def test_capacity_is_priced_by_edition() -> None:
    prices = prices_in("us")
    assert {name: str(usd) for name, usd in prices.capacity(100).items()} == {
        "standard": "4.0000", "enterprise": "6.0000", "enterprise_plus": "10.0000",
    }  # fmt: skip
    assert str(prices.billed(2**40)) == "6.2500"

"""`nbactl bq apply`: old data are rewritten by ranges while others write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.cli.bq.conftest import days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.cli.bq.conftest import Place

    Writing = Callable[[Callable[[int], None]], list[int]]

PLAIN = "CREATE TABLE `{t}` (day DATE, team STRING, n INT64, pad STRING) PARTITION BY day"
CLUSTERED = f"{PLAIN} CLUSTER BY team, n"
DAYS, ROWS = 8, 5
PAD = "REPEAT('x', 60000)"
SMALL = ("--max-bytes", "1MiB")
"""A range of one partition: a partition has 300 kB, and a statement is billed for 1 MiB at least."""


@pytest.fixture(autouse=True)
def small_bills(place: Place) -> Iterator[None]:
    """Statements are billed for the bytes that they read, so that a small limit makes small ranges."""
    least, place.server.limits.billed_minimum = place.server.limits.billed_minimum, 1
    yield
    place.server.limits.billed_minimum = least


def made(place: Place) -> None:
    place.create(PLAIN, *(f"{row[:-1]}, {PAD})" for row in days(DAYS, ROWS)), f"(NULL, 'none', 999, {PAD})")
    place.declare(CLUSTERED)
    plan = place.plan("--drift", "100000")
    assert plan["summary"]["rewrite"] == 1


def updates(place: Place) -> list[str]:
    text = f"UPDATE `{place.table}`"
    return [job["sql"] for job in place.server.jobs() if text in job["sql"] and job["parent"] is None]


@pytest.mark.usefixtures("low_gate")
def test_a_rewrite_killed_three_times_under_a_writer_loses_no_row(place: Place, writing: Writing) -> None:
    made(place)
    written = writing(
        lambda n: place.write(f"INSERT INTO `{place.table}` VALUES (DATE '2024-01-0{1 + n % DAYS}', 'W', {n}, NULL)")
    )
    for faults in (
        "apply.before_statement=kill@4",
        "apply.statement_done=kill@3",
        "migration.before_checkpoint=kill@2",
    ):
        assert place.apply(*SMALL, faults=faults).code == -9
    done = place.apply(*SMALL, "-o", "json")
    assert done.code == 0, done.err
    [table] = done.data["tables"]
    assert (table["stage"], table["resumed"]) == ("applied", True)
    assert written, "the writer wrote meanwhile"
    assert place.left() == []
    sure = written.copy()
    found = [n for (n,) in place.rows("n")]
    assert len(found) == len(set(found)), "no row is there twice"
    assert {*range(DAYS * ROWS), 999, *sure} <= set(found)


@pytest.mark.usefixtures("low_gate")
def test_each_range_is_rewritten_once_though_it_was_killed(place: Place) -> None:
    made(place)
    before = place.rows()
    assert place.apply(*SMALL, faults="migration.checkpointed=kill@4").code == -9
    done = place.apply(*SMALL, "-o", "json")
    assert done.code == 0, done.err
    assert done.data["tables"][0]["rows"] == DAYS * ROWS + 1
    assert place.rows() == before
    assert json.loads(done.out)["warnings"] == []
    assert done.err.count("ranges") >= 1
    assert len(updates(place)) == DAYS + 1, "each range once, and the rows without a partition"


@pytest.mark.usefixtures("low_gate")
def test_resumed_with_larger_ranges_no_partition_is_rewritten_again(place: Place) -> None:
    made(place)
    assert place.apply(*SMALL, faults="migration.checkpointed=kill@3").code == -9
    done = place.apply("-o", "json")
    assert done.code == 0, done.err
    assert done.data["tables"][0]["rows"] == DAYS * ROWS + 1
    assert len(updates(place)) == 3 + 1 + 1, "the days that are left in one, and the rows without a partition"


@pytest.mark.usefixtures("low_gate")
def test_a_limit_below_one_partition_is_explained(place: Place) -> None:
    made(place)
    small = place.apply("--max-bytes", "100kB")
    assert small.code == 6
    assert f"a statement on {place.table} would be billed" in small.err
    assert "Run the same command again with --max-bytes" in small.err
    assert place.apply("--max-bytes", "1GB").code == 0


@pytest.mark.usefixtures("low_gate")
def test_the_time_left_counts_the_pauses_of_a_rate(place: Place) -> None:
    made(place)
    done = place.apply(*SMALL, "--rate", "3MB/s", "-o", "jsonl")
    assert done.code == 0, done.err
    first = next(event for line in done.err.splitlines() if (event := as_json(line)).get("done") == 1)
    assert first["eta_s"] >= DAYS * 0.08, "a partition of 300 kB takes 0.1 s at this rate"


def as_json(line: str) -> dict[str, Any]:
    return json.loads(line) if line.startswith("{") else {}

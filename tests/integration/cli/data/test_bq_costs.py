"""`nbactl bq costs` against the loopback BigQuery server, over five weeks of jobs."""

from __future__ import annotations

import random
import re
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main
from nbactl.testing import emulator_documents
from nbactl.warehouse.costs.anomaly import judge
from nbactl.warehouse.costs.baseline import capture_baseline, record_applied, store_baseline
from nbactl.warehouse.costs.gain import measure_gain
from tests.integration.cli.data.conftest import Done
from tests.kit.bigquery import LOCATION
from tests.kit.job_days import DECISIONS, GIB, TIMEOUT, JobDays, job_days

if TYPE_CHECKING:
    from collections.abc import Iterator


DAYS = 37
CONTRACT = Path(__file__).resolve().parents[4] / "docs" / "contract.md"


@pytest.fixture(scope="module")
def days() -> Iterator[JobDays]:
    with five_weeks() as made:
        yield made


@contextmanager
def five_weeks() -> Iterator[JobDays]:
    """Each day one task reads 100 GiB, give or take; on the last day but one it reads 600."""
    rng = random.Random(7)
    with job_days(DAYS) as made:
        for day in range(DAYS):
            made.go_to(day + 0.5)
            made.read(600 * GIB if day == DAYS - 2 else (100 + rng.randrange(-5, 5)) * GIB, str(day), task="phase3")
            if day % 7 == 0:
                made.read(GIB, "b", task="phase4", service="loader")
        made.go_to(DAYS - 0.4)
        made.read(GIB, "c", cache=True, task="phase3")
        made.read(GIB, "c", cache=True, task="phase3")
        made.go_to(DAYS)
        yield made


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(days: JobDays, *words: str) -> Done:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", days.server.address)
        code = main(["bq", "costs", *words, "--target", "gcp", "--project", days.project, "--region", LOCATION])
        return Done(code, *capsys.readouterr())

    return run


def test_costs_are_those_of_the_jobs_and_compared_with_the_time_before(call: Any) -> None:
    with five_weeks() as days:  # in which no other command has asked
        check_costs(call, days)


def check_costs(call: Any, days: JobDays) -> None:
    data = call(days, "-o", "json").data
    begin = datetime.fromisoformat(data["since"])
    inside = [job for job in days.jobs() if job.created_at >= begin]
    total = data["total"]
    assert total["bytes_billed"] == sum(job.bytes_billed for job in inside)
    assert total["bytes_billed"] > 1100 * GIB
    assert total["cache_hits"] == 1
    assert float(total["usd"]) == pytest.approx(total["bytes_billed"] / 2**40 * 8.44, abs=0.001)
    assert call(days, "--since", "30d", "-o", "json").document["warnings"], "the time before is not known whole"
    assert 600 * GIB < data["before"]["bytes_billed"] < 800 * GIB
    by_task = {group["name"]: group for group in data["groups"]}
    assert list(by_task) == ["phase3", "phase4", "(none)"]
    assert by_task["phase4"]["bytes_billed"] == GIB
    assert set(data["capacity_usd"]) == {"standard", "enterprise", "enterprise_plus"}


def test_groups_are_lines_of_csv(call: Any, days: JobDays) -> None:
    lines = call(days, "-o", "csv").out.splitlines()
    assert lines[0] == "task,bytes_billed,usd,jobs,failed,cache_hits,slot_ms"
    assert lines[1].split(",")[0] == "phase3"


def test_a_query_is_one_whatever_its_literals(call: Any, days: JobDays) -> None:
    data = call(days, "--by", "query", "-o", "json").data
    [query] = [query for query in data["queries"] if "workflow_name = " in query["text"]]
    assert query["jobs"] == 9
    assert {group["name"] for group in data["groups"]} >= {query["query_hash"], "(cache hit)"}


def test_a_day_far_above_its_weekday_is_named_in_a_sentence(call: Any, days: JobDays) -> None:
    done = call(days)
    [anomaly] = call(days, "-o", "json").data["anomalies"]
    assert anomaly["group"] == "phase3"
    assert anomaly["weekdays"] >= 4
    assert anomaly["bytes_billed"] == 600 * GIB
    assert "times the median" in anomaly["text"]
    assert "Unusual days" in done.out
    assert "score" in done.out
    assert "Queries that cost most" in done.out
    assert "workflow_name = ?" in done.out


def test_a_group_that_is_new_has_no_score() -> None:
    found = judge("new", date(2024, 1, 15), 5_000 * GIB, [0, 0, 0, 0])
    assert found is not None
    said = found.sentence("5.4 TB", "0 B", "$30.00")
    assert said.endswith("against a median 0 B of the 4 Mondays before ($30.00 more).")


def test_bad_input_says_what_to_do(call: Any, days: JobDays, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(days, "--since", "7").code == 2
    assert call(days, "--since", "181d").code == 2
    assert call(days, "--by", "user", "--label", "task").code == 2
    assert call(days, "--applied", "nba_raw.games", "--by", "user").code == 2
    assert call(days, "--applied", "nba_raw.games", "--since", "8d").code == 2
    assert "no job has the label worflow" in call(days, "--label", "worflow").err
    for _ in range(2):  # the first look is a job in the other location, too
        elsewhere = call(days, "--location", "EU")
        assert (elsewhere.code, "in EU" in elsewhere.err) == (4, True)
    nothing = call(days, "--since", "1ms")
    assert (nothing.code, "--location" in nothing.err) == (4, True), "an answer about nothing is no success"
    days.server.deny("bigquery.jobs.listAll")
    try:
        denied = call(days)
    finally:
        days.server.allow()
    assert (denied.code, "roles/bigquery.resourceViewer" in denied.err) == (5, True)
    assert main(["bq", "costs"]) == 6
    assert "nothing is billed" in capsys.readouterr().err


def test_a_change_proves_its_gain_once_48_hours_are_in(
    call: Any, firestore_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    now = datetime.now(UTC)
    with job_days(38, until=now) as made, closing(emulator_documents(firestore_address, made.project)) as firestore:
        for day in range(28):
            made.go_to(day)
            made.read(100 * GIB)
        made.go_to(28)
        baseline = capture_baseline(made.history, DECISIONS, now=made.clock.now(), timeout=TIMEOUT)
        assert sum(numbers[0] for numbers in baseline["queries"][0]["weekdays"].values()) == 28
        store_baseline(firestore, baseline)
        unfinished = call(made, "--applied", DECISIONS)
        assert (unfinished.code, "bq apply" in unfinished.err) == (6, True)
        record_applied(firestore, DECISIONS, at=now - timedelta(hours=47))
        early = call(made, "--applied", DECISIONS, "-o", "json")
        assert (early.code, early.data["queries"]) == (6, [])
        record_applied(firestore, DECISIONS, at=made.clock.now() + timedelta(hours=1))
        for day in range(29, 38):
            made.go_to(day)
            made.read(20 * GIB)
        made.go_to(38)
        done = call(made, "--applied", DECISIONS, "-o", "json")
        assert done.code == 0
        promised = re.findall(r"`nbactl bq costs`.*with `--applied`: (.*) \|", CONTRACT.read_text())[0]
        assert set(re.findall(r"`(\w+)`", promised)) == set(done.data)
        [query] = done.data["queries"]
        assert (query["bytes_before"], query["bytes_after"]) == (100 * GIB, 20 * GIB)
        assert done.data["expected_bytes"] - done.data["bytes_billed"] == 9 * 80 * GIB
        shown = call(made, "--applied", DECISIONS)
        assert "saved" in shown.out
        assert "-80 %" in shown.out
        misspelt = call(made, "--applied", "nba_orchestration.workflow_decision")
    assert (misspelt.code, "Did you mean" in misspelt.err) == (4, True)


def test_only_the_same_weekdays_are_compared() -> None:
    until = datetime(2026, 3, 11, 17, 0, tzinfo=UTC)  # a Wednesday
    with job_days(31, until=until) as made:
        for day in range(28):
            made.go_to(day)
            weekend = made.clock.now().weekday() >= 5
            made.read(1000 * GIB if weekend else 10 * GIB)
        made.go_to(28)
        baseline = capture_baseline(made.history, DECISIONS, now=made.clock.now(), timeout=TIMEOUT)
        baseline["applied_at"] = made.clock.now() + timedelta(hours=1)
        for day in (29, 30):
            made.go_to(day)
            made.read(10 * GIB)
        made.go_to(31.1)
        gain = measure_gain(made.history, baseline, now=made.clock.now(), timeout=TIMEOUT)
    assert gain.expected == gain.billed == 20 * GIB, "the weekend is not held against two weekdays"
    assert gain.queries[0].bytes_before == 10 * GIB

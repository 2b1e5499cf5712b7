"""What every engine of the scheduler port must do."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from nbactl.adapters.cloudscheduler.jobs import CloudSchedulerJobs, JobsRegion
from nbactl.adapters.localjobs.jobs import LocalJobs
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.errors import AlreadyExistsError, DataError, NotAuthorisedError, NotFoundError, UnavailableError
from nbactl.ports.jobs import HttpTarget, JobSpec, TopicTarget, UnknownTarget
from nbactl.testing import FakeClock, memory_documents
from tests.kit.scheduler_server import PROJECT, REGION, Scheduler, scheduler_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.jobs import ScheduledJobs

NOW = datetime(2026, 3, 7, 12, 2, tzinfo=UTC)
URL = "https://nba-scrapers-xyz-wl.a.run.app"
HTTP = JobSpec(
    "morning",
    "30 7 * * 1-5",
    "America/New_York",
    HttpTarget(f"{URL}/scrape", "POST", b'{"a": 1}', {"Content-Type": "application/json"}, "oidc", "a@b.c", URL),
    attempt_deadline=600.0,
    retries=3,
    description="Every morning",
)
ONE_DOUBLING = {"retry_config": {"max_doublings": 1}}
TO_EXPORT = TopicTarget("nba-phase6-export-trigger", b"\x00\xff", {"by": "cron"})
TOPIC = JobSpec("export", "0 */2 * * *", "UTC", TO_EXPORT, other=ONE_DOUBLING)
OAUTH = replace(
    HTTP,
    name="tick",
    target=HttpTarget("https://run.googleapis.com/v2/x:run", token="oauth", account="a@b.c"),  # noqa: S106 - a kind
)


def client(server: Scheduler, clock: FakeClock, region: str = REGION) -> CloudSchedulerJobs:
    settings = CallSettings("scheduler", 90.0, RetryPolicy("scheduler", attempts=3, base=0.5, cap=10.0), 30.0)
    policy = CallPolicy(settings, clock=clock, rng=random.Random(1))
    return CloudSchedulerJobs(JobsRegion(PROJECT, region, f"http://{server.address}/"), policy, request=10.0)


@pytest.fixture(scope="module")
def running() -> Iterator[Scheduler]:
    with scheduler_server() as server:
        yield server


@pytest.fixture
def server(running: Scheduler) -> Scheduler:
    running.__dict__.update(Scheduler(address=running.address).__dict__)
    running.now = lambda: NOW
    return running


@pytest.fixture(params=["cloudscheduler", "localjobs"])
def jobs(request: pytest.FixtureRequest, server: Scheduler) -> Iterator[ScheduledJobs]:
    clock = FakeClock(NOW)
    if request.param == "localjobs":
        with closing(memory_documents(clock)) as documents:
            yield cast("ScheduledJobs", LocalJobs(documents, clock))
    else:
        with closing(client(server, clock)) as made:
            yield cast("ScheduledJobs", made)


@pytest.mark.parametrize("spec", [HTTP, TOPIC, OAUTH], ids=lambda spec: spec.name)
def test_a_job_is_as_it_was_created(jobs: ScheduledJobs, spec: JobSpec) -> None:
    made = jobs.create(spec)
    assert made.spec == spec
    assert (made.state, made.last_attempt_at, made.last_error) == ("enabled", None, None)
    assert made.changed_at == NOW
    assert made == jobs.get(spec.name)


def test_all_jobs_are_listed_by_name_with_their_next_run(jobs: ScheduledJobs) -> None:
    for spec in (HTTP, TOPIC, OAUTH):
        jobs.create(spec)
    found = jobs.list()
    assert [job.spec.name for job in found] == ["export", "morning", "tick"]
    assert found[0].next_run_at == datetime(2026, 3, 7, 14, tzinfo=UTC)
    # 07:30 in New York on Monday, after the night on which clocks change.
    assert found[1].next_run_at == datetime(2026, 3, 9, 11, 30, tzinfo=UTC)


def test_an_update_replaces_what_a_job_is_and_leaves_it_paused(jobs: ScheduledJobs) -> None:
    jobs.create(HTTP)
    jobs.pause(HTTP.name)
    other = replace(HTTP, schedule="0 6 * * *", retries=0, description="", attempt_deadline=60.0)
    assert jobs.update(other).spec == other
    assert jobs.get(HTTP.name).state == "paused"
    to_topic = replace(TOPIC, name=HTTP.name, other={})
    assert jobs.update(to_topic).spec.target == TOPIC.target
    assert jobs.update(HTTP).spec == HTTP


def test_pause_and_resume_may_be_repeated(jobs: ScheduledJobs) -> None:
    jobs.create(HTTP)
    assert [jobs.pause(HTTP.name).state for _ in range(2)] == ["paused", "paused"]
    assert jobs.get(HTTP.name).next_run_at is None
    assert [jobs.resume(HTTP.name).state for _ in range(2)] == ["enabled", "enabled"]


def test_what_is_not_there_is_not_found(jobs: ScheduledJobs) -> None:
    for verb in (jobs.get, jobs.pause, jobs.resume, jobs.run, jobs.delete):
        with pytest.raises(NotFoundError, match="no job nowhere"):
            verb("nowhere")
    with pytest.raises(NotFoundError, match="no job morning"):
        jobs.update(HTTP)


def test_what_is_there_is_not_created_again(jobs: ScheduledJobs) -> None:
    jobs.create(HTTP)
    with pytest.raises(AlreadyExistsError, match="morning"):
        jobs.create(replace(HTTP, schedule="1 1 * * *"))
    assert jobs.get(HTTP.name).spec == HTTP
    jobs.delete(HTTP.name)
    assert list(jobs.list()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"schedule": "61 * * * *"}, {"schedule": "0 0 30 2 *"}, {"timezone": "America/Gotham"}, {"attempt_deadline": 5.0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_inv_21_what_the_scheduler_cannot_take_is_refused(jobs: ScheduledJobs, wrong: dict[str, str]) -> None:
    with pytest.raises(DataError, match="morning"):
        jobs.create(replace(HTTP, **wrong))  # type: ignore[arg-type]
    assert list(jobs.list()) == []


def test_a_target_of_unknown_kind_cannot_be_written(jobs: ScheduledJobs) -> None:
    with pytest.raises(DataError):
        jobs.create(replace(HTTP, target=UnknownTarget("app_engine")))


class TestCloudScheduler:
    """What only Google's service can answer."""

    @pytest.fixture
    def jobs(self, server: Scheduler) -> Iterator[CloudSchedulerJobs]:
        with closing(client(server, FakeClock(NOW))) as made:
            yield made

    def test_a_target_that_nbactl_does_not_know_is_named(self, jobs: CloudSchedulerJobs, server: Scheduler) -> None:
        server.put("old", appEngineHttpTarget={"relativeUri": "/x"})
        assert jobs.get("old").spec.target == UnknownTarget("app_engine")

    def test_an_update_keeps_settings_that_nbactl_does_not_know(
        self, jobs: CloudSchedulerJobs, server: Scheduler
    ) -> None:
        server.put("morning", retryConfig={"retryCount": 1, "maxDoublings": 7})
        jobs.update(HTTP)
        assert server.jobs["morning"]["retryConfig"] == {"retryCount": 3, "maxDoublings": 7}

    @pytest.mark.parametrize(
        ("code", "said", "timed_out"),
        [
            ({"code": 7, "message": "HTTP 403"}, "PERMISSION_DENIED: HTTP 403", False),
            ({"code": 4}, "DEADLINE_EXCEEDED", True),
        ],
    )
    def test_why_the_last_attempt_failed(
        self, jobs: CloudSchedulerJobs, server: Scheduler, code: dict[str, object], said: str, timed_out: bool
    ) -> None:
        server.put("morning", lastAttemptTime="2026-03-06T11:30:00Z", status=code)
        found = jobs.get("morning")
        assert (found.last_error, found.timed_out) == (said, timed_out)
        assert found.last_attempt_at == datetime(2026, 3, 6, 11, 30, tzinfo=UTC)

    def test_a_missing_permission_is_named_with_its_role(self, jobs: CloudSchedulerJobs, server: Scheduler) -> None:
        server.denied = {"cloudscheduler.jobs.create", "cloudscheduler.jobs.list"}
        with pytest.raises(NotAuthorisedError, match=r"cloudscheduler\.jobs\.create is missing") as failed:
            jobs.create(HTTP)
        assert "roles/cloudscheduler.admin" in str(failed.value.next_step)
        with pytest.raises(NotAuthorisedError) as failed:
            jobs.list()
        assert "roles/cloudscheduler.viewer" in str(failed.value.next_step)

    def test_a_quota_and_an_outage_are_waited_for(self, jobs: CloudSchedulerJobs, server: Scheduler) -> None:
        server.faults = [("GET", 429, False), ("GET", 503, False)]
        assert list(jobs.list()) == []
        server.faults = [("GET", 429, False)] * 3
        with pytest.raises(UnavailableError, match="quota"):
            jobs.list()

    def test_a_lost_answer_makes_no_second_job_and_no_second_run(
        self, jobs: CloudSchedulerJobs, server: Scheduler
    ) -> None:
        server.faults = [("POST", 0, True)]
        assert jobs.create(HTTP).spec == HTTP
        server.faults = [("POST", 0, True)]
        with pytest.raises(UnavailableError):
            jobs.run(HTTP.name)
        assert server.ran == [HTTP.name]
        server.faults = [("DELETE", 0, True)]
        jobs.delete(HTTP.name)
        assert server.jobs == {}

    def test_another_region_is_named(self, server: Scheduler) -> None:
        with closing(client(server, FakeClock(NOW), "europe-west1")) as jobs:
            with pytest.raises(NotAuthorisedError) as failed:
                jobs.list()
            assert "--region" in str(failed.value.next_step)

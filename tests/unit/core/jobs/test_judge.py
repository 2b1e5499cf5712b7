"""What is wrong with a scheduled job is said, and what is right is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from nbactl.core.jobs.cron import check_cron, in_words, next_run
from nbactl.core.jobs.judge import Targets, judge_jobs
from nbactl.core.jobs.model import DeclaredJob, JobStatus, PausedJob
from nbactl.ports.jobs import HttpTarget, JobSpec, ScheduledJob, TopicTarget, UnknownTarget

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
JUNE = datetime(2026, 6, 19, 3, 5, tzinfo=UTC)
URL = "https://worker-xyz.a.run.app"
HOST = "us-west2-p.cloudfunctions.net"
FUNCTION = f"https://{HOST}/grade"
OLD = "https://old.a.run.app"
OAUTH = "run.googleapis.com takes an OAuth token"
GOOGLE = "https://run.googleapis.com/v2/x:run"
WEEK = 7 * 86_400.0


def spec(url: str = f"{URL}/x", kind: Any = "oidc", audience: str | None = URL) -> JobSpec:
    return JobSpec("j", "*/5 * * * *", "UTC", HttpTarget(url, token=kind, account="a@b.c", audience=audience), 600.0)


def judged(
    there: ScheduledJob | None,
    declared: DeclaredJob | None = None,
    pause: PausedJob | None = None,
    **targets: Any,
) -> JobStatus:
    known = Targets(**{"services": {URL: "worker"}, "topics": frozenset({"go"}), **targets})
    jobs = [] if there is None else [there]
    wanted = [] if declared is None else [declared]
    pauses = {} if pause is None else {"j": pause}
    (status,) = judge_jobs(wanted, jobs, pauses, known, now=NOW, forgotten_after=WEEK)
    return status


def texts(status: JobStatus) -> list[tuple[str, str]]:
    return [(finding.kind, finding.text) for finding in status.findings]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (spec(), []),
        (spec(audience=f"{URL}/"), []),
        (spec(kind="oauth"), [("token", "it sends an OAuth token, and worker takes an identity token (OIDC)")]),
        (spec(kind="none"), [("token", "it sends no token, and worker takes an identity token (OIDC)")]),
        (spec(audience=None), [("audience", f"its token is for {URL}/x, and worker takes one for {URL}")]),
        (spec(audience=OLD), [("audience", f"its token is for {OLD}, and worker takes one for {URL}")]),
        (spec(GOOGLE, "oauth", None), []),
        (spec(GOOGLE, "oidc", GOOGLE), [("token", f"it sends an identity token (OIDC), and {OAUTH}")]),
        (spec(FUNCTION, "oidc", FUNCTION), []),
        (spec(FUNCTION, "oidc", URL), [("audience", f"its token is for {URL}, and {HOST} takes one for https://{HOST}")]),
        (spec("https://example.com/x", "none", None), []),
    ],
)  # fmt: skip
def test_incident_12_a_token_that_the_target_does_not_take(given: JobSpec, said: list[tuple[str, str]]) -> None:
    assert texts(judged(ScheduledJob(given, "enabled"))) == said
    assert texts(judged(ScheduledJob(given, "enabled"), tokens=False)) == []


def test_incident_12_what_does_not_answer() -> None:
    dead = judged(ScheduledJob(spec(), "enabled"), unanswered=lambda _: "HTTP 404")
    assert (texts(dead), dead.answers) == ([("dead", f"{URL}/x does not answer: HTTP 404")], False)
    topic = replace(spec(), target=TopicTarget("gone"))
    assert texts(judged(ScheduledJob(topic, "enabled"))) == [("dead", "there is no topic gone")]
    assert judged(ScheduledJob(topic, "enabled"), topics=None).answers is None
    elsewhere = replace(spec(), target=TopicTarget("projects/other/topics/gone"))
    assert texts(judged(ScheduledJob(elsewhere, "enabled"))) == []
    unknown = replace(spec(), target=UnknownTarget("app_engine"))
    assert [kind for kind, _ in texts(judged(ScheduledJob(unknown, "enabled")))] == ["unknown_kind"]


def test_incident_12_paused_and_forgotten() -> None:
    paused = ScheduledJob(spec(), "paused", last_attempt_at=JUNE)
    declared = DeclaredJob("j", spec())
    nobody = "paused since 2026-06-18, and nobody said why"
    assert texts(judged(paused)) == texts(judged(paused, declared)) == [("paused", nobody)]
    assert judged(paused).findings[0].mend == ("jobs", "resume", "j")

    summer = PausedJob("no games", date(2026, 7, 15))
    assert texts(judged(paused, replace(declared, paused=summer))) == []
    over = replace(summer, until=date(2026, 7, 14))
    said = "paused since 2026-06-18 until 2026-07-14 (no games), which is over"
    assert texts(judged(paused, replace(declared, paused=over))) == [("paused", said)]

    by_hand = PausedJob("a fault", None, "ana@host", NOW - timedelta(days=6))
    assert texts(judged(paused, declared, by_hand)) == []
    assert judged(paused, declared, by_hand).paused_since == by_hand.at
    long = replace(by_hand, at=NOW - timedelta(days=9))
    assert texts(judged(paused, declared, long)) == [("paused", "paused for 9d00h without an end (a fault)")]
    running = replace(paused, state="enabled")
    assert texts(judged(running, declared, long)) == []


def test_attempts_that_fail_or_take_too_long() -> None:
    failed = ScheduledJob(spec(), "enabled", last_attempt_at=JUNE, last_error="PERMISSION_DENIED: HTTP 403")
    said = "the last attempt at 2026-06-18 23:05 failed: PERMISSION_DENIED: HTTP 403"
    assert texts(judged(failed)) == [("failing", said)]
    slow = replace(failed, last_error="DEADLINE_EXCEEDED", timed_out=True)
    said = "the last attempt at 2026-06-18 23:05 took longer than its deadline of 10m00s"
    assert texts(judged(slow)) == [("deadline", said)]


def test_what_is_declared_and_not_there_or_other() -> None:
    declared = DeclaredJob("j", replace(spec(), attempt_deadline=300.0, schedule="0 * * * *"))
    assert texts(judged(None, declared)) == [("missing", "declared, and not there")]
    other = judged(ScheduledJob(spec(), "enabled"), declared)
    assert texts(other) == [("differs", "schedule, attempt_deadline not as declared")]
    problem = DeclaredJob("j", None, problem="the address of worker is not known")
    assert texts(judged(None, problem)) == [("dead", "the address of worker is not known")]
    assert texts(judged(ScheduledJob(spec(), "disabled"))) == [("disabled", "its state is disabled: it does not run")]


def test_a_token_that_is_wrong_is_not_also_a_difference() -> None:
    status = judged(ScheduledJob(spec(kind="oauth"), "enabled"), DeclaredJob("j", spec()))
    assert [finding.kind for finding in status.findings] == ["token"]
    assert status.findings[0].mend == ("jobs", "apply", "j")


def test_times_of_a_zone_keep_their_wall_clock_over_the_change_of_clocks() -> None:
    before = datetime(2026, 3, 7, 20, tzinfo=UTC)
    assert next_run("30 7 * * *", "America/New_York", before) == datetime(2026, 3, 8, 11, 30, tzinfo=UTC)
    assert next_run("30 7 * * *", "Nowhere", before) is None
    assert in_words("30 7 * * 1-5") == "at 07:30 on Monday through Friday"
    assert check_cron("*/5 * * * *") is None
    assert check_cron("0 0 1 */3 MON-FRI") is None

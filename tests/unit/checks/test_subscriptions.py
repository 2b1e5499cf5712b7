"""What is wrong with subscriptions, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nbactl.checks.subscriptions import DeclaredUse, judge_subscriptions, service_of
from nbactl.ports.bus import FoundSubscription, PushTarget

TOPIC, DEAD = "nba-phase3-trigger", "nba-phase3-trigger-dead-letter"
URL = "https://nba-phase3-analytics-processors-abc123-wl.a.run.app"
OTHER_URL = "https://nba-phase3-analytics-processors-756957797294.us-west2.run.app"
ACCOUNT = "pusher@nba-props-platform.iam.gserviceaccount.com"
PUSH = PushTarget(f"{URL}/process", ACCOUNT, URL)
GOOD = FoundSubscription("sub", TOPIC, 600.0, DEAD, 10, (10.0, 600.0), push=PUSH)
KEEPS = FoundSubscription("letters", DEAD, 60.0)
DECLARED = DeclaredUse({"nba-phase3-analytics-processors": 540.0, "nba": None}, frozenset(), "nba-props-platform")


def rules(*found: FoundSubscription, declared: DeclaredUse = DECLARED) -> list[tuple[str, str]]:
    return [(finding.rule, finding.status) for finding in judge_subscriptions(found, declared)]


def test_a_subscription_that_has_everything_has_no_problem() -> None:
    assert rules(GOOD, KEEPS) == []


@pytest.mark.parametrize(
    ("change", "rule", "status", "fix"),
    [
        ({"backoff": None}, "no-retry-policy", "failed", "--min-retry-delay=10s --max-retry-delay=600s"),
        ({"dead_letter_topic": None}, "no-dead-letter", "failed", f"--dead-letter-topic={DEAD}"),
        ({"push": PushTarget(PUSH.endpoint)}, "no-identity", "failed", f"--push-auth-token-audience={URL}"),
        ({"push": replace(PUSH, audience="https://another.run.app")}, "wrong-audience", "failed", ACCOUNT),
        ({"push": replace(PUSH, audience=f"http{URL[5:]}")}, "wrong-audience", "failed", ACCOUNT),
        ({"push": PushTarget("https://gone.example.com/x", ACCOUNT)}, "unknown-endpoint", "failed", "--push-endpoint"),
        ({"ack_deadline": 10.0}, "short-deadline", "warn", "--ack-deadline=540"),
        ({"topic": "_deleted-topic_"}, "deleted-topic", "failed", "subscriptions delete sub"),
        ({"problem": "RESOURCE_ERROR"}, "not-delivering", "failed", "subscriptions describe sub"),
        ({"dead_letter_topic": "unkept"}, "lost-dead-letters", "failed", "--topic=unkept"),
        ({"expires_after": 2_678_400.0}, "expires", "warn", "--expiration-period=never"),
    ],
)
def test_each_problem_is_found_with_the_command_that_ends_it(
    change: dict[str, Any], rule: str, status: str, fix: str
) -> None:
    [finding] = judge_subscriptions([replace(GOOD, **change), KEEPS], DECLARED)
    assert (finding.subscription, finding.rule, finding.status) == ("sub", rule, status)
    assert fix in (finding.fix or "")
    assert (finding.fix or "").endswith("--project=nba-props-platform")


@pytest.mark.parametrize("audience", [None, URL, f"{URL}/process", f"{URL}/", OTHER_URL])
def test_a_token_may_be_for_the_endpoint_its_origin_or_the_other_address_of_its_service(audience: str | None) -> None:
    assert rules(replace(GOOD, push=replace(PUSH, audience=audience)), KEEPS) == []


def test_a_push_to_this_machine_needs_no_identity_and_no_declared_service() -> None:
    assert rules(replace(GOOD, push=PushTarget("http://127.0.0.1:8080/process")), KEEPS) == []


def test_a_pulled_subscription_may_lack_a_retry_policy_and_a_dead_letter_topic() -> None:
    assert rules(FoundSubscription("pulled", TOPIC, 10.0)) == []


def test_pubsub_cannot_wait_longer_than_ten_minutes() -> None:
    slow = replace(DECLARED, services={"nba-phase3-analytics-processors": 3600.0})
    assert rules(GOOD, KEEPS, declared=slow) == []
    assert rules(replace(GOOD, ack_deadline=599.0), KEEPS, declared=slow) == [("short-deadline", "warn")]


def test_a_declared_topic_that_nobody_reads_is_a_warning() -> None:
    topics = frozenset({TOPIC, "a", "b", "c", "d"})
    [finding] = judge_subscriptions([GOOD, KEEPS], replace(DECLARED, topics=topics))
    assert (finding.subscription, finding.rule, finding.status) == (None, "unread-topic", "warn")
    assert finding.message == "no subscription for a, b, c and 1 more"


@pytest.mark.parametrize(
    ("url", "service"),
    [
        (URL, "nba-phase3-analytics-processors"),
        (OTHER_URL, "nba-phase3-analytics-processors"),
        ("https://nba-abc-wl.a.run.app", "nba"),
        ("https://us-west2-project.cloudfunctions.net/nba", "nba"),
        ("https://us-west2-project.cloudfunctions.net/other", None),
        ("https://nbacom-abc-wl.a.run.app", None),
        ("not an address", None),
    ],
)
def test_the_service_of_an_address_is_the_longest_declared_name_that_it_begins_with(
    url: str, service: str | None
) -> None:
    assert service_of(url, DECLARED.services) == service


def test_an_address_that_cannot_be_read_is_one_of_no_service() -> None:
    push = replace(PUSH, endpoint="http://[half", audience="http://[other")
    assert ("unknown-endpoint", "failed") in rules(replace(GOOD, push=push))
    assert ("wrong-audience", "failed") in rules(replace(GOOD, push=replace(PUSH, audience="http://[other")))

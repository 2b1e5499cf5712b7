"""`nbactl subscriptions list` on the embedded bus, and on Pub/Sub's emulator with Cloud Monitoring's numbers."""

from __future__ import annotations

import json
import urllib.request
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.cli.main import main
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.ports.bus import PushTarget, Subscription
from nbactl.testing.clock import FakeClock
from tests.kit.monitoring_server import DENIED, monitoring_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kit.monitoring_server import Monitoring

TOPIC = "nba-phase3-trigger"
DEAD = f"{TOPIC}-dead-letter"
ACCOUNT = "pusher@test.iam.gserviceaccount.com"
SERVICE = "nba-phase3-analytics-processors"
URL = f"https://{SERVICE}-abc123-wl.a.run.app"


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Any, str]]:
    monkeypatch.chdir(tmp_path)

    def called(*words: str) -> tuple[int, Any, str]:
        code = main(["subscriptions", "list", *words])
        said = capsys.readouterr()
        return code, json.loads(said.out) if "json" in words else said.out, said.err

    return called


def found_of(document: Any) -> dict[str, Any]:
    return {one["name"]: one for one in document["data"]["subscriptions"]}


def test_local_backlogs_are_exact_and_good_subscriptions_have_no_findings(
    call: Callable[..., tuple[int, Any, str]], tmp_path: Path
) -> None:
    assert call()[::2] == (0, "No subscription. `nbactl up` creates those of this machine.\n")
    (tmp_path / ".nbactl").mkdir(exist_ok=True)
    clock = FakeClock(datetime.now(UTC) - timedelta(minutes=3))
    with closing(
        LocalBus(tmp_path / ".nbactl" / "bus.db", clock=clock, ids=TimeSortedIds(SystemClock()), busy_timeout=5.0)
    ) as bus:
        for topic in (TOPIC, DEAD):
            bus.create_topic(topic)
        push = PushTarget("http://127.0.0.1:40001/phase3")
        bus.create_subscription(Subscription("phase3", TOPIC, DEAD, push=push, most_attempts=10))
        bus.create_subscription(Subscription(DEAD, DEAD, DEAD))
        for _ in range(3):
            bus.publish(TOPIC, b"{}")
            clock.advance(20.0)
        [first, _] = bus.pull("phase3", limit=2, timeout=0.0)
        bus.ack("phase3", [first.ack_id])
        bus.publish(DEAD, b"{}")
    code, document, _ = call("-o", "json")
    assert code == 0
    found = found_of(document)
    assert found["phase3"]["backlog"] == 2
    assert 160 <= found["phase3"]["oldest_unacknowledged_s"] < 180  # of the second: the first is acknowledged
    assert found["phase3"]["retry_policy"] == {"least_s": 10.0, "most_s": 600.0}
    assert (found["phase3"]["dead_letter_topic"], found["phase3"]["dead_letters"]) == (DEAD, 1)
    assert found["phase3"]["push"]["endpoint"] == push.endpoint
    assert found["phase3"]["findings"] == []
    rules = {finding["rule"] for finding in document["data"]["findings"]}
    assert rules == {"unread-topic"}  # the other topics of the phases
    assert document["data"]["measured_up_to_s_ago"] == 0


def test_a_topic_chooses_its_subscriptions_and_an_unknown_one_is_refused(
    call: Callable[..., tuple[int, Any, str]], tmp_path: Path
) -> None:
    (tmp_path / ".nbactl").mkdir(exist_ok=True)
    with closing(
        LocalBus(
            tmp_path / ".nbactl" / "bus.db", clock=SystemClock(), ids=TimeSortedIds(SystemClock()), busy_timeout=5.0
        )
    ) as bus:
        for topic in (TOPIC, DEAD):
            bus.create_topic(topic)
        bus.create_subscription(Subscription("phase3", TOPIC, DEAD))
        bus.create_subscription(Subscription(DEAD, DEAD, DEAD))
        bus.publish(DEAD, b"{}")
    code, document, _ = call("--topic", TOPIC, "-o", "json")
    assert (code, list(found_of(document))) == (0, ["phase3"])
    assert found_of(document)["phase3"]["dead_letters"] == 1
    code, _, said = call("--topic", f"{TOPIC}s")
    assert code == 4
    assert f"Did you mean '{TOPIC}'?" in said


@pytest.fixture(scope="module")
def google() -> Iterator[Monitoring]:
    with monitoring_server(f"test-{uuid.uuid4().hex[:12]}") as server:
        yield server


@pytest.fixture
def project(google: Monitoring, pubsub_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    google.clear()
    google.project = f"test-{uuid.uuid4().hex[:12]}"
    for name, value in {
        **google.environ(),
        "PUBSUB_EMULATOR_HOST": pubsub_address,
        "NBACTL_TARGET": "gcp",
        "NBACTL_PROJECT": google.project,
    }.items():
        monkeypatch.setenv(name, value)
    return google.project


def put(address: str, project: str, kind: str, name: str, body: dict[str, Any]) -> None:
    """Create a topic or subscription as any other program would."""
    request = urllib.request.Request(
        f"http://{address}/v1/projects/{project}/{kind}/{name}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        assert answer.status == 200


def bad_and_good(address: str, project: str) -> None:
    """Create a subscription that is pushed as it should be, and one that lacks all of it."""
    for topic in (TOPIC, DEAD):
        put(address, project, "topics", topic, {})
    path = f"projects/{project}/topics"
    token = {"serviceAccountEmail": ACCOUNT, "audience": URL}
    good = {
        "topic": f"{path}/{TOPIC}",
        "ackDeadlineSeconds": 600,
        "pushConfig": {"pushEndpoint": f"{URL}/process", "oidcToken": token},
        "retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "600s"},
        "deadLetterPolicy": {"deadLetterTopic": f"{path}/{DEAD}", "maxDeliveryAttempts": 5},
    }
    put(address, project, "subscriptions", "good", good)
    push = {"pushEndpoint": "https://gone.example.com/process"}
    put(address, project, "subscriptions", "bad", {"topic": f"{path}/{TOPIC}", "pushConfig": push})
    put(address, project, "subscriptions", "letters", {"topic": f"{path}/{DEAD}"})


def test_on_gcp_a_push_without_retry_policy_is_distinguished_and_fails(
    call: Callable[..., tuple[int, Any, str]], project: str, google: Monitoring, pubsub_address: str
) -> None:
    bad_and_good(pubsub_address, project)
    measured = datetime.now(UTC) - timedelta(minutes=2)
    google.backlog("bad", measured, 12, 7200)
    google.backlog("letters", measured, 3, 60)
    code, document, _ = call("-o", "json")
    assert code == 1
    found = found_of(document)
    assert set(found["bad"]["findings"]) == {"no-retry-policy", "no-dead-letter", "no-identity", "unknown-endpoint"}
    assert (found["bad"]["backlog"], found["bad"]["oldest_unacknowledged_s"]) == (12, 7200.0)
    assert (found["bad"]["retry_policy"], found["bad"]["dead_letter_topic"]) == (None, None)
    assert found["good"]["findings"] == []
    assert found["good"]["retry_policy"] == {"least_s": 10.0, "most_s": 600.0}
    assert found["good"]["push"] == {
        "endpoint": f"{URL}/process", "account": ACCOUNT, "audience": URL, "service": SERVICE
    }  # fmt: skip
    assert found["good"]["backlog"] is None  # nothing was measured of it
    assert found["good"]["dead_letters"] == 3
    fix = next(one["fix"] for one in document["data"]["findings"] if one["rule"] == "no-retry-policy")
    assert fix == (
        "gcloud pubsub subscriptions update bad --min-retry-delay=10s --max-retry-delay=600s "
        f"--project={google.project}"
    )
    code, shown, said = call("-o", "wide")
    assert code == 1
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "12" in lines["bad"]
    assert "2h" in lines["bad"]
    assert "none" in lines["bad"]
    assert "unknown" in lines["good"]
    assert "measured up to 4m" in said


def test_without_measurements_the_list_is_shown_and_says_why_numbers_are_unknown(
    call: Callable[..., tuple[int, Any, str]], project: str, google: Monitoring, pubsub_address: str
) -> None:
    bad_and_good(pubsub_address, project)
    google.refusals = [(403, DENIED)]
    code, document, _ = call("-o", "json")
    assert code == 1  # of the findings
    assert {one["backlog"] for one in found_of(document).values()} == {None}
    [warning] = document["warnings"]
    assert warning.startswith("what waits is not known: ")
    assert DENIED in warning

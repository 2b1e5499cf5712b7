"""What alerts must do on every engine of documents."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.ids import encode_id
from nbactl.core.alerts import COLLECTION, AlertBus, Alerts, InstrumentedChannel, RoutedBus
from nbactl.core.outbox.outbox import Outbox
from nbactl.errors import DataError, NbactlError, UnavailableError
from nbactl.ports.alerts import Alert
from nbactl.ports.documents import Set
from nbactl.testing import FakeClock
from nbactl.testing.faults import failing

if TYPE_CHECKING:
    from nbactl.core.observe.events import Event
    from nbactl.ports.alerts import Severity
    from nbactl.ports.documents import DocumentStore

WINDOW = 3600.0


class Channel:
    def __init__(self) -> None:
        self.got: list[Alert] = []
        self.refuses: Exception | None = None
        self.asked = 0

    def send(self, alert: Alert) -> None:
        self.asked += 1
        if self.refuses is not None:
            raise self.refuses
        self.got.append(alert)


class Lab:
    def __init__(self, store: DocumentStore) -> None:
        self.clock = FakeClock()
        self.store = store
        self.direct, self.kept = Channel(), Channel()
        self.name = f"slack-{uuid.uuid4().hex}"
        self.heard: list[Event] = []
        kept = {self.name: InstrumentedChannel(self.name, self.kept, self.heard.append)}
        self.outbox = Outbox(
            store, RoutedBus(AlertBus(kept), self._no_bus), self.clock, redrive_after=60.0, keep=3600.0
        )
        self.called = 0
        terms: Any = {"direct": {"log": self.direct}, "kept": kept, "window": WINDOW, "delivery_timeout": 5.0}
        self.alerts = Alerts(store, self.outbox, self.clock, **terms, hook=self.heard.append)
        self.in_background = Alerts(store, self.outbox, self.clock, **terms, dispatcher=self._call)

    def send(
        self, key: str = "run_failed/phase3", severity: Severity = "critical", title: str = "phase3 failed", **more: Any
    ) -> None:
        self.alerts.send(Alert(key, severity, title, **more), ["log", self.name, "not-configured"])

    def _call(self) -> None:
        self.called += 1

    def kinds(self) -> list[str]:
        return [event.kind for event in self.heard]

    def sweep(self) -> None:
        """Drive what is due of this lab; other tests of the engine may have left theirs."""
        for pending in list(self.outbox.pending()):
            if pending.topic.endswith(self.name) and pending.due_at <= self.clock.now():
                try:
                    self.outbox.drive(pending.key)
                except NbactlError:
                    continue

    @staticmethod
    def _no_bus() -> Any:
        raise AssertionError("no alert goes to the bus of the pipeline")


class TestAlerts:
    @pytest.fixture
    def lab(self, store: DocumentStore) -> Lab:
        return Lab(store)

    def test_an_alert_reaches_every_channel_that_there_is_as_it_was(self, lab: Lab) -> None:
        lab.send(text="more", fields={"run": "run-1"}, next_step="nbactl runs show run-1")
        assert lab.direct.got == lab.kept.got
        assert lab.kept.got == [
            Alert("run_failed/phase3", "critical", "phase3 failed", "more", {"run": "run-1"}, "nbactl runs show run-1")
        ]
        assert lab.kinds() == ["alert.sent"]

    def test_within_the_window_it_is_counted_and_reported_with_the_next_one(self, lab: Lab) -> None:
        for _ in range(4):
            lab.send()
        assert len(lab.direct.got) == 4, "the log is told of each"
        assert len(lab.kept.got) == 1
        assert lab.kinds() == ["alert.sent", *["alert.suppressed"] * 3]
        lab.send("run_failed/phase4")
        assert len(lab.kept.got) == 2, "another condition is another piece of news"
        lab.clock.advance(WINDOW)
        lab.send()
        assert lab.kept.got[-1].fields == {"held back since the last": "3"}
        lab.clock.advance(WINDOW)
        lab.send()
        assert lab.kept.got[-1].fields == {}

    def test_within_the_window_what_is_worse_is_reported_and_what_is_not_is_counted(self, lab: Lab) -> None:
        for severity in ("info", "info", "warning", "info", "warning", "critical", "critical", "info"):
            lab.send(severity=severity)
        assert [alert.severity for alert in lab.kept.got] == ["info", "warning", "critical"]
        assert [dict(alert.fields) for alert in lab.kept.got] == [
            {}, {"held back since the last": "1"}, {"held back since the last": "2"},
        ]  # fmt: skip
        lab.clock.advance(WINDOW)
        lab.send(severity="info")
        assert lab.kept.got[-1].severity == "info", "a new window begins with whatever comes"

    def test_where_somebody_delivers_in_the_background_he_is_called_and_the_channel_is_not_waited_for(
        self, lab: Lab
    ) -> None:
        alert = Alert("run_failed/phase3", "warning", "phase3 failed")
        lab.in_background.send(alert, [lab.name])
        lab.in_background.send(alert, [lab.name])
        assert (lab.called, lab.kept.asked) == (1, 0)
        lab.sweep()
        assert lab.kept.got == [alert]
        assert lab.kinds() == ["alert.sent"], "it is heard of when it has gone out"

    def test_while_the_store_is_down_the_channel_is_notified_at_once_in_the_background_too(self, lab: Lab) -> None:
        with failing("documents.before_commit", UnavailableError("down"), times=10_000):
            lab.in_background.send(Alert("store_down", "critical", "down"), [lab.name])
        assert [alert.title for alert in lab.kept.got] == ["down"]

    def test_inv_07_what_a_channel_does_not_take_is_delivered_by_a_sweep(self, lab: Lab) -> None:
        lab.kept.refuses = UnavailableError("Slack is down")
        lab.send()
        assert (lab.kept.got, lab.kinds()) == ([], ["alert.failed"])
        lab.kept.refuses = None
        lab.clock.advance(61.0)
        lab.sweep()
        assert [alert.title for alert in lab.kept.got] == ["phase3 failed"]
        lab.clock.advance(61.0)
        lab.sweep()
        assert len(lab.kept.got) == 1

    def test_inv_16_what_will_never_be_taken_is_tried_less_and_less_often(self, lab: Lab) -> None:
        lab.kept.refuses = DataError("invalid_payload")
        lab.send()
        for _ in range(24 * 12):
            lab.clock.advance(300.0)
            lab.sweep()
        assert 8 < lab.kept.asked < 20
        assert any(pending.topic.endswith(lab.name) for pending in lab.outbox.pending()), "and it is not forgotten"

    def test_of_many_processes_that_see_the_same_one_tells_it(self, lab: Lab) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: lab.send(), range(8)))
        assert len(lab.kept.got) == 1

    @pytest.mark.parametrize(
        "fields",
        [{}, {"window_ends_at": None}, {"window_ends_at": "soon"}, {"suppressed": "many"}],
    )
    def test_a_window_that_cannot_be_read_holds_no_alert_back(self, lab: Lab, fields: dict[str, Any]) -> None:
        lab.send()
        path = f"{COLLECTION}/{encode_id(f'{lab.name}/run_failed/phase3')}"
        found = lab.store.get(path)
        assert found is not None
        lab.store.commit([Set(path, {**found.data, **fields} if fields else {})])
        lab.clock.advance(1.0)
        lab.send()
        assert len(lab.kept.got) == 2
        lab.send()
        assert len(lab.kept.got) == 2, "the window began again"

    def test_while_the_store_is_down_the_channel_is_notified_at_once(self, lab: Lab) -> None:
        with failing("documents.before_commit", UnavailableError("down"), times=10_000):
            lab.send()
        assert [alert.title for alert in lab.kept.got] == ["phase3 failed"]

    def test_an_alert_never_raises_into_the_work(self, lab: Lab) -> None:
        lab.kept.refuses = lab.direct.refuses = DataError("no")
        lab.send()
        with failing("documents.before_commit", UnavailableError("down"), times=10_000):
            lab.send("another")
        assert lab.kinds() == ["alert.failed"] * 4

    def test_an_alert_of_odd_content_is_sent_as_far_as_it_can_be_written(self, lab: Lab) -> None:
        class Mute:
            def __str__(self) -> str:
                raise ValueError("no")

        fields: Any = {"rows": 3, "cause": ValueError("\udc80"), "mute": Mute()}
        lab.send("odd \udc80 key", title="odd \udc80", fields=fields)
        [alert] = lab.kept.got
        assert (alert.key, alert.title) == ("odd \\udc80 key", "odd \\udc80")
        assert alert.fields == {
            "rows": "3", "cause": "\\udc80", "mute": "<Mute that has no text: ValueError>",
        }  # fmt: skip
        assert lab.direct.got == [alert]

    def test_a_channel_that_breaks_in_an_unknown_way_keeps_nothing_back(self, lab: Lab) -> None:
        lab.direct.refuses = lab.kept.refuses = ZeroDivisionError("bug")
        lab.send()
        assert lab.kinds() == ["alert.failed"] * 2
        lab.kept.refuses = None
        lab.clock.advance(61.0)
        lab.sweep()
        assert [alert.title for alert in lab.kept.got] == ["phase3 failed"]

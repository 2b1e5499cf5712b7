"""Alert rules: what they find, and that each thing is said once, though ticks overlap and are killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.alert_rules import AlertRule
from nbactl.core._support.gamedate import GameDate
from nbactl.core.season.idle import Idle
from nbactl.errors import UnavailableError
from nbactl.outputs.model import Grid, Output, OutputState
from nbactl.ports.warehouse import WarehouseJob
from nbactl.reporting.conditions import conditions_open, conditions_since
from nbactl.reporting.judges import JUDGES, Facts, JobsSeen, ServicesSeen, Sources
from nbactl.reporting.rules import AlertRules
from nbactl.reporting.runs import Ran, RanRun, RanTask
from nbactl.rollouts.health import ServiceHealth
from nbactl.rollouts.model import Rollout, RolloutStage, RolloutStatus
from nbactl.testing import faults, memory_documents
from tests.kit.config_models import model_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import DocumentStore

NOW = datetime(2024, 1, 15, 15, 0, tzinfo=UTC)
TODAY = GameDate(date(2024, 1, 15))
GIB = 2**30


def rule(when: str, **keys: Any) -> AlertRule:
    shared = {"window": "1h", "severity": "critical", "channels": ["log", "slack"], "next": "nbactl status"}
    return model_of(AlertRule, {"when": when, **shared, **keys})


def ran(failed: int, succeeded: int, *, ago: timedelta = timedelta(minutes=9), day: GameDate = TODAY) -> list[RanRun]:
    tasks = {
        "failed": (RanTask("odds", "failed", 2), RanTask("injuries", "succeeded", 1)),
        "succeeded": (RanTask("odds", "succeeded", 2), RanTask("injuries", "succeeded", 1)),
    }
    states = ["failed"] * failed + ["succeeded"] * succeeded
    return [
        RanRun(f"run-{number}", "phase3", "phase", day, state, NOW - ago, NOW - ago, tasks[state])
        for number, state in enumerate(states)
    ]


@dataclass
class World:
    """What the rules look at, to be changed between ticks."""

    store: DocumentStore
    rules: Mapping[str, AlertRule]
    runs: Sequence[RanRun] = ()
    idle_days: dict[GameDate, Idle] = field(default_factory=dict)
    outputs: Sequence[Output] = ()
    services: Sequence[ServiceHealth] | None = ()
    billed: Mapping[int, int] | None = None
    """GiB by how many days ago."""
    rollouts: Sequence[Rollout] = ()
    deployed: ServicesSeen | None = None
    scheduled: JobsSeen | None = None
    down: bool = False
    apart: timedelta = timedelta()
    billed_every: timedelta | None = None
    noticed: list[str] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    now: datetime = NOW

    def tick(self, minutes: float = 0.0) -> Any:
        """Evaluate all rules, so many minutes later than the last time."""
        self.now += timedelta(minutes=minutes)
        return self.made().evaluate(self.now)

    def made(self) -> AlertRules:
        sources = Sources(
            ran=self._ran,
            idle=lambda: self,
            grid=self._grid,
            jobs=None if self.billed is None else self._jobs,
            health=lambda: self._answer(self.services),
            rollouts=lambda: (self._answer(self.rollouts), {}),
            services=None if self.deployed is None else lambda: self._answer(self.deployed),
            scheduled=None if self.scheduled is None else lambda: self._answer(self.scheduled),
        )
        return AlertRules(
            self.rules,
            JUDGES,
            lambda now: Facts(sources, now, timedelta(days=1)),
            self.store,
            idle=lambda: self,
            send=self._send,
            apart=self.apart,
            billed_every=self.billed_every,
            notice=self.noticed.append,
        )

    def idle(self, days: Sequence[GameDate]) -> Mapping[GameDate, Idle]:
        return {day: self.idle_days[day] for day in days if day in self.idle_days}

    def _ran(self, since: datetime, until: datetime) -> Ran:
        return Ran(tuple(run for run in self._answer(self.runs) if since <= run.started_at < until))

    def _grid(self, first: GameDate, last: GameDate) -> Grid:
        return Grid(tuple(one for one in self._answer(self.outputs) if first <= one.game_date <= last), {}, self.now)

    def _answer(self, value: Any) -> Any:
        if self.down:
            raise UnavailableError("it does not answer")
        return value

    def _jobs(self, since: datetime, until: datetime) -> Iterator[WarehouseJob]:
        for ago, size in (self.billed or {}).items():
            at = self.now - timedelta(days=ago, hours=1)
            if since <= at < until:
                yield job(at, size * GIB)

    def _send(self, alert: Alert, channels: Iterable[str]) -> None:
        assert tuple(channels) == ("log", "slack")
        self.alerts.append(alert)
        self.said.append((alert.severity, alert.title))


def job(at: datetime, billed: int) -> WarehouseJob:
    return WarehouseJob("j", "query", "SELECT", at, at, at, billed, billed, 0, False, {}, "u", None, (), "h")  # noqa: FBT003


@pytest.fixture
def store() -> Iterator[DocumentStore]:
    made = memory_documents()
    yield made
    made.close()


def output(name: str, state: OutputState, *, day: GameDate = TODAY, required: bool = True) -> Output:
    return Output(day, "phase4", name, state, required, NOW, None)


def test_a_failure_rate_is_an_alert_once_and_resolved_once(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate", above=0.02, minimum=10)}, runs=ran(1, 30))
    assert world.tick().sent == ("rule/failures/1",)
    title = "1 of 31 runs failed within 1h00m: phase3 2024-01-15"
    assert world.said == [("critical", title)]
    assert world.alerts[0].next_step == "nbactl status"
    assert world.tick(5).sent == ()
    world.runs = ran(0, 30)
    assert world.tick(5).resolved == ("rule/failures/2",)
    assert world.tick(5).resolved == ()
    assert world.said[1:] == [("info", f"resolved: {title}")]
    [ended] = conditions_since(store, NOW, 9)
    assert (ended.open, ended.past) == (False, ((NOW, NOW + timedelta(minutes=10)),))


def test_a_share_at_the_limit_is_no_alert(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate", above=0.02, minimum=10)}, runs=ran(1, 49))
    [outcome] = world.tick().outcomes
    assert (outcome.state, outcome.why) == ("quiet", "1 of 50 runs failed (2.0%, limit 2.0%)")


def test_a_rule_with_too_few_data_says_so_and_ends_nothing(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate", above=0.02, minimum=10)}, runs=ran(5, 5))
    world.tick()
    world.runs = ran(0, 9)
    [outcome] = world.tick(5).outcomes
    assert (outcome.state, outcome.why) == ("too_few", "9 of the 10 runs that a verdict needs")
    assert [condition.open for condition in conditions_open(store)] == [True]
    assert len(world.said) == 1


def test_a_rule_that_cannot_be_judged_is_a_warning_and_neither_an_alert_nor_an_end(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate", minimum=1), "late": rule("late_outputs")}, runs=ran(1, 1))
    world.tick()
    world.down = True
    done = world.tick(5)
    assert [outcome.state for outcome in done.outcomes] == ["unknown", "unknown"]
    assert done.warnings == (
        "the alert rule failures was not judged: it does not answer",
        "the alert rule late was not judged: it does not answer",
    )
    assert tuple(world.noticed) == done.warnings
    assert len(world.said) == 1
    assert len(conditions_open(store)) == 1


def test_while_it_lasts_it_is_said_again_once_a_window(store: DocumentStore) -> None:
    world = World(store, {"late": rule("late_outputs", window="1d")}, outputs=[output("x", OutputState.MISSING)])
    said = [len(world.tick(60).sent) for _ in range(49)]
    assert [hour for hour, count in enumerate(said) if count] == [0, 24, 48]


def test_a_short_window_does_not_make_many_alerts(store: DocumentStore) -> None:
    bad = [ServiceHealth("worker", False, "fail")]  # noqa: FBT003
    world = World(store, {"health": rule("health", window="10m")}, services=bad, apart=timedelta(hours=1))
    assert [minute for minute in range(0, 150, 10) if world.tick(10).sent] == [10, 70, 130]


def test_a_rule_whose_facts_are_billed_is_not_judged_at_every_tick(store: DocumentStore) -> None:
    rules = {"failures": rule("failure_rate"), "health": rule("health")}
    world = World(store, rules, runs=ran(1, 1), services=(), billed_every=timedelta(minutes=15))
    states = [[outcome.state for outcome in world.tick(5).outcomes] for _ in range(5)]
    assert [state for state, _ in states] == ["alerting", "resting", "resting", "alerting", "resting"]
    assert {state for _, state in states} == {"not_applicable"}
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: world.made().evaluate(world.now + timedelta(hours=1)), range(8)))
    assert sorted(one.outcomes[0].state for one in done) == ["resting"] * 7 + ["too_few"]


def test_what_comes_and_goes_is_said_once_a_window(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate", minimum=1)})
    for failed in (1, 0, 1, 0, 1, 0):
        world.runs = ran(failed, 1)
        world.tick(2)
    assert [severity for severity, _ in world.said] == ["critical", "info"]
    assert len(conditions_since(store, NOW, 9)[0].past) == 3


def test_ten_ticks_at_once_say_it_once(store: DocumentStore) -> None:
    rules = {"failures": rule("failure_rate", minimum=1), "late": rule("late_outputs")}
    world = World(store, rules, runs=ran(1, 1), outputs=[output("x", OutputState.MISSING)])
    made = world.made()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: made.evaluate(NOW), range(10)))
        assert sorted(alert.key for alert in world.alerts) == ["rule/failures/1", "rule/late/2024-01-15/1"]
        world.runs, world.outputs = ran(0, 2), [output("x", OutputState.COMPLETE)]
        list(pool.map(lambda _: made.evaluate(NOW + timedelta(minutes=5)), range(10)))
    assert sorted(alert.key for alert in world.alerts)[1::2] == ["rule/failures/2", "rule/late/2024-01-15/2"]


@pytest.mark.parametrize("point", ["alert_rules.decided", "alert_rules.sent"])
def test_inv_20_a_message_of_a_tick_that_was_killed_is_sent_by_a_later_one(store: DocumentStore, point: str) -> None:
    class KilledError(BaseException):
        """As if the process were gone."""

    def kill() -> None:
        raise KilledError

    world = World(store, {"failures": rule("failure_rate", minimum=1)}, runs=ran(1, 1))
    with faults.calling(point, kill), pytest.raises(KilledError):
        world.tick()
    assert world.tick(1).sent == ()  # the other process may still be at it
    assert world.tick(2).sent == ("rule/failures/1",)
    assert {alert.key for alert in world.alerts} == {"rule/failures/1"}
    world.runs = ran(0, 2, ago=timedelta())
    with faults.calling(point, kill), pytest.raises(KilledError):
        world.tick(5)
    assert [world.tick(1).resolved, world.tick(2).resolved, world.tick(9).resolved] == [(), ("rule/failures/2",), ()]


def test_a_late_tick_does_not_open_again_what_has_ended(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate", minimum=1)}, runs=ran(1, 1))
    world.tick()
    world.runs = ran(0, 2)
    world.tick(10)
    world.runs = ran(1, 1)
    world.tick(-5)
    assert conditions_open(store) == []


@pytest.mark.parametrize("kind", ["halted", "off_season", "break"])
def test_while_nothing_is_expected_nothing_is_judged(store: DocumentStore, kind: Any) -> None:
    world = World(store, {"health": rule("health"), "failures": rule("failure_rate")}, runs=ran(1, 1))
    world.idle_days = {TODAY: Idle(kind, "the roof")}
    world.down = True
    done = world.tick()
    assert [outcome.state for outcome in done.outcomes] == ["idle", "idle"]
    assert done.outcomes[0].why == "nothing is expected today: the roof"
    assert (done.warnings, world.said) == ((), [])


def test_runs_of_dates_without_games_do_not_count(store: DocumentStore) -> None:
    yesterday = TODAY.plus(-1)
    world = World(store, {"failures": rule("failure_rate", minimum=2)}, runs=[*ran(3, 0, day=yesterday), *ran(0, 2)])
    world.idle_days = {yesterday: Idle("no_games", "no games")}
    assert [outcome.state for outcome in world.tick().outcomes] == ["quiet"]


def test_an_error_spike_counts_attempts(store: DocumentStore) -> None:
    world = World(store, {"errors": rule("error_spike", above=0.4, minimum=6)}, runs=ran(1, 1))
    [outcome] = world.tick().outcomes
    assert (outcome.value, outcome.sample) == (0.5, 6)  # 2 + 1 of odds, none of injuries
    assert world.said == [("critical", "3 of 6 attempts of tasks failed within 1h00m: odds 3")]


def test_costs_are_compared_with_the_median_day(store: DocumentStore) -> None:
    usual = dict.fromkeys(range(1, 8), 100)
    world = World(store, {"cost": rule("cost_anomaly", above=0.5, window="7d", minimum=7)}, billed={0: 149, **usual})
    assert world.tick().outcomes[0].state == "quiet"
    world.billed = {0: 260, **usual}
    world.tick(5)
    assert world.said[0][1] == (
        "BigQuery costs 2.6 times the usual: 260.0 GiB billed in 24 hours, 100.0 GiB is the median of 7 days"
    )
    world.billed = {0: 260, 1: 100}
    assert world.tick(5).outcomes[0].state == "too_few"
    world.billed = None
    assert world.tick(5).outcomes[0].state == "not_applicable"


def test_a_few_bytes_more_are_no_anomaly(store: DocumentStore) -> None:
    world = World(store, {"cost": rule("cost_anomaly", window="7d")}, billed={0: 9, 1: 1, 2: 1})
    assert world.tick().outcomes[0].state == "quiet"


def test_a_service_must_be_unhealthy_for_the_window(store: DocumentStore) -> None:
    bad = [ServiceHealth("worker", False, "fail: store"), ServiceHealth("exporter", True, "")]  # noqa: FBT003
    world = World(store, {"health": rule("health", window="10m")}, services=bad)
    assert [world.tick(5).outcomes[0].state for _ in range(3)] == ["waiting", "waiting", "alerting"]
    assert world.said == [("critical", "1 of 2 services are not healthy: worker (fail: store)")]
    world.services = bad[1:]
    world.tick(5)
    assert [severity for severity, _ in world.said] == ["critical", "info"]


def test_a_short_illness_is_not_said_at_all(store: DocumentStore) -> None:
    bad = [ServiceHealth("worker", False, "fail")]  # noqa: FBT003
    world = World(store, {"health": rule("health", window="10m")}, services=bad)
    world.tick()
    world.services = [replace(bad[0], green=True)]
    world.tick(5)
    assert (world.said, conditions_open(store)) == ([], [])


def test_services_that_nothing_names_are_a_warning_where_there_are_some(store: DocumentStore) -> None:
    world = World(store, {"health": rule("health")}, services=None)
    assert world.tick().warnings == (
        "the alert rule health was not judged: no service is known: set NBACTL_HEALTH_URLS",
    )
    world.services = ()
    assert world.tick(5).outcomes[0].state == "not_applicable"


def test_a_rollout_that_is_paused_or_overdue_for_the_window(store: DocumentStore) -> None:
    baking = Rollout(
        "fast", RolloutStatus.RUNNING, (RolloutStage(50, 3600),), (), 1, NOW, NOW, 0.0, True, 1, 1, 1, ()  # noqa: FBT003
    )  # fmt: skip
    world = World(store, {"rollout": rule("rollout", window="6h")}, rollouts=[baking])
    said = [(world.tick(60).outcomes[0].state) for _ in range(8)]
    assert said == ["waiting"] * 6 + ["alerting"] * 2
    assert world.said == [("critical", "the rollout of fast has baked, and does not advance")]
    world.rollouts = [replace(baking, status=RolloutStatus.COMPLETED)]
    assert len(world.tick(5).resolved) == 1


def test_each_service_that_is_not_as_it_should_be_for_the_window_is_an_alert(store: DocumentStore) -> None:
    world = World(store, {"services": rule("services", window="30m")})
    assert world.tick().outcomes[0].state == "not_applicable"
    world.deployed = ServicesSeen(8, {"worker": "GET /ready answered 500, not 200"}, ("the history is not known",))
    [outcome] = world.tick().outcomes
    assert (outcome.state, outcome.value, outcome.sample, outcome.subjects) == ("waiting", 0.125, 8, ("worker",))
    assert world.noticed == ["alert rules: the history is not known"]
    world.tick(29)
    assert world.said == []
    world.tick(2)
    assert world.said == [("critical", "worker: GET /ready answered 500, not 200")]
    world.deployed = ServicesSeen(8, {"coordinator": "min_instances is 0, declared 1"})
    world.tick(5)
    assert world.said[1:] == [("info", "resolved: worker: GET /ready answered 500, not 200")]
    world.deployed = ServicesSeen(8, {})
    assert world.tick(40).outcomes[0].why == "0 of 8 declared services are not as they should be"


def test_each_job_that_does_not_run_for_the_window_is_an_alert(store: DocumentStore) -> None:
    world = World(store, {"jobs": rule("jobs", window="10m")})
    assert world.tick().outcomes[0].state == "not_applicable"
    world.scheduled = JobsSeen(3, {"drift": "paused since 2026-06-18, and nobody said why"})
    assert world.tick().outcomes[0].state == "waiting"
    world.tick(11)
    assert world.said == [("critical", "job drift: paused since 2026-06-18, and nobody said why")]
    world.scheduled = JobsSeen(3, {})
    assert world.tick(5).outcomes[0].why == "0 of 3 scheduled jobs are not as they should be"
    assert world.said[1:] == [("info", "resolved: job drift: paused since 2026-06-18, and nobody said why")]


def test_services_are_not_called_at_every_tick(store: DocumentStore) -> None:
    world = World(store, {"services": rule("services")}, deployed=ServicesSeen(8, {}))
    world.billed_every = timedelta(minutes=15)
    assert [world.tick(minutes).outcomes[0].state for minutes in (0, 10, 10)] == ["quiet", "resting", "quiet"]


def test_each_late_date_is_a_condition_of_its_own(store: DocumentStore) -> None:
    yesterday = TODAY.plus(-1)
    there = [output(name, OutputState.COMPLETE, day=yesterday) for name in ("a", "b", "c")]
    world = World(store, {"late": rule("late_outputs", window="2d", above=0.1, minimum=2)})
    world.outputs = [
        *there,
        output("d", OutputState.LATE, day=yesterday),
        output("e", OutputState.MISSING),
        output("f", OutputState.EXPECTED),
        output("g", OutputState.FAILED, required=False),
    ]
    done = world.tick()
    assert world.said == [("critical", "1 of 4 outputs of 2024-01-14 are not there: phase4 d LATE")]
    assert done.outcomes[0].subjects == ("2024-01-14",)  # of today one alone is due
    world.outputs = there
    world.tick(4 * 1440)  # its date has left the window, and is looked at again
    assert len(world.alerts) == 2
    assert conditions_open(store) == []


def test_a_condition_whose_rule_is_gone_ends_unsaid(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate")}, runs=ran(1, 1))
    world.tick()
    world.rules = {"health": rule("health")}
    world.tick(5)
    assert (len(world.said), conditions_open(store)) == (1, [])


def test_what_was_decided_is_said_though_the_rule_cannot_be_judged_any_more(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate")}, runs=ran(1, 1))
    with faults.calling("alert_rules.decided", lambda: (_ for _ in ()).throw(SystemExit)), pytest.raises(SystemExit):
        world.tick()
    world.down = True
    assert world.tick(5).sent == ("rule/failures/1",)


def test_a_dry_run_says_and_stores_nothing(store: DocumentStore) -> None:
    world = World(store, {"failures": rule("failure_rate")}, runs=ran(1, 1))
    done = world.made().evaluate(NOW, dry_run=True)
    assert (done.outcomes[0].state, done.sent) == ("alerting", ())
    assert (world.said, conditions_open(store)) == ([], [])

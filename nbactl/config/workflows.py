"""The model of workflows.yaml: tasks, phases, workflows, alerts."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from nbactl.config.alert_rules import AlertRule
from nbactl.config.base import NO_ENTRIES, NOT_EMPTY, Name, Seconds, Strict, Why, at_least, at_most, keyed
from nbactl.config.deployed import DeployedSpec
from nbactl.config.due import DueTimes
from nbactl.config.healing import HealingSpec
from nbactl.config.jobs import JobDeclaration
from nbactl.config.schedules import Schedule
from nbactl.config.season import SeasonSpec

ExecutionMode = Literal["parallel", "sequential"]
Priority = Literal["critical", "high", "normal", "low"]
Event = Literal["run_failed", "run_partial", "not_run"]
ForEach = Literal["game", "event", "team", "player"]
Share = Annotated[float, at_least(0), at_most(1)]


class ServiceSpec(Strict):
    """The call that does a task on target gcp: a Cloud Run service, the path and the JSON body of the POST request.

    Texts in `body` may have placeholders: {game_date}, {run_id}, {correlation_id}, and what `for_each` iterates over.
    """

    name: str
    path: str = "/"
    body: dict[str, Any] = NO_ENTRIES
    for_each: ForEach | None = None
    """Make one call for each of them on the date, from the schedule table: {game_id}, {event_id}, {team}, {player}."""
    processor: str | None = None
    """The name under which the service reports the task, such as PlayerGameSummaryProcessor."""
    push: bool = False
    """Whether the service takes the body as Pub/Sub pushes it, base64-encoded in an envelope."""

    def used_with(self, use: TaskUse) -> ServiceSpec:
        """Return the call as a use of the task makes it."""
        body = {**self.body, **use.parameters}
        return self.replaced(body=body, for_each=use.for_each or self.for_each)


class QuarantineLimits(Strict):
    """Which share of a date's records in quarantine is a warning, and which a failure; from 0 to 1."""

    warn_above: Share
    fail_above: Share


class Task(Strict):
    """One unit of work.

    At most one of `processor`, `call`, `command` says what it does in process; `service` says where it runs on gcp.
    """

    description: str
    processor: str | None = None
    call: str | None = None
    command: tuple[str, ...] | None = None
    service: ServiceSpec | None = None
    parameters: dict[str, Any] = keyed("with", default=NO_ENTRIES)
    timeout: str
    """A name in timeouts.yaml; bounds each attempt."""
    retry: str = "none"
    """A name under retry_policies in timeouts.yaml."""
    output: Literal["rows", "none"] = "rows"
    """Whether the task must report how many rows it wrote."""
    no_data: Literal["fail", "ok"] = "fail"
    """Whether 0 rows is a success (invariant 15)."""
    quarantine: QuarantineLimits | None = None
    """Without limits any share of refused records will do."""
    reads: tuple[str, ...] = ()
    """Tasks of earlier phases whose results it needs when it is run without its phase; if empty, all of them."""
    isolate: Literal["none", "process"] = "none"
    """`process` runs it in a process of its own that is killed when it times out."""

    def used_with(self, use: TaskUse) -> Task:
        """Return the task as one use of it in a phase or workflow does it."""
        if not use.parameters and use.for_each is None:
            return self
        service = None if self.service is None else self.service.used_with(use)
        return self.replaced(parameters={**self.parameters, **use.parameters}, service=service)


class TaskUse(Strict):
    """A task inside a phase or workflow. In YAML a bare name stands for `{task: name}`."""

    short_form: ClassVar = ("task", "write a task's name, or {task: NAME, needs: [OTHER], required: false}")

    task: str
    needs: tuple[str, ...] = ()
    required: bool = True
    wait: Seconds | None = None
    """Seconds from its start that tasks which need it wait for this optional task; then, or if it fails, they go on."""
    parameters: dict[str, Any] = keyed("with", default=NO_ENTRIES)
    """Added to the task's own parameters, on gcp to the body of its call."""
    for_each: ForEach | None = None
    """In place of `for_each` of the task's service."""


class Executable(Strict):
    """What phases and workflows share."""

    description: str
    execution_mode: ExecutionMode = "parallel"
    max_workers: Annotated[int, at_least(1), at_most(256)] = 8
    deadline: str | None = None
    """A name under deadlines in timeouts.yaml; bounds the whole run."""
    tasks: Annotated[tuple[TaskUse, ...], NOT_EMPTY]


class ExpectedNames(Strict):
    """The processors that production expects to report of a phase in one mode, by their declared names."""

    critical: tuple[Name, ...] = ()
    """Without one of these the phase never leads to the next one."""
    optional: tuple[Name, ...] = ()
    """Expected as well; without one of these the phase is partial."""


class ExpectedModes(Strict):
    """What is expected of a phase by the mode, which follows from the game date against today in Eastern time."""

    overnight: ExpectedNames
    """Of dates before today."""
    same_day: ExpectedNames
    """Of today."""
    tomorrow: ExpectedNames
    """Of later dates."""


class TierSpec(Strict):
    """How many of the expected processors are enough from a time on."""

    after: Seconds
    """Seconds since the first completion."""
    at_least: Annotated[int, at_least(0)]
    """All critical ones are among them."""


class HandOffSpec(Strict):
    """When production's orchestrator starts the next phase: with all critical processors, and more of the expected."""

    majority: Share = 0.0
    """The share of the expected processors that is needed, from 0 to 1."""
    majority_after: Seconds | None = None
    """Seconds since the first completion from which the share is enough; before, all are waited for."""
    tiers: tuple[TierSpec, ...] = ()
    """In place of a share: at first all are needed, later fewer."""


class FanOut(Strict):
    """The topics of a phase that is done with one message a player."""

    request_topic: str
    """One message for each player to do."""
    ready_topic: str
    """One message for each player that is done."""


class Phase(Executable):
    """A workflow that is tracked per game date and leads to the next one."""

    needs: tuple[str, ...] = ()
    service: str
    topic: str
    """The topic on which each of its processors announces on gcp that it is done."""
    trigger_topic: str | None = None
    """The topic on which the orchestrator of the phase before starts this one on gcp, if it does so by a topic."""
    fan_out: FanOut | None = None
    """The topics of the requests and answers, if the phase sends one message a player."""
    expected: ExpectedModes | None = None
    """The processors that report in production; without it these are the tasks."""
    hand_off: HandOffSpec | None = None
    """What the phase must have before the next one starts; without it, all critical processors."""
    due: DueTimes | None = None
    """When its outputs are due."""


class AlertSpec(Strict):
    """What is said, and where, when a run ends in a state worth an alert."""

    severity: Literal["info", "warning", "critical"]
    channels: Annotated[tuple[Literal["console", "log", "slack"], ...], NOT_EMPTY]


_LOUD: Final = AlertSpec(severity="critical", channels=("console", "log", "slack"))


class AlertsSpec(Strict):
    """Alerts by event."""

    run_failed: AlertSpec
    run_partial: AlertSpec
    not_run: AlertSpec | None = None
    """A workflow was due and did not run: missed, aborted, or decided on and never begun. By default critical."""
    rules: dict[Name, AlertRule] = NO_ENTRIES
    """Conditions that every `schedule tick` judges."""


class WorkflowAlerts(Strict):
    """Alerts of one workflow, in place of those of the file; events that are left out are as in the file."""

    run_failed: AlertSpec | None = None
    run_partial: AlertSpec | None = None
    not_run: AlertSpec | None = None


class Workflow(Executable):
    """Tasks with an execution mode, run on a schedule or by hand."""

    enabled: bool = True
    """Whether `schedule tick` runs it; by hand it can always be run."""
    disabled_reason: Why | None = None
    """Why it is not enabled."""
    priority: Priority = "normal"
    """Of several workflows that are due, the most urgent one is begun first."""
    needs: tuple[str, ...] = ()
    """Workflows that must have succeeded for the same game date; the schedule waits for them."""
    alerts: WorkflowAlerts | None = None
    schedule: Schedule | None = None

    def alert(self, event: Event, common: AlertsSpec) -> AlertSpec:
        """Return the alert of an event: its own, else that of the file."""
        own: AlertSpec | None = None if self.alerts is None else getattr(self.alerts, event)
        found: AlertSpec = own or getattr(common, event) or _LOUD
        return found


class WorkflowsFile(Strict):
    """workflows.yaml."""

    version: Literal[1]
    timezone: Literal["America/New_York"]
    services: dict[str, DeployedSpec] = NO_ENTRIES
    """What is deployed, as it should be; `nbactl services diff` compares."""
    tasks: dict[Name, Task]
    phases: dict[Name, Phase]
    workflows: dict[Name, Workflow]
    alerts: AlertsSpec
    season: dict[str, SeasonSpec] = NO_ENTRIES
    """The seasons by name, such as 2024-25: outside of a declared season no games are expected."""
    healing: HealingSpec | None = None
    """What `nbactl heal` repairs."""
    jobs: dict[str, JobDeclaration] = NO_ENTRIES
    """Jobs of the scheduler as they should be; `nbactl jobs diff` compares."""

    @property
    def topics(self) -> set[str]:
        """The topics that phases are reported to and started by, and those of their fan-outs."""
        phases = self.phases.values()
        fan_outs = [phase.fan_out for phase in phases if phase.fan_out is not None]
        pairs = [(phase.topic, phase.trigger_topic) for phase in phases]
        pairs += [(fan_out.request_topic, fan_out.ready_topic) for fan_out in fan_outs]
        return {topic for pair in pairs for topic in pair if topic}

    @property
    def declared_services(self) -> list[str]:
        """The services that it names: those of tasks and phases, then those that are only declared."""
        named = [task.service.name for task in self.tasks.values() if task.service is not None]
        return list(dict.fromkeys([*named, *(phase.service for phase in self.phases.values()), *self.services]))

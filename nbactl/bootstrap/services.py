"""The services of the pipeline, each composed for one process. What a service needs is imported when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.service.health import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.bootstrap.service import ServiceContainer
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.service.service import Service
    from nbactl.reporting.heartbeat import Pulse
    from nbactl.services.runs import ServiceRuns

    Maker = Callable[[ServiceContainer], Service]


def make_services(app: ServiceContainer, names: Sequence[str]) -> Service:
    """Return the services of these names as one ASGI app, with the self-tests that `/ready` depends on."""
    services = [MAKERS[name](app) for name in names]
    if len(services) == 1:
        made = services[0]
    else:
        from nbactl.core.service.service import Service
        from nbactl.services.joined import Joined

        made = Service(app.name, app, Joined(services))
    app.checks.append(
        Check("routes", made.self_test, app.config.timeouts["service.self_test"], component_type="component")
    )
    return made


def _collector(app: ServiceContainer) -> Service:
    from nbactl.services.collector import make_collector

    return make_collector(app, make_runs(app), app.config.workflows, probe=lambda: probe_work(app, "phase1"))


def _processors(app: ServiceContainer) -> Service:
    from nbactl.services.processors import make_processors

    # The rows about runs; `nbactl schedule tick` loads them too.
    app.in_background("rows", app.config.timeouts.interval("rows.age"), app.row_buffer.flush_due)
    return make_processors(
        app,
        make_runs(app),
        app.config.workflows,
        collected=lambda day: done_tasks(app, ("phase1", "phase2"), day),
        probe=lambda phase: probe_work(app, phase),
    )


def _orchestrator(app: ServiceContainer) -> Service:
    from nbactl.bootstrap.phases import make_phase_recorder, make_phase_sweep
    from nbactl.services.orchestrator import make_orchestrator
    from nbactl.services.routes import push_routes

    recorder = make_phase_recorder(app, app.alert)
    app.in_background("hand-offs", app.config.timeouts.interval("handoff.sweep"), make_phase_sweep(app, recorder))
    routes = push_routes(app.config.workflows)
    return make_orchestrator(
        "orchestrator",
        app,
        recorder,
        routes,
        probe=lambda phase: _probe_recording(app, phase),
        heartbeat=lambda: _look_at_ticks(app),
    )


def _look_at_ticks(app: ServiceContainer) -> Pulse:
    from nbactl.reporting.heartbeat import look_at_ticks

    silence = app.config.timeouts["schedule.silence"]
    return look_at_ticks(app.documents, app.clock.now(), silence, app.config.timeouts["alert.window"], app.alert)


def _probe_recording(app: ServiceContainer, phase: str) -> None:
    """Do what recording a completion does before its first effect: read the message and the phase's document."""
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.documents import read_phase
    from nbactl.core.phases.messages import Completion, completion_data, parse_completion

    day = GameDate.of(app.clock.now())
    sent = parse_completion(completion_data(Completion("self_test", phase, day, "success", rows=1)))
    read_phase(app.documents, phase, sent.game_date, (sent.processor,))


def _coordinator(app: ServiceContainer) -> Service:
    from nbactl.bootstrap.predictions import make_coordinator_service

    return make_coordinator_service(app)


def _worker(app: ServiceContainer) -> Service:
    from nbactl.bootstrap.predictions import make_worker_service

    return make_worker_service(app)


def _exporter(app: ServiceContainer) -> Service:
    from nbactl.services.exporter import make_exporter

    return make_exporter(app, make_runs(app), probe=lambda: probe_work(app, "phase6"))


MAKERS: Final[Mapping[str, Maker]] = {
    "collector": _collector,
    "processors": _processors,
    "orchestrator": _orchestrator,
    "coordinator": _coordinator,
    "worker": _worker,
    "exporter": _exporter,
}


def make_runs(app: ServiceContainer) -> ServiceRuns:
    """Return what runs tasks in this process, also on gcp, with their logs, alerts and failure reports."""
    from nbactl.core.observe.failures import Failures
    from nbactl.services.runs import RunTools, ServiceRuns
    from nbactl.workflows.observers import RunAlerts, combined, log_event, report_failures

    app.in_process = app.settings.target == "gcp"
    alerts = app.alerts(dispatcher=app.outbox_beat.trigger)
    observer = combined(
        log_event, RunAlerts(app.config.workflows.alerts, alerts.send), report_failures(Failures(*app.failure_sinks))
    )
    tools = RunTools(
        runner=app.runner,
        outbox=app.outbox,
        documents=app.documents,
        workflows=app.config.workflows,
        observer=observer,
        clock=app.clock,
        grace=app.config.timeouts["service.let_go"],
        patience=app.config.timeouts["service.upstream"],
    )
    return ServiceRuns(tools)


def done_tasks(app: ServiceContainer, phases: Sequence[str], day: GameDate) -> set[str]:
    """Return the tasks of phases that the ledger has as done for a date, in a run of the phase or of their own."""
    file = app.config.workflows
    tasks = [use.task for name in phases if name in file.phases for use in file.phases[name].tasks]
    past = app.ledger.latest_between((*phases, *tasks), day, day, app.source.key)
    return {task.name for run in past.values() for task in run.tasks if task.status.done}


def probe_work(app: ServiceContainer, phase: str) -> None:
    """Do what a run of a phase does before its first effect: plan it, and import what its tasks run."""
    from nbactl.adapters.inprocess.compute import load_function
    from nbactl.core._support.gamedate import GameDate
    from nbactl.pipeline.registry import load
    from nbactl.workflows.model import RunRequest

    request = RunRequest((phase,), (GameDate.of(app.clock.now()),), upstream="skip")
    for plan in app.runner.plan(request):
        for work in (task.work for task in plan.tasks):
            if work.kind == "processor":
                load(str(work.target))
            elif work.kind == "call":
                load_function(str(work.target))

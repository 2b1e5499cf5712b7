"""The processors: phases 2, 3 and 4 of production's three services, started by messages and by production's requests.

A task of phase 2 runs when all that it reads is collected: the completion that comes last starts it, in whichever order
they come. A phase that is done is not done again, but what was not announced of it is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core.outbox.outbox import KEY_ATTRIBUTE
from nbactl.core.phases.messages import COUNTED, Completion, parse_completion, parse_trigger
from nbactl.core.phases.names import normalise
from nbactl.core.service.service import Service
from nbactl.errors import DataError, PreconditionError, UsageError
from nbactl.services.http import JsonRoute, JsonRoutes, flag
from nbactl.services.results import results_of
from nbactl.services.runs import check_ended
from nbactl.workflows.model import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core.phases.messages import CompletionStatus
    from nbactl.core.service.push import PushMessage
    from nbactl.core.service.service import Parts
    from nbactl.services.runs import ServiceRuns

_LOG = logging.getLogger(__name__)
_RAW: Final = "phase2"
_MOST_DATES: Final = 400
"""Dates of one request: a season and its breaks. More is a mistake."""
_ENDED: Final = (*COUNTED, "no_data")
"""The states of a scraper after which there is something to process, be it that there is nothing."""


def make_processors(
    parts: Parts,
    runs: ServiceRuns,
    workflows: WorkflowsFile,
    *,
    collected: Callable[[GameDate], Collection[str]],
    probe: Callable[[str], object],
    name: str = "processors",
) -> Service:
    """Return the service.

    `collected` gives the tasks that are done for a date, of phases 1 and 2; `probe` does what a run of a phase does
    without changing anything.
    """
    raw = _RawProcessors(runs, workflows, collected)

    def range_request(body: dict[str, Any]) -> tuple[tuple[GameDate, ...], bool]:
        first, last = _date(body, "start_date"), _date(body, "end_date")
        if not first <= last or (last.day - first.day).days >= _MOST_DATES:
            raise UsageError(f"{first} to {last} is not a range of 1 to {_MOST_DATES} dates")
        return tuple(first.until(last)), False

    def date_request(body: dict[str, Any]) -> tuple[tuple[GameDate, ...], bool]:
        return (_date(body, "analysis_date"),), flag(body, "strict_mode")

    def route(
        phase: str, path: str, timeout: str, read: Callable[[dict[str, Any]], tuple[tuple[GameDate, ...], bool]]
    ) -> JsonRoute:
        async def start(body: dict[str, Any]) -> dict[str, Any]:
            days, strict = read(body)
            skips, quiet = flag(body, "skip_dependency_check"), flag(body, "skip_downstream_trigger")
            tasks, unknown = _named_tasks(workflows, phase, body)
            if not tasks:
                return results_of((), {}, unknown)
            checks = strict and not skips
            request = RunRequest(
                (phase,),
                days,
                only=tuple(tasks),
                upstream="fail" if checks else "skip",
                force=flag(body, "backfill_mode"),
            )
            turn = f"{phase}/{days[0]}" if len(days) == 1 else phase
            try:
                ended = await runs.execute(request, turn=turn, announces=not quiet)
            except PreconditionError as error:
                if not checks or error.code != PreconditionError.code:
                    raise
                raise PreconditionError(
                    error.message, next_step="Have them done first, or send skip_dependency_check: true."
                ) from error
            return results_of(ended, tasks, unknown)

        return JsonRoute("POST", path, start, parts.timeouts[timeout], lambda: probe(phase))

    routes = [
        route("phase3", "/process-date-range", "task.analytics", range_request),
        route("phase4", "/process-date", "task.precompute", date_request),
    ]
    service = Service(name, parts, JsonRoutes(routes, clock=parts.clock, failures=parts.failures))
    service.push("/process", timeout="service.phase", key=raw.key, probe=lambda: probe(_RAW))(raw.process)
    for phase in ("phase3", "phase4"):
        _push_phase(service, runs, phase, workflows.phases[phase].needs, probe)
    return service


class _RawProcessors:
    """Phase 2: one completion of a scraper at a time."""

    def __init__(
        self, runs: ServiceRuns, workflows: WorkflowsFile, collected: Callable[[GameDate], Collection[str]]
    ) -> None:
        self._runs = runs
        self._workflows = workflows
        self._collected = collected
        phase = workflows.phases.get(_RAW)
        self._needs = {use.task: use.needs for use in phase.tasks} if phase is not None else {}

    def key(self, message: PushMessage) -> str:
        """Name the work of a message. Raises DataError for one that nobody can work on."""
        completion = parse_completion(message.json())
        self._own(completion)
        return f"process/{message.attributes.get(KEY_ATTRIBUTE) or message.message_id}"

    async def process(self, message: PushMessage) -> None:
        """Run what can run now that a scraper has ended. Raises UnavailableError for what may succeed later."""
        completion = parse_completion(message.json())
        own, day = self._own(completion), completion.game_date
        affected = self._affected(own, completion.processor)
        if completion.status not in _ENDED:
            _LOG.warning("the scraper %s for %s: %s", completion.processor, day, completion.status)
            for task in affected:
                self._announce_failure(task, completion)
            return
        tried: set[str] = set()
        # After each run once more: a task that needs one of these may have been collected for meanwhile, and its
        # completion found that it has to wait.
        while ready := self._ready(affected, {*self._collected(day), completion.processor}, tried):
            tried.update(ready)
            name = _RAW if ready[0] in self._needs else ready[0]
            request = RunRequest((name,), (day,), only=ready if name == _RAW else (), upstream="skip")
            check_ended(await self._runs.execute(request, turn=f"{_RAW}/{day}"), frozenset(ready))
        if waiting := [task for task in affected if task not in tried]:
            _LOG.info("%s for %s: waiting for other inputs", ", ".join(waiting), day)

    def _own(self, completion: Completion) -> str | None:
        """Return the task that processes what a scraper collected, None if nothing does. Raises DataError."""
        by_name: dict[str, str] = {}
        by_table: dict[str, str] = {}
        for name, task in self._workflows.tasks.items():
            body = task.service.body if task.service is not None else {}
            if body.get("phase") == "phase_1_scrapers":
                by_name.setdefault(str(body.get("processor_name")), name)
                by_table.setdefault(str(body.get("output_table")), name)
        found = by_name.get(completion.processor) or by_table.get(completion.output_table or "")
        if found is None and completion.processor not in self._workflows.tasks:
            raise DataError(
                f"no task processes what '{completion.processor}' collects",
                cause="It is not declared in workflows.yaml.",
                next_step=f"Known: {', '.join(sorted(by_name))}.",
            )
        return found

    def _affected(self, own: str | None, scraper: str) -> tuple[str, ...]:
        """Return the tasks that may wait for a scraper: its own, those that read it, and those that need these."""
        if own is not None and own not in self._needs:
            return (own,)  # of no phase
        found = [task for task in self._needs if task == own or scraper in self._workflows.tasks[task].reads]
        while more := [task for task, needs in self._needs.items() if task not in found and set(needs) & set(found)]:
            found += more
        return tuple(task for task in self._needs if task in found)

    def _ready(self, tasks: tuple[str, ...], done: Collection[str], tried: Collection[str]) -> tuple[str, ...]:
        """Return those whose input is there, and that need nothing but what is done or ready."""
        reads = self._workflows.tasks
        ready = [task for task in tasks if task not in tried and set(reads[task].reads) <= set(done)]
        while early := [task for task in ready if not set(self._needs.get(task, ())) <= {*done, *ready}]:
            ready = [task for task in ready if task not in early]
        return tuple(ready)

    def _announce_failure(self, task: str, scraper: Completion) -> None:
        """Announce that a task has nothing to process because its scraper failed."""
        phase = self._runs.phase_of(task)
        if phase is not None:
            status: CompletionStatus = "skipped" if scraper.status == "skipped" else "failed"
            completion = Completion(
                task, phase, scraper.game_date, status, correlation_id=scraper.correlation_id, at=scraper.at
            )
            self._runs.announce(phase, completion, f"{scraper.processor}/{scraper.execution_id or scraper.at}")


def _push_phase(
    service: Service, runs: ServiceRuns, phase: str, needs: Sequence[str], probe: Callable[[str], object]
) -> None:
    def key(message: PushMessage) -> str:
        data = message.json()
        trigger = parse_trigger(phase, data)
        # Several messages of ours mean one start; one of production has no number that would tell two starts apart.
        return trigger.key if "attempt" in data else f"{phase}/{message.message_id}"

    @service.push(f"/{phase}", timeout="service.phase", key=key, payload=lambda _: None, probe=lambda: probe(phase))
    async def start(message: PushMessage) -> None:
        trigger = parse_trigger(phase, message.json())
        day = trigger.game_date
        for need in needs:
            # The majority of a phase starts the next one; tasks that are seconds behind are not to be missed.
            await runs.wait_for(f"{need}/{day}")
        request = RunRequest((phase,), (day,), upstream="skip")
        check_ended(await runs.execute(request, turn=f"{phase}/{day}", since=trigger.decided_at))


def _named_tasks(workflows: WorkflowsFile, phase: str, body: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tasks of a phase that a request names, each with the name it used, and why other names are unknown."""
    known = [use.task for use in workflows.phases[phase].tasks]
    named = body.get("processors")
    if named is None:
        return {task: task for task in known}, {}
    if not isinstance(named, list) or not named or not all(isinstance(name, str) for name in named):
        raise UsageError("processors is not a list of names", next_step="Leave it out for all of the phase.")
    tasks: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for name in named:
        if (task := normalise(name, known, phase=phase)) is None:
            unknown[name] = f"there is no processor '{name}' in {phase}; known: {', '.join(known)}"
        else:
            tasks.setdefault(task, name)
    return tasks, unknown


def _date(body: dict[str, Any], field: str) -> GameDate:
    text = body.get(field)
    if not isinstance(text, str):
        raise UsageError(f"the request has no {field}", next_step=f'Send {{"{field}": "YYYY-MM-DD"}}.')
    return GameDate.iso(text)

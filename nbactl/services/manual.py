"""Messages that an operator publishes, in the form of their topic, checked by what their consumers read them with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.names import did_you_mean
from nbactl.core.phases.messages import (
    COUNTED,
    STATUSES,
    Completion,
    PhaseTrigger,
    completion_data,
    parse_completion,
    parse_trigger,
    trigger_data,
)
from nbactl.core.phases.names import normalise
from nbactl.errors import NotFoundError, UsageError
from nbactl.frozen import frozen
from nbactl.services.batch_documents import message_key
from nbactl.services.batches import parse_ready

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.messages import CompletionStatus
    from nbactl.core.phases.modes import Mode

Kind = Literal["completion", "trigger", "request", "ready"]
SOURCE: Final = "nbactl publish"
"""The trigger_source of what an operator starts."""
_FIRST: Final = "phase1"
_SCRAPERS: Final = "phase_1_scrapers"
_OPTIONS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "completion": ("processor", "status", "rows"),
    "trigger": (),
    "request": ("batch", "player"),
    "ready": ("batch", "player", "predictions"),
}
"""The options that each form takes, beside those that all take."""
_NEEDED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "completion": ("processor",),
    "trigger": (),
    "request": ("batch", "player"),
    "ready": ("batch", "player", "predictions"),
}


@frozen
class TopicForm:
    """What the messages of a topic are, and of which phase. `before` is the phase that leads to the one they start."""

    topic: str
    kind: Kind
    phase: str
    before: str | None = None


@frozen
class Values:
    """What an operator says of a message. `fields` are added to it, or replace what it would have."""

    game_date: GameDate
    processor: str | None = None
    status: CompletionStatus | None = None
    rows: int | None = None
    batch: str | None = None
    player: str | None = None
    predictions: int | None = None
    reason: str | None = None
    fields: Mapping[str, Any] | None = None


@frozen
class Circumstances:
    """What a message says of its moment. `attempt` is the round of the date; without one a start is one of its own.

    `tables` are those of the phase before, and `missing` is what it lacked; `known` are the processors that may report.
    """

    now: datetime
    mode: Mode
    correlation_id: str
    attempt: int | None
    tables: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    partial: bool = False
    missing: tuple[str, ...] = ()


def topic_forms(file: WorkflowsFile) -> dict[str, TopicForm]:
    """Return the form of each topic of the phases."""
    forms: dict[str, TopicForm] = {}
    for name, phase in file.phases.items():
        forms[phase.topic] = TopicForm(phase.topic, "completion", name)
        if phase.trigger_topic is not None:
            before = phase.needs[0] if phase.needs else None
            forms[phase.trigger_topic] = TopicForm(phase.trigger_topic, "trigger", name, before)
        if phase.fan_out is not None:
            request, ready = phase.fan_out.request_topic, phase.fan_out.ready_topic
            forms[request] = TopicForm(request, "request", name)
            forms[ready] = TopicForm(ready, "ready", name)
    return forms


def form_of(file: WorkflowsFile, topic: str) -> TopicForm:
    """Return the form of a topic. Raises NotFoundError."""
    forms = topic_forms(file)
    if topic not in forms:
        raise NotFoundError(
            f"'{topic}' is not a topic of the phases",
            cause="workflows.yaml declares none of that name, so the form of its messages is not known.",
            next_step=did_you_mean(topic, forms),
        )
    return forms[topic]


def check_values(form: TopicForm, values: Values, known: Collection[str] = ()) -> None:
    """Raise UsageError for options that the form lacks or does not take; `known` are the processors that may report."""
    every = {option for options in _OPTIONS.values() for option in options}
    given = {option for option in every if getattr(values, option) is not None}
    if unused := sorted(given - set(_OPTIONS[form.kind])):
        raise UsageError(
            f"{_named(unused)} not for a {_words(form)}",
            next_step=f"Leave {'it' if len(unused) == 1 else 'them'} out, or choose another topic.",
        )
    if missing := [option for option in _NEEDED[form.kind] if option not in given]:
        raise UsageError(
            f"a {_words(form)} needs {' and '.join(f'--{option}' for option in missing)}",
            next_step=f"Known processors: {', '.join(sorted(known))}." if "processor" in missing else None,
        )


def reporting(file: WorkflowsFile, form: TopicForm, expected: Collection[str]) -> frozenset[str]:
    """Return the names that may report on a topic of completions; `expected` are those that its phase knows."""
    if form.phase != _FIRST:
        return frozenset(expected)
    bodies = [task.service.body for task in file.tasks.values() if task.service is not None]
    scrapers = {str(body["processor_name"]) for body in bodies if body.get("phase") == _SCRAPERS}
    return frozenset({*file.tasks, *scrapers})


def make_messages(form: TopicForm, values: Values, about: Circumstances) -> list[dict[str, Any]]:
    """Return the data of the messages: of one, or for a start of phase 4 of one for each table of phase 3.

    Raises UsageError for options that do not fit the form, and DataError for what its consumers would refuse.
    """
    check_values(form, values, about.known)
    day, stamp = str(values.game_date), about.now.isoformat()
    match form.kind:
        case "completion":
            made = [completion_data(_completion(form, values, about))]
        case "trigger":
            made = _triggers(form, values, about)
        case _:
            common = {"player_lookup": values.player, "game_date": day, "batch_id": values.batch, "timestamp": stamp}
            common["correlation_id"] = about.correlation_id
            if form.kind == "request":
                made = [{**common, "prediction_run_mode": about.mode}]
            else:
                made = [{**common, "predictions_generated": values.predictions}]
    messages = [{**one, **(values.fields or {})} for one in made]
    for message in messages:
        _check(form, message, values.game_date)
    return messages


def _completion(form: TopicForm, values: Values, about: Circumstances) -> Completion:
    name = values.processor or ""
    if normalise(name, about.known, phase=form.phase) is None:
        raise UsageError(
            f"'{name}' is not a processor of {form.phase}",
            cause="The orchestrator would refuse it: it counts known names only.",
            next_step=did_you_mean(name, sorted(about.known)),
        )
    return Completion(
        name,
        form.phase,
        values.game_date,
        values.status or "success",
        rows=values.rows,
        execution_id=about.correlation_id,
        correlation_id=about.correlation_id,
        at=about.now,
    )


def _triggers(form: TopicForm, values: Values, about: Circumstances) -> list[dict[str, Any]]:
    trigger = PhaseTrigger(
        form.phase,
        values.game_date,
        attempt=about.attempt or 1,
        mode=about.mode,
        reason=values.reason or "manual",
        correlation_id=about.correlation_id,
        partial=about.partial,
        missing=about.missing,
        decided_at=about.now,
    )
    made = [{**one, "trigger_source": SOURCE} for one in trigger_data(trigger, about.tables)]
    if about.attempt is None:
        for one in made:
            del one["attempt"]
    return made


def _check(form: TopicForm, message: Mapping[str, Any], day: GameDate) -> None:
    """Read a message as its consumers do. Raises DataError, and UsageError for one of another date."""
    read = day
    match form.kind:
        case "completion":
            read = parse_completion(message).game_date
        case "trigger":
            read = parse_trigger(form.phase, message).game_date
        case "request":
            message_key(message)
        case "ready":
            parse_ready(message)
    if read != day or message.get("game_date", str(day)) != str(day):
        raise UsageError("--field changes the game date", next_step="Use --game-date.")


def counts(values: Values) -> bool:
    """Say whether a completion counts towards its phase."""
    return (values.status or "success") in COUNTED


def check_status(text: str | None) -> CompletionStatus | None:
    """Return the status of that name. Raises UsageError."""
    if text is None:
        return None
    found = next((status for status in STATUSES if status == text), None)
    if found is None:
        raise UsageError(f"'{text}' is not a status of a processor", next_step=did_you_mean(text, STATUSES))
    return found


def _words(form: TopicForm) -> str:
    kind = {"completion": "completion", "trigger": "start", "request": "prediction request", "ready": "prediction"}
    return f"{kind[form.kind]} on {form.topic}"


def _named(options: list[str]) -> str:
    return f"{', '.join(f'--{option}' for option in options)} {'is' if len(options) == 1 else 'are'}"

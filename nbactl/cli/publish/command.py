"""Publishing a message by hand, in the form of its topic: shown first, kept in the outbox, published once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, Final, cast

from nbactl.cli.ask import Question, proceed
from nbactl.core._support.faults import reach
from nbactl.core._support.names import did_you_mean
from nbactl.core.observe.context import bound
from nbactl.core.observe.masking import mask_within
from nbactl.core.outbox.messages import message_path
from nbactl.core.phases.documents import read_phase
from nbactl.core.phases.modes import mode_of
from nbactl.errors import AlreadyExistsError, NbactlError, NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.ports.bus import BusTopology, FoundSubscription
    from nbactl.services.manual import Circumstances, TopicForm, Values

_NAMED: Final = 5


@frozen
class PublishRequest:
    """What to publish on which topic; `again` although the same was published before."""

    topic: str
    values: Values
    again: bool = False
    dry_run: bool = False


@frozen
class OwnMessage:
    """A message, its key in the outbox, and its id once it is published."""

    key: str
    data: Mapping[str, Any]
    message_id: str | None = None
    kept: bool = False
    """Whether it is in the outbox."""


@frozen
class Publication:
    """The messages, what they start, and what speaks against them. `receivers` is None if they are not known.

    `before` means that they were published before, and nothing was done.
    """

    request: PublishRequest
    form: TopicForm
    messages: tuple[OwnMessage, ...]
    effects: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    receivers: tuple[FoundSubscription, ...] | None = None
    before: bool = False
    asked: bool = False
    """Whether all of this was shown with a question."""


def publish_message(app: Container, request: PublishRequest, *, confirm: Confirm = proceed) -> Publication:
    """Publish a message, or those that start a phase, once: the same command finishes what one that was killed began.

    Raises NotFoundError for an unknown topic or batch, UsageError for options that the form lacks, and what the bus
    raises; the message is in the outbox then, and the next sweep publishes it.
    """
    from nbactl.services.manual import check_values, form_of, reporting  # noqa: PLC0415 - loaded when needed

    form = form_of(app.config.workflows, request.topic)
    known = reporting(app.config.workflows, form, app.expectations[form.phase].known)
    check_values(form, request.values, known)
    base = _key(form, request.values)
    number, kept = _kept(app, base, again=request.again)
    messages = kept or _made(app, form, request.values, f"{base}/{number}", own_start=number > 1)
    made = Publication(request, form, messages)
    if kept and all(message.message_id for message in kept):
        return replace(made, before=True)
    receivers, unknown = _receivers(app, request.topic)
    made = replace(
        made,
        receivers=receivers,
        effects=tuple(_effects(app, form, request.values)),
        warnings=(*_warnings(app, form, request.values, receivers, own_start=number > 1), *unknown),
    )
    if request.dry_run:
        return made
    _require_topic(app, request.topic)
    shown = tuple(f"  {json.dumps(mask_within(message.data))}" for message in messages)
    several = f"{len(messages)} messages" if len(messages) > 1 else "a message"
    confirm(
        Question(
            f"Publish {several} to {request.topic}?",
            (*shown, *made.effects, *(received(one) for one in receivers or ()), *made.warnings),
        )
    )
    if not kept:
        try:
            with bound(correlation_id=_text(messages[0].data.get("correlation_id"))):
                app.documents.commit([app.outbox.message(one.key, request.topic, one.data) for one in messages])
        except AlreadyExistsError:
            _, messages = _kept(app, base, again=False)  # someone gave the same command at the same time
        reach("publish.kept")
    asked = app.settings.target == "gcp"
    return replace(made, asked=asked, messages=tuple(_driven(app, message) for message in messages))


def received(one: FoundSubscription) -> str:
    """Return the sentence that a subscription gets it."""
    return f"{one.name} gets it{f', and pushes it to {one.push.endpoint}' if one.push else ''}."


def _key(form: TopicForm, values: Values) -> str:
    """Return what the keys of the same message begin with; why it is published makes no other message of it."""
    said = {name: value for name, value in asdict(values).items() if name not in ("game_date", "reason")}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
    return f"publish/{form.topic}/{values.game_date}/{digest}"


def _kept(app: Container, base: str, *, again: bool) -> tuple[int, tuple[OwnMessage, ...]]:
    """Return the number of the publication to be made, and its messages if it was begun.

    What was begun is finished first; with `again` what is finished is passed over.
    """
    last: tuple[OwnMessage, ...] = ()
    for number in count(1):
        found = tuple(takewhile(lambda one: one.kept, (_read(app, f"{base}/{number}/{index}") for index in count())))
        if found and not all(message.message_id for message in found):
            return number, found
        if not found:
            return (number, ()) if again or not last else (number - 1, last)
        last = found
    raise AssertionError("unreachable")


def _read(app: Container, key: str) -> OwnMessage:
    document = app.documents.get(message_path(key))
    if document is None:
        return OwnMessage(key, {})
    return OwnMessage(key, json.loads(document.data["data"]), document.data.get("message_id"), kept=True)


def _made(app: Container, form: TopicForm, values: Values, key: str, *, own_start: bool) -> tuple[OwnMessage, ...]:
    from nbactl.core.completions.documents import required_batch  # noqa: PLC0415 - few messages are of a batch
    from nbactl.services.manual import make_messages  # noqa: PLC0415 - as above

    if values.batch is not None:
        required_batch(app.documents, values.batch)
    made = make_messages(form, values, _circumstances(app, form, values, own_start=own_start))
    return tuple(OwnMessage(f"{key}/{index}", data) for index, data in enumerate(made))


def _circumstances(app: Container, form: TopicForm, values: Values, *, own_start: bool) -> Circumstances:
    from nbactl.services.manual import Circumstances, reporting  # noqa: PLC0415 - as above

    now, file, expectations = app.clock.now(), app.config.workflows, app.expectations
    mode, attempt = mode_of(values.game_date, now), None
    tables: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    partial = False
    if form.before is not None:
        before = expectations[form.before]
        document = read_phase(app.documents, form.before, values.game_date, before.known)
        mode = document.mode or mode
        tables = before.of(mode).names
        partial, missing = document.partial, document.missing
        if not own_start:
            attempt = 1 if document.hand_off is None else document.hand_off.attempt
    return Circumstances(
        now,
        mode,
        app.ids.new("corr"),
        attempt,
        tables,
        reporting(file, form, expectations[form.phase].known),
        partial,
        missing,
    )


def _receivers(app: Container, topic: str) -> tuple[tuple[FoundSubscription, ...] | None, tuple[str, ...]]:
    try:
        found = app.target.subscriptions(app)
    except NbactlError as error:
        return None, (f"who receives it is not known: {error.message}",)
    return tuple(one for one in found if one.topic == topic), ()


def _effects(app: Container, form: TopicForm, values: Values) -> list[str]:
    """Return what follows, in sentences."""
    from nbactl.services.manual import counts  # noqa: PLC0415 - as above

    phases, day = app.config.workflows.phases, values.game_date
    match form.kind:
        case "completion" if not counts(values):
            return [f"Records that {values.processor} ended {values.status} for {day}; that does not count."]
        case "completion":
            following = [name for name, phase in phases.items() if form.phase in phase.needs]
            if form.phase == "phase1":
                return [f"Starts what phase2 can process of {values.processor} for {day}."]
            then = f" It starts {following[0]} if that has what it waits for." if following else ""
            return [f"Counts {values.processor} as done in {form.phase} for {day}.{then}"]
        case "trigger":
            tasks = [use.task for use in phases[form.phase].tasks]
            named = ", ".join(tasks[:_NAMED]) + (f" and {len(tasks) - _NAMED} more" if len(tasks) > _NAMED else "")
            each = ", with a request for each player" if phases[form.phase].fan_out is not None else ""
            return [f"Starts {form.phase} for {day}: {named}{each}."]
        case "request":
            return [f"Predicts {values.player} in {values.batch}."]
        case _:
            return [f"Counts {values.player} as done in {values.batch}."]


def _warnings(
    app: Container,
    form: TopicForm,
    values: Values,
    receivers: Sequence[FoundSubscription] | None,
    *,
    own_start: bool,
) -> list[str]:
    """Return what speaks against it, in sentences."""
    found = []
    if receivers is not None and not receivers:
        found.append(f"No subscription gets what is published to {form.topic}: nothing follows.")
    if form.kind == "trigger" and own_start and form.phase in ("phase5", "phase6"):
        found.append(
            f"nbactl's own services start {form.phase} once in a round: use `nbactl run {form.phase} --force`."
        )
    if form.kind in ("request", "ready"):
        return found
    if app.settings.target == "gcp" and (form.kind == "trigger" or form.phase == "phase1"):
        found.append("This starts paid work.")
    return [*found, *_idle(app, values)]


def _idle(app: Container, values: Values) -> list[str]:
    """Return why nothing is expected of the date."""
    from nbactl.bootstrap.season import make_game_calendar, make_halts  # noqa: PLC0415 - as above

    day, found = values.game_date, []
    try:
        known = make_game_calendar(app).games(day.day, day.day)
        if day.day in known.unknown:
            found.append(f"Whether {day} has games is not known: the schedule does not cover it.")
        elif day.day not in known.days:
            found.append(f"{day} has no games.")
        found += [f"{day} is halted: {halt.reason}" for halt in make_halts(app).all() if day in halt]
    except NbactlError as error:
        found.append(f"Whether {day} has games is not known: {error.message}.")
    return found


def _require_topic(app: Container, topic: str) -> None:
    """Raise NotFoundError for a topic that is not there: the message would be published whenever it is created."""
    there = cast("BusTopology", app.bus).topics()
    if topic not in there:
        raise NotFoundError(
            f"the topic {topic} is declared, and is not there",
            cause="Nothing was published or kept.",
            next_step=did_you_mean(topic, there, otherwise="Look what else is missing: nbactl doctor"),
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _driven(app: Container, message: OwnMessage) -> OwnMessage:
    try:
        app.outbox.drive(message.key)
    except NbactlError as error:
        error.next_step = (
            "It is kept in the outbox, and the next tick publishes it. Try now: run the same command again."
        )
        raise
    return _read(app, message.key)

"""Dead letters: messages that could not be delivered, to be looked at, replayed or archived."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from nbactl.cli.ask import Question, operator, proceed
from nbactl.core.calls.rate_limit import RateLimit, RateLimiter
from nbactl.core.dead_letters.dead_letters import Collected
from nbactl.errors import NbactlError, PreconditionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.dead_letters.documents import DeadLetter

DEFAULT_LIMIT: Final = 50
_LEASE: Final = "dead-letters"
_PER_LETTER: Final = 10.0
"""The longest pause, in seconds, between two replays: the lease is renewed before each one."""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters to list: the open ones, or all; those of one source topic.

    With `saved` nothing is moved out of the subscriptions first.
    """

    topic: str | None = None
    everything: bool = False
    saved: bool = False
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class LetterList:
    """Dead letters at `now`; `total` counts those left out as well."""

    request: LetterFilter
    letters: tuple[DeadLetter, ...]
    total: int
    collected: Collected
    now: datetime


@dataclass(frozen=True, slots=True)
class LetterDetails:
    """A dead letter, its data, and why it is not replayed without --force."""

    letter: DeadLetter
    data: bytes
    obstacle: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The dead letters to change: those of `ids`, or all open ones, of one source topic if it is given."""

    ids: tuple[str, ...] = ()
    everything: bool = False
    topic: str | None = None

    def __post_init__(self) -> None:
        if bool(self.ids) == self.everything:
            raise UsageError("give the ids of messages, or --all", next_step="List them: nbactl dlq list")
        if self.topic is not None and not self.everything:
            raise UsageError("--topic belongs to --all", next_step="Leave out --topic: an id names one message.")


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Which messages to publish again, at most `rate` a second; `force` passes over budget and permanent failures."""

    choice: Choice
    rate: float | None = None
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """Which messages to mark as done, and why; with `undo` archived ones wait again."""

    choice: Choice
    reason: str | None = None
    undo: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.undo and self.choice.everything:
            raise UsageError("--undo takes ids, not --all", next_step="List them: nbactl dlq list --all")
        if not self.undo and not (self.reason or "").strip():
            raise UsageError("give a --reason", cause="The next person must know why a message was not needed.")


@dataclass(frozen=True, slots=True)
class LettersChanged:
    """What was done: `verb` is replay, archive or reopen. `refused` and `failed` say why by id.

    `forceable` means that --force would replay some of those that were refused.
    """

    verb: str
    dry_run: bool
    chosen: tuple[DeadLetter, ...]
    forceable: bool = False
    changed: list[DeadLetter] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, NbactlError] = field(default_factory=dict)


def list_letters(app: Container, request: LetterFilter) -> LetterList:
    """Return dead letters, the oldest first. What waits in subscriptions is moved before, without `saved`."""
    collected = Collected()
    if not request.saved and app.target.dead_letter_wait(app) is not None:
        app.reads_only = False  # what is saved needs a store
        collected = app.dead_letters.collect()
    letters = app.dead_letters
    found = letters.all(request.topic) if request.everything else letters.open(request.topic)
    listed = tuple(islice(found, request.limit))
    return LetterList(request, listed, len(listed) + sum(1 for _ in found), collected, app.clock.now())


def show_letter(app: Container, name: str) -> LetterDetails:
    """Return a dead letter. Raises NotFoundError."""
    letter = app.dead_letters.find(name)
    return LetterDetails(letter, app.dead_letters.data_of(letter), app.dead_letters.obstacle(letter))


def replay_letters(app: Container, request: ReplayRequest, *, confirm: Confirm = proceed) -> LettersChanged:
    """Publish messages to the topics that they came from. One that fails does not hold up the others."""
    chosen, obstacle = _chosen(app, request.choice), app.dead_letters.obstacle
    refused = {letter.id: why for letter in chosen if (why := obstacle(letter, force=request.force)) is not None}
    ready = [letter for letter in chosen if letter.id not in refused]
    forceable = any(letter.id in refused and obstacle(letter, force=True) is None for letter in chosen)
    changed = LettersChanged("replay", request.dry_run, chosen, forceable, refused=refused)
    limiter = None
    if request.rate is not None:
        if request.rate * _PER_LETTER < 1:
            raise UsageError(f"--rate {request.rate:g} is too slow", next_step="Replay at least one in ten seconds.")
        limiter = RateLimiter(RateLimit(1, 1 / request.rate), app.clock)

    def replay(letter: DeadLetter) -> DeadLetter:
        if limiter is not None:
            app.clock.sleep(limiter.take(within=_PER_LETTER) or 0.0)
        return app.dead_letters.replay(letter, by=operator(), force=request.force)

    lines = [f"  {letter.id} to {letter.topic}" for letter in ready]
    question = Question(f"Replay {count(len(ready))}?", tuple(lines))
    _change(app, changed, ready, replay, lambda: confirm(question))
    return changed


def archive_letters(app: Container, request: ArchiveRequest, *, confirm: Confirm = proceed) -> LettersChanged:
    """Mark messages as done without a replay, or take that back."""
    letters, by, reason = app.dead_letters, operator(), (request.reason or "").strip()
    verb = "reopen" if request.undo else "archive"
    changed = LettersChanged(verb, request.dry_run, _chosen(app, request.choice))
    ready = []
    for letter in changed.chosen:
        if (letter.state == "archived") == request.undo:
            ready.append(letter)
        else:
            changed.refused[letter.id] = f"it is {letter.state}"

    def change(letter: DeadLetter) -> DeadLetter:
        return letters.reopen(letter, by=by) if request.undo else letters.archive(letter, by=by, reason=reason)

    question = Question(f"{verb.capitalize()} {count(len(ready))}?", tuple(f"  {letter.id}" for letter in ready))
    _change(app, changed, ready, change, lambda: confirm(question))
    return changed


def count(number: int) -> str:
    """Return `1 message`, `2 messages`."""
    return f"{number} message{'s' if number != 1 else ''}"


def _chosen(app: Container, choice: Choice) -> tuple[DeadLetter, ...]:
    if choice.everything:
        return tuple(app.dead_letters.open(choice.topic))
    found = [app.dead_letters.find(name) for name in choice.ids]
    return tuple({letter.id: letter for letter in found}.values())


def _change(
    app: Container,
    changed: LettersChanged,
    ready: Sequence[DeadLetter],
    act: Callable[[DeadLetter], DeadLetter],
    ask: Callable[[], None],
) -> None:
    """Ask, then change the letters that are `ready` under a lease, so that two operators do not replay the same."""
    if not ready or changed.dry_run:
        return
    ask()
    from nbactl.core.lease.holder import process_identity  # noqa: PLC0415 - only changes need it

    limits = app.config.timeouts.leases["run"]
    lease = app.leases.acquire(_LEASE, process_identity("dlq"), limits.ttl)
    try:
        for letter in ready:
            lease = app.leases.renew(lease, limits.ttl)
            try:
                changed.changed.append(act(letter))
            except PreconditionError as error:
                changed.refused[letter.id] = error.message
            except NbactlError as error:
                changed.failed[letter.id] = error
    finally:
        app.leases.release(lease)

"""Flags: what each one does, how far it is rolled out, and changes of that."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbactl.checks.flags import life_cycle
from nbactl.cli.ask import Question, operator, proceed
from nbactl.cli.flags.emergency import open_emergency
from nbactl.cli.flags.snapshot import FlagLine, FlagsSnapshot, load_flags
from nbactl.core.flags.explaining import explain
from nbactl.core.flags.moves import Move, Position, position_of
from nbactl.core.flags.prerequisites import unmet_prerequisites
from nbactl.core.flags.snapshot import compile_flags
from nbactl.core.flags.store import Stored
from nbactl.deployments.combinations import completion_flags, refused_in_store
from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nbactl.bootstrap import Container
    from nbactl.checks.flags import FlagFinding
    from nbactl.cli.ask import Confirm
    from nbactl.cli.flags.emergency import RollbackRequest
    from nbactl.config.flags import Flag, FlagsFile, RolloutPlan
    from nbactl.core.flags.explaining import FlagExplanation
    from nbactl.core.flags.model import FlagValue, State
    from nbactl.core.flags.store import FlagStore


@dataclass(frozen=True, slots=True)
class FlagList:
    """All declared flags."""

    lines: tuple[FlagLine, ...]
    snapshot: FlagsSnapshot
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagDetails:
    """Everything about one flag. `state` is None if it was never set, or cannot be read."""

    line: FlagLine
    flag: Flag
    plan: RolloutPlan
    state: State | None
    active: bool
    snapshot: FlagsSnapshot


@dataclass(frozen=True, slots=True)
class FlagHistory:
    """The states of one flag, the newest first."""

    key: str
    states: tuple[State, ...]


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """Which flag to evaluate, and for whom."""

    key: str
    entity: str | None = None
    attributes: Mapping[str, FlagValue] | None = None


@dataclass(frozen=True, slots=True)
class FlagEvaluated:
    """What an entity gets, and which step decided."""

    request: EvaluateRequest
    explanation: FlagExplanation
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiffRequest:
    """Which percentage to try on which entities; without keys for the flags under rollout.active."""

    percent: float
    entities: Sequence[str]
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagFlip:
    """An entity that would get another value."""

    key: str
    entity: str
    before: FlagValue
    after: FlagValue


@dataclass(frozen=True, slots=True)
class FlagDiff:
    """The entities that would flip; `before` are the present positions by flag."""

    request: DiffRequest
    before: Mapping[str, Position]
    flips: tuple[FlagFlip, ...]
    warnings: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many entities would flip, by flag."""
        return {key: sum(flip.key == key for flip in self.flips) for key in self.before}


@dataclass(frozen=True, slots=True)
class SetRequest:
    """Where to move which flags; without keys those under rollout.active."""

    to: Position
    keys: tuple[str, ...] = ()
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    """What was changed, or would be: `states` are the new ones by flag, empty if nothing was written."""

    moves: tuple[Move, ...]
    states: Mapping[str, State]
    by: str
    reason: str | None
    warnings: tuple[str, ...] = ()

    @property
    def changing(self) -> tuple[Move, ...]:
        """The moves that change something."""
        return tuple(move for move in self.moves if move.changes)

    @property
    def undo(self) -> list[list[str]]:
        """The commands that undo it, as words after `nbactl`; none for a flag whose state could not be read."""
        by_position: dict[Position, list[str]] = {}
        for move in self.changing:
            if move.before is not None:
                by_position.setdefault(move.before, []).append(move.key)
        return [["flags", "set", *keys, *before.option.split()] for before, keys in by_position.items()]


@dataclass(frozen=True, slots=True)
class FlagCheck:
    """What is wrong with the flags, and with their use in the code under `paths`."""

    findings: tuple[FlagFinding, ...]
    paths: tuple[Path, ...]
    warnings: tuple[str, ...]


def list_flags(app: Container) -> FlagList:
    """Return every declared flag."""
    flags = load_flags(app)
    undeclared = [key for key in flags.stored.states if key not in flags.file.flags]
    warnings = list(flags.compiled.problems)
    if undeclared:
        warnings.append(f"the store has flags that flags.yaml does not declare: {', '.join(undeclared)}")
    return FlagList(tuple(flags.line(key) for key in flags.file.flags), flags, tuple(warnings))


def show_flag(app: Container, key: str) -> FlagDetails:
    """Return everything about a flag. Raises NotFoundError."""
    flags = load_flags(app)
    flag = flags.flag(key)
    rollout = flags.file.rollout
    return FlagDetails(
        flags.line(key), flag, rollout.plans[flag.rollout], flags.stored.states.get(key), key in rollout.active, flags
    )


def flag_history(app: Container, key: str, limit: int = 20) -> FlagHistory:
    """Return the newest states of a flag. Raises NotFoundError for one that is neither declared nor in the store."""
    if key not in app.config.flags.flags and key not in app.flag_store.read().states:
        app.config.flags.flag(key)  # raises; a flag in the store has a history, declared or not
    return FlagHistory(key, tuple(app.flag_store.history(key, limit)))


def evaluate_flag(app: Container, request: EvaluateRequest) -> FlagEvaluated:
    """Evaluate a flag as a service with this environment would. Raises NotFoundError."""
    flags = load_flags(app)
    flags.flag(request.key)
    explanation = explain(flags.compiled, request.key, request.entity, request.attributes or {})
    return FlagEvaluated(request, explanation, flags.compiled.problems)


def diff_flags(app: Container, request: DiffRequest) -> FlagDiff:
    """Return the entities that would get another value at another percentage. Nothing is changed."""
    flags = load_flags(app)
    keys = flags.chosen(request.keys)
    to = Position(request.percent, enabled=True)
    moves = [flags.move(key, to) for key in keys]
    definitions = flags.file.definitions()
    after = compile_flags(definitions, flags.after(moves), flags.environ)
    flips = tuple(
        FlagFlip(key, entity, old, new)
        for key in keys
        for entity in request.entities
        if (old := flags.compiled.evaluate(key, entity).value) != (new := after.evaluate(key, entity).value)
        and old is not None  # every declared flag serves a value
        and new is not None
    )
    before = {key: position_of(flags.state(key), definitions[key]) for key in keys}
    return FlagDiff(request, before, flips, flags.compiled.problems)


def set_flags(app: Container, request: SetRequest, *, confirm: Confirm = proceed) -> FlagsChanged:
    """Move flags, all or none. Raises NotFoundError, and PreconditionError if somebody else changed one meanwhile."""
    flags = load_flags(app)
    moves = [flags.move(key, request.to) for key in flags.chosen(request.keys)]
    definitions, after = flags.file.definitions(), flags.after(moves)
    warnings = [unmet.message for move in moves for unmet in unmet_prerequisites(move.key, definitions, after)]
    touched = {move.key for move in moves} & set(completion_flags(flags.file).values())
    if touched and (why := refused_in_store(flags.file, Stored(after, flags.stored.unreadable))):
        warnings.append(f"the flags would be a combination that its readers refuse: {why}; sync refuses it too")
    return _carry_out(app.flag_store, moves, request, warnings, confirm)


def rollback_flags(app: Container, request: RollbackRequest, *, confirm: Confirm = proceed) -> FlagsChanged:
    """Take flags back. Works without a readable flags.yaml, and replaces a state that cannot be read.

    Raises UnavailableError if the store does not answer: then `services.command.rollback_services` helps.
    """
    request.check()
    with ExitStack() as stack:
        emergency = open_emergency(app, stack)
        try:
            stored = emergency.app.flag_store.read()
            moves = [emergency.move(key, stored, request.percent) for key in emergency.chosen(stored, request)]
            return _carry_out(emergency.app.flag_store, moves, request, emergency.warnings, confirm)
        except UnavailableError as error:
            error.next_step = (
                "If it stays down: nbactl flags rollback --all --env sets the environment of the services instead."
            )
            raise


def check_flags(app: Container, paths: Sequence[Path] = ()) -> FlagCheck:
    """Return what is wrong with the flags; with paths also uses in code. Raises NotFoundError for a missing path."""
    flags = load_flags(app)
    found = list(life_cycle(flags.file, flags.stored, now=flags.now, today=flags.today, stale_after=flags.stale_after))
    warnings: list[str] = []
    if paths:
        found += _uses_in_code(flags.file, paths, warnings)
    return FlagCheck(tuple(found), tuple(paths), tuple(warnings))


def _uses_in_code(file: FlagsFile, paths: Sequence[Path], warnings: list[str]) -> Iterator[FlagFinding]:
    from nbactl.checks.code.flag_uses import find_uses, meant  # noqa: PLC0415 - loads the parser of Python
    from nbactl.checks.flags import FlagFinding  # noqa: PLC0415

    uses = find_uses(paths, file.flags)
    for key, flag in file.flags.items():
        if not {key, flag.env} & uses.texts:
            message = f"{key} is not used in any of {uses.files:,} Python files"
            fix = f"Remove it from flags.yaml, or search elsewhere; {flag.owner} owns it."
            yield FlagFinding(key, "unused", message, fix)
    for path, line, key in uses.unknown:
        yield FlagFinding(key, "undeclared", f"{path}:{line} asks for '{key}'", meant(key, file.flags))
    warnings += [f"{path} was not searched: {why}" for path, why in uses.unparsed]


def _carry_out(
    store: FlagStore,
    moves: Sequence[Move],
    request: SetRequest | RollbackRequest,
    warnings: Iterable[str],
    confirm: Confirm,
) -> FlagsChanged:
    """Make the moves that change something, in one commit."""
    planned = FlagsChanged(tuple(moves), {}, operator(), request.reason, tuple(warnings))
    changing = planned.changing
    if not changing or request.dry_run:
        return planned
    lines = tuple(f"  {move.key}: {before_of(move)} to {move.after}" for move in changing)
    confirm(Question(f"Change {len(changing)} flag{'' if len(changing) == 1 else 's'}?", lines))
    done = store.change([move.change for move in changing], by=planned.by, reason=request.reason)
    return replace(planned, states={move.key: state for move, state in zip(changing, done, strict=True)})


def before_of(move: Move) -> str:
    """Return the position before a move in words."""
    return "unreadable" if move.before is None else str(move.before)

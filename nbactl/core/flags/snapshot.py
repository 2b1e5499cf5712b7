"""All flags at one moment: definitions, stored state and environment, compiled; and the buckets of entities.

Sticky bucketing: the bucket is the 32-bit MurmurHash3 (x86, seed 0) of `salt:entity` in UTF-8, modulo the number of
buckets, and never changes. It is version 1 and stored with each flag, so that another one can be added beside it
without moving anybody. Environment variables override a flag, or set one of its parameters, in one process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mmh3 import mmh3_32_uintdigest

from nbactl.core.flags.model import TYPES, Evaluation, FlagErrorCode, FlagSource, Reason
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.core.flags.model import Attributes, Definition, Evaluator, FlagValue, State


BUCKETS: Final = 100_000
"""One bucket is 0.001 %."""
HASH_VERSION: Final = 1
_PER_PERCENT: Final = BUCKETS // 100


def bucket_of(salt: str, entity: str) -> int:
    """Return the bucket, 0 to 99,999. Raises UnicodeEncodeError for text that is not Unicode (lone surrogates)."""
    return mmh3_32_uintdigest(f"{salt}:{entity}".encode()) % BUCKETS


def limit_of(percent: float) -> int:
    """Return the number of buckets inside `percent` (0 to 100, in steps of 0.001)."""
    return round(percent * _PER_PERCENT)


_SWITCH: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def override_of(definition: Definition, environ: Mapping[str, str]) -> FlagValue | None:
    """Return the value that the environment gives a flag; None if its variable is empty or not set.

    Raises ValueError for a text that is not a value of the flag.
    """
    text = environ.get(definition.env)
    if not text:
        return None
    value = parse_value(TYPES[definition.kind], text)
    if definition.variants and value not in definition.variants:
        raise ValueError(f"'{text}' is not one of {', '.join(map(str, definition.variants))}")
    return value


def parameters_of(definition: Definition, environ: Mapping[str, str]) -> tuple[dict[str, FlagValue], list[str]]:
    """Return the flag's parameters, each as the environment sets it or else as declared, and what is wrong."""
    values, problems = dict(definition.parameters), []
    for name, declared in definition.parameters.items():
        if text := environ.get(name):
            try:
                values[name] = parse_value(type(declared), text)
            except ValueError as error:
                problems.append(f"the environment variable {name} is ignored: {error}")
    return values, problems


def parse_value(kind: type, text: str) -> FlagValue:
    """Return `text` as a bool, int or str. Raises ValueError."""
    if kind is bool:
        if text.strip().lower() not in _SWITCH:
            raise ValueError(f"'{text}' is neither true nor false")
        return _SWITCH[text.strip().lower()]
    if kind is int:
        try:
            return int(text)
        except ValueError as error:
            raise ValueError(f"'{text}' is not a whole number") from error
    return text


def as_text(value: FlagValue) -> str:
    """Return a value as an environment variable holds it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


Needed = tuple["Definition", "Evaluator"]


def compile_flag(
    definition: Definition,
    state: State | None,
    source: FlagSource,
    *,
    override: FlagValue | None = None,
    prerequisites: Sequence[Needed] = (),
) -> Evaluator:
    """Return the function that evaluates a flag. It may raise TypeError or UnicodeError for an invalid entity."""
    if state is None:
        source = FlagSource.DEFINITION
    elif not state.enabled:
        return _always(Evaluation(definition.off, Reason.DISABLED, None, source, None))
    if override is not None:
        return _always(Evaluation(override, Reason.ENVIRONMENT, None, FlagSource.ENVIRONMENT, None))
    decide = _by_percent(definition, state, source)
    if definition.deny or definition.allow or definition.rules:
        decide = _by_target(definition, source, decide)
    return _by_prerequisites(definition, source, prerequisites, decide) if prerequisites else decide


def _always(answer: Evaluation) -> Evaluator:
    def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:  # noqa: ARG001
        return answer

    return decide


def _by_percent(definition: Definition, state: State | None, source: FlagSource) -> Evaluator:
    limit = 0 if state is None else limit_of(state.percent)
    if limit <= 0:
        outside = definition.default if state is None else definition.off
        return _always(Evaluation(outside, Reason.DEFAULT, None, source, None))
    if limit >= BUCKETS:  # all entities are inside
        return _always(Evaluation(definition.treatment, Reason.PERCENT, None, source, None))
    prefix = f"{definition.salt if state is None else state.salt}:"
    treatment, off, inside, outside_of_it = definition.treatment, definition.off, Reason.PERCENT, Reason.DEFAULT
    missing = Evaluation(definition.default, Reason.NO_ENTITY, None, source, None)
    digest, buckets, new = mmh3_32_uintdigest, BUCKETS, tuple.__new__

    def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:
        if entity.__class__ is not str or not entity:
            if entity is None or not isinstance(entity, str):
                return missing if entity is None else _no_text(definition.default, source, entity)
            return decide(str.__str__(entity), attributes) if str.__len__(entity) else missing
        # Encoded here and not by mmh3, which crashes the process on a lone surrogate.
        bucket = digest((prefix + entity).encode()) % buckets
        # A NamedTuple's own constructor costs as much again as everything else here.
        if bucket < limit:
            return new(Evaluation, (treatment, inside, bucket, source, None))
        return new(Evaluation, (off, outside_of_it, bucket, source, None))

    return decide


def _no_text(default: FlagValue, source: FlagSource, entity: object) -> Evaluation:
    error = f"{FlagErrorCode.INVALID_ENTITY}: an entity is text, not {type(entity).__name__}"
    return Evaluation(default, Reason.ERROR, None, source, error)


def _by_target(definition: Definition, source: FlagSource, otherwise: Evaluator) -> Evaluator:
    deny, allow = definition.deny, definition.allow
    denied = Evaluation(definition.off, Reason.DENIED, None, source, None)
    allowed = Evaluation(definition.treatment, Reason.ALLOWED, None, source, None)
    rules = tuple(
        # With its type: True equals 1 and would match it.
        (rule.attribute, {(type(v), v) for v in rule.values}, Evaluation(rule.serve, Reason.RULE, None, source, None))
        for rule in definition.rules
    )

    def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:
        if entity in deny:
            return denied
        if entity in allow:
            return allowed
        if attributes is not None:
            for attribute, wanted, answer in rules:
                given = attributes.get(attribute)
                if (given.__class__, given) in wanted:
                    return answer
        return otherwise(entity, attributes)

    return decide


def _by_prerequisites(
    definition: Definition, source: FlagSource, prerequisites: Sequence[Needed], otherwise: Evaluator
) -> Evaluator:
    unmet = Evaluation(definition.default, Reason.PREREQUISITE, None, source, None)
    needed = tuple((other.is_on, evaluate) for other, evaluate in prerequisites)

    def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:
        for is_on, evaluate in needed:
            if not is_on(evaluate(entity, attributes).value):
                return unmet
        return otherwise(entity, attributes)

    return decide


@frozen
class CompiledFlags:
    """The flags of one moment; never changed, replaced as a whole. `problems` are sentences for people."""

    evaluators: Mapping[str, Evaluator]
    definitions: Mapping[str, Definition]
    states: Mapping[str, State]
    overrides: Mapping[str, FlagValue]
    parameters: Mapping[str, FlagValue]
    source: FlagSource
    problems: tuple[str, ...]

    def evaluate(self, key: str, entity: str | None = None, attributes: Attributes | None = None) -> Evaluation:
        """Return the answer for `entity`; never raises."""
        try:
            return self.evaluators[key](entity, attributes)
        except Exception as error:  # noqa: BLE001 - an evaluation never raises into what asks; `error` says it
            return failed(self, key, error)


def failed(snapshot: CompiledFlags, key: str, error: Exception) -> Evaluation:
    """Return the answer after an error: the default, with the error."""
    definition = snapshot.definitions.get(key) if isinstance(key, str) else None
    if definition is None:
        return Evaluation(
            None, Reason.ERROR, None, snapshot.source, f"{FlagErrorCode.UNKNOWN_FLAG}: there is no flag {key}"
        )
    problem = f"{FlagErrorCode.INVALID_ENTITY}: {type(error).__name__}: {error}"
    return Evaluation(definition.default, Reason.ERROR, None, snapshot.source, problem)


def compile_flags(
    definitions: Mapping[str, Definition],
    states: Mapping[str, State],
    environ: Mapping[str, str],
    *,
    source: FlagSource = FlagSource.STORE,
    problems: tuple[str, ...] = (),
) -> CompiledFlags:
    """Compile a snapshot. What cannot be used is left out and named in `problems`."""
    building = _Building(definitions, states, source, list(problems))
    for definition in definitions.values():
        try:
            value = override_of(definition, environ)
        except ValueError as error:
            building.problems.append(f"the environment variable {definition.env} is ignored: {error}")
        else:
            if value is not None:
                building.overrides[definition.key] = value
        parameters, wrong = parameters_of(definition, environ)
        building.parameters |= parameters
        building.problems += wrong
    for key in definitions:
        building.add(key, ())
    return CompiledFlags(
        building.evaluators,
        definitions,
        states,
        building.overrides,
        building.parameters,
        source,
        tuple(building.problems),
    )


def changed_between(before: CompiledFlags, after: CompiledFlags) -> frozenset[str]:
    """Return the flags that may answer otherwise, those among them that need one which does."""
    changed = {
        key
        for key in after.definitions
        if before.states.get(key) != after.states.get(key) or before.overrides.get(key) != after.overrides.get(key)
    }
    while more := {
        key
        for key, definition in after.definitions.items()
        if key not in changed and not changed.isdisjoint(definition.prerequisites)
    }:
        changed |= more
    return frozenset(changed)


@dataclass(slots=True)
class _Building:
    definitions: Mapping[str, Definition]
    states: Mapping[str, State]
    source: FlagSource
    problems: list[str]
    evaluators: dict[str, Evaluator] = field(default_factory=dict)
    overrides: dict[str, FlagValue] = field(default_factory=dict)
    parameters: dict[str, FlagValue] = field(default_factory=dict)

    def add(self, key: str, above: tuple[str, ...]) -> Evaluator:
        """Compile a flag after those that it needs; `above` are the flags that need it."""
        if key in self.evaluators:
            return self.evaluators[key]
        definition, state = self.definitions[key], self.states.get(key)
        needed, broken = [], []
        for other in definition.prerequisites:
            if other not in self.definitions or other in (*above, key):
                broken.append(f"{key} is off: its prerequisite {other} is unknown or in a circle")
            else:
                needed.append((self.definitions[other], self.add(other, (*above, key))))
        if state is not None and state.hash_version != HASH_VERSION:
            broken.append(f"{key} is off: its buckets have hash version {state.hash_version}, which is not known here")
        self.problems += broken
        if broken:
            evaluator = _off(definition, self.source, broken[0])
        else:
            override = self.overrides.get(key)
            evaluator = compile_flag(definition, state, self.source, override=override, prerequisites=needed)
        self.evaluators[key] = evaluator
        return evaluator


def _off(definition: Definition, source: FlagSource, why: str) -> Evaluator:
    answer = Evaluation(definition.default, Reason.ERROR, None, source, why)

    def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:  # noqa: ARG001
        return answer

    return decide

"""Compile a flag into one function, so that an evaluation does nothing that could be done before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmh3 import mmh3_32_uintdigest

from nbactl.core.flags.bucketing import BUCKETS, limit_of
from nbactl.core.flags.model import Evaluation, Failure, Reason, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.core.flags.model import Attributes, Definition, Evaluator, FlagValue, State

Needed = tuple["Definition", "Evaluator"]


def compile_flag(
    definition: Definition,
    state: State | None,
    source: Source,
    *,
    override: FlagValue | None = None,
    prerequisites: Sequence[Needed] = (),
) -> Evaluator:
    """Return the function that evaluates a flag. It may raise TypeError or UnicodeError for an entity that is none."""
    if state is None:
        source = Source.DEFINITION
    elif not state.enabled:
        return _always(Evaluation(definition.default, Reason.DISABLED, None, source, None))
    if override is not None:
        return _always(Evaluation(override, Reason.ENVIRONMENT, None, Source.ENVIRONMENT, None))
    decide = _by_percent(definition, state, source)
    if definition.deny or definition.allow or definition.rules:
        decide = _by_target(definition, source, decide)
    return _by_prerequisites(definition, source, prerequisites, decide) if prerequisites else decide


def _always(answer: Evaluation) -> Evaluator:
    def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:  # noqa: ARG001
        return answer

    return decide


def _by_percent(definition: Definition, state: State | None, source: Source) -> Evaluator:
    limit = 0 if state is None else limit_of(state.percent)
    if limit <= 0:
        return _always(Evaluation(definition.default, Reason.DEFAULT, None, source, None))
    if limit >= BUCKETS:  # nobody needs to be told apart
        return _always(Evaluation(definition.treatment, Reason.PERCENT, None, source, None))
    prefix = f"{definition.salt if state is None else state.salt}:"
    treatment, default, inside, outside = definition.treatment, definition.default, Reason.PERCENT, Reason.DEFAULT
    missing = Evaluation(default, Reason.NO_ENTITY, None, source, None)
    digest, buckets, new = mmh3_32_uintdigest, BUCKETS, tuple.__new__

    def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:
        if entity.__class__ is not str or not entity:
            if entity is None or not isinstance(entity, str):
                return missing if entity is None else _no_text(default, source, entity)
            return decide(str.__str__(entity), attributes) if str.__len__(entity) else missing
        # Encoded here and not by mmh3, which crashes the process on a lone surrogate.
        bucket = digest((prefix + entity).encode()) % buckets
        # A NamedTuple's own constructor costs as much again as everything else here.
        if bucket < limit:
            return new(Evaluation, (treatment, inside, bucket, source, None))
        return new(Evaluation, (default, outside, bucket, source, None))

    return decide


def _no_text(default: FlagValue, source: Source, entity: object) -> Evaluation:
    told = f"{Failure.INVALID_ENTITY}: an entity is text, not {type(entity).__name__}"
    return Evaluation(default, Reason.ERROR, None, source, told)


def _by_target(definition: Definition, source: Source, otherwise: Evaluator) -> Evaluator:
    deny, allow = definition.deny, definition.allow
    denied = Evaluation(definition.default, Reason.DENIED, None, source, None)
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
    definition: Definition, source: Source, prerequisites: Sequence[Needed], otherwise: Evaluator
) -> Evaluator:
    unmet = Evaluation(definition.default, Reason.PREREQUISITE, None, source, None)
    needed = tuple((other.is_on, evaluate) for other, evaluate in prerequisites)

    def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:
        for is_on, evaluate in needed:
            if not is_on(evaluate(entity, attributes).value):
                return unmet
        return otherwise(entity, attributes)

    return decide

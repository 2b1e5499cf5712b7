"""Why an evaluation came out as it did: each step in its order, with what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.flags.model import Evaluation, Reason
from nbactl.core.flags.moves import position_of
from nbactl.core.flags.snapshot import BUCKETS, as_text, bucket_of, limit_of
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from nbactl.core.flags.model import Attributes, Definition, State
    from nbactl.core.flags.snapshot import CompiledFlags

STEPS: Final = ("kill switch", "environment", "prerequisites", "targeting", "percent")
_DECIDED_BY: Final = {
    Reason.DISABLED: 0,
    Reason.ENVIRONMENT: 1,
    Reason.PREREQUISITE: 2,
    Reason.DENIED: 3,
    Reason.ALLOWED: 3,
    Reason.RULE: 3,
    Reason.PERCENT: 4,
    Reason.DEFAULT: 4,
    Reason.NO_ENTITY: 4,
}


@frozen
class Step:
    """One step: what it found, and whether it decided."""

    name: str
    finding: str
    decided: bool


@frozen
class FlagExplanation:
    """An evaluation, the bucket even where it did not matter, and the steps (those after the deciding one as well)."""

    evaluation: Evaluation
    bucket: int | None
    percent: float
    steps: tuple[Step, ...]


def explain(
    snapshot: CompiledFlags, key: str, entity: str | None, attributes: Attributes | None = None
) -> FlagExplanation:
    """Explain the evaluation of a flag that is in the snapshot."""
    definition, state = snapshot.definitions[key], snapshot.states.get(key)
    evaluation = snapshot.evaluate(key, entity, attributes)
    bucket = None
    if entity and evaluation.reason is not Reason.ERROR:
        bucket = bucket_of(definition.salt if state is None else state.salt, entity)
    findings = (
        _kill_switch(state),
        _environment(snapshot, definition),
        _prerequisites(snapshot, definition, entity, attributes),
        _targeting(definition, evaluation, entity),
        _percent(state, definition, entity, bucket),
    )
    decided = _DECIDED_BY.get(evaluation.reason)
    steps = (Step(name, finding, i == decided) for i, (name, finding) in enumerate(zip(STEPS, findings, strict=True)))
    percent = position_of(None, definition).percent if state is None else state.percent
    return FlagExplanation(evaluation, bucket, percent, tuple(steps))


def _kill_switch(state: State | None) -> str:
    if state is None or state.enabled:
        return "not thrown"
    why = f": {state.reason}" if state.reason else ""
    return f"thrown by {state.updated_by} at {state.updated_at.isoformat(timespec='seconds')}{why}"


def _environment(snapshot: CompiledFlags, definition: Definition) -> str:
    value = snapshot.overrides.get(definition.key)
    return f"{definition.env} is not set" if value is None else f"{definition.env} is {as_text(value)}"


def _prerequisites(
    snapshot: CompiledFlags, definition: Definition, entity: str | None, attributes: Attributes | None
) -> str:
    answers = []
    for key in definition.prerequisites:
        answer = snapshot.evaluate(key, entity, attributes)
        other = snapshot.definitions.get(key)
        on = other is not None and other.is_on(answer.value)
        answers.append(f"{key} is {'on' if on else 'not on'} ({answer.reason})")
    return ", ".join(answers) or "none"


def _targeting(definition: Definition, evaluation: Evaluation, entity: str | None) -> str:
    if evaluation.reason in (Reason.DENIED, Reason.ALLOWED):
        return f"{entity} is on the {'deny' if evaluation.reason is Reason.DENIED else 'allow'} list"
    if evaluation.reason is Reason.RULE:
        return "a rule fits the attributes"
    declared = definition.deny or definition.allow or definition.rules
    return "names neither the entity nor its attributes" if declared else "none"


def _percent(state: State | None, definition: Definition, entity: str | None, bucket: int | None) -> str:
    if state is None:
        return f"never set, so {'every' if definition.is_on_by_default else 'no'} entity is inside"
    limit = limit_of(state.percent)
    inside = f"{state.percent:g} %"
    if limit in (0, BUCKETS):
        return f"{inside}, so {'every' if limit else 'no'} entity is inside"
    inside += f", which are buckets 0 to {limit - 1:,}"
    if bucket is None:
        return f"{inside}; no {definition.entity} was named"
    return f"{inside}; {entity} has bucket {bucket:,}"

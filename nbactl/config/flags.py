"""The model of flags.yaml: what each feature flag means, and how it is rolled out."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from nbactl.config.base import (
    NO_ENTRIES,
    NOT_EMPTY,
    Convert,
    Name,
    Pattern,
    Seconds,
    Strict,
    Why,
    at_least,
    at_most,
    characters,
    keyed,
)
from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.core.flags.model import Definition


def _flag_value(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    if not isinstance(value, (bool, int, str)):
        raise ValueError("must be true, false, a whole number or text")  # noqa: TRY004 - as Convert wants it
    return value


FlagValue = Annotated[Any, Convert(_flag_value)]
Percent = Annotated[float, at_least(0), at_most(100)]


def _date(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError("write a date as YYYY-MM-DD") from error


class TargetingRule(Strict):
    """Serves a value to requests whose attribute has one of the values `in`; services pass attributes along."""

    attribute: Annotated[str, characters(1)]
    values: Annotated[tuple[FlagValue, ...], NOT_EMPTY] = keyed("in")
    serve: FlagValue = None
    """The treatment, if nothing is said."""


class Targeting(Strict):
    """Who gets the flag whatever the percentage. Asked in this order: deny, allow, then the rules from the top."""

    deny: tuple[str, ...] = ()
    """Entities that get the default."""
    allow: tuple[str, ...] = ()
    """Entities that get the treatment."""
    rules: tuple[TargetingRule, ...] = ()


class Flag(Strict):
    """One flag. `type` bool needs no variants; int and string name the values that may be served."""

    description: Why
    type: Literal["bool", "int", "string"] = "bool"
    default: FlagValue
    """What is served while the flag is off, and whenever nothing else can be decided."""
    treatment: FlagValue = True
    """What is served to entities inside the rolled-out percentage."""
    variants: tuple[FlagValue, ...] = ()
    salt: Annotated[str, characters(1)]
    """Goes into the bucket hash; changing it reshuffles who is inside."""
    hash_version: Literal[1] = 1
    owner: Annotated[str, characters(1)]
    expires: Annotated[date, Convert(_date)]
    """The day by which the flag is to be removed from the code."""
    env: Annotated[str, Pattern(re.compile(r"[A-Z][A-Z0-9_]*"))]
    """The environment variable that overrides the flag in one process."""
    entity: Literal["player", "batch", "game_date", "request"]
    """What the percentage is counted in; the same entity always gets the same answer."""
    prerequisites: tuple[str, ...] = ()
    """Flags that must be on for the same entity, or this one is off."""
    targeting: Targeting | None = None
    parameters: dict[str, FlagValue] = NO_ENTRIES
    """Further environment variables of the feature, with their values."""
    rollout: str
    """A name under rollout.plans."""

    def definition(self, key: str) -> Definition:
        """Return what the flag's evaluation needs."""
        from nbactl.core.flags.model import Definition, TargetingRule  # noqa: PLC0415 - every command loads this file

        targeting = self.targeting or Targeting()
        return Definition(
            key,
            self.type,
            self.default,
            self.treatment,
            self.salt,
            self.entity,
            self.env,
            hash_version=self.hash_version,
            variants=self.variants,
            prerequisites=self.prerequisites,
            parameters=self.parameters,
            deny=frozenset(targeting.deny),
            allow=frozenset(targeting.allow),
            rules=tuple(
                TargetingRule(rule.attribute, rule.values, self.treatment if rule.serve is None else rule.serve)
                for rule in targeting.rules
            ),
        )


class Stage(Strict):
    """One step of a rollout: the percentage, and how long it must prove itself before the next."""

    percent: Percent
    bake: Seconds


class Guard(Strict):
    """A metric that ends a rollout when it is above its limit over `window`, with at least `minimum_sample` events."""

    metric: Literal["workflow_failure_rate", "error_rate_increase", "p95_increase", "duplicate_rate", "cost_increase"]
    above: Annotated[float, at_least(0)]
    """A ratio: 0.02 is 2 %."""
    window: Seconds
    minimum_sample: Annotated[int, at_least(1)]


class RolloutPlan(Strict):
    """Stages and the guards that watch them; `guards` names entries under rollout.guards."""

    stages: Annotated[tuple[Stage, ...], NOT_EMPTY]
    guards: Annotated[tuple[str, ...], NOT_EMPTY]


class RolloutSection(Strict):
    """What is being rolled out now, and how that is done."""

    active: tuple[str, ...] = ()
    """The flags that `nbactl flags set --percent` moves when it is given no flag."""
    plans: dict[Name, RolloutPlan]
    guards: dict[Name, Guard]


class FlagsFile(Strict):
    """flags.yaml."""

    version: Literal[1]
    flags: dict[Name, Flag]
    rollout: RolloutSection

    def definitions(self) -> dict[str, Definition]:
        """Return what evaluations need, by key."""
        return {key: flag.definition(key) for key, flag in self.flags.items()}

    def flag(self, key: str) -> Flag:
        """Return a declared flag. Raises NotFoundError with the name that was probably meant."""
        if key not in self.flags:
            raise unknown_flag(key, self.flags)
        return self.flags[key]

    def stages_of(self, key: str) -> list[float]:
        """Return the percentages of a flag's rollout plan."""
        return [stage.percent for stage in self.rollout.plans[self.flags[key].rollout].stages]


def unknown_flag(key: str, known: Iterable[str]) -> NotFoundError:
    """Return the error for a flag that does not exist."""
    return NotFoundError(f"there is no flag '{key}' in flags.yaml", next_step=did_you_mean(key, known))

"""What a flag is, its state, and what an evaluation answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime

FlagValue = bool | int | str
Attributes = Mapping[str, FlagValue]
Kind = Literal["bool", "int", "string"]
TYPES: Final[Mapping[str, type]] = {"bool": bool, "int": int, "string": str}


class Reason(StrEnum):
    """Which step decided; the steps are taken in this order, the first that has an answer gives it."""

    DISABLED = "disabled"
    """The kill switch is off: nobody gets the treatment, whatever else applies."""
    ENVIRONMENT = "environment"
    PREREQUISITE = "prerequisite"
    """A flag that must be on for this entity is not: the default."""
    DENIED = "denied"
    ALLOWED = "allowed"
    RULE = "rule"
    PERCENT = "percent"
    """The entity's bucket is inside the percentage: the treatment."""
    DEFAULT = "default"
    """The entity's bucket is outside of it."""
    NO_ENTITY = "no_entity"
    """A part of the entities gets the treatment, and none was named: the default, never a guess."""
    ERROR = "error"
    """`error` says what went wrong; the default."""


class FlagSource(StrEnum):
    """Where the deciding state came from."""

    STORE = "store"
    DISK = "disk"
    """The last known good copy, because the store did not answer since this process began."""
    DEFINITION = "definition"
    """flags.yaml: nothing was ever set."""
    ENVIRONMENT = "environment"


class FlagErrorCode(StrEnum):
    """What `Evaluation.error` begins with."""

    UNKNOWN_FLAG = "unknown_flag"
    NOT_READY = "not_ready"
    WRONG_TYPE = "wrong_type"
    INVALID_ENTITY = "invalid_entity"


class Evaluation(NamedTuple):
    """The answer for one entity. `bucket` is None where none was needed, `value` only for an unknown flag."""

    value: FlagValue | None
    reason: Reason
    bucket: int | None
    source: FlagSource
    error: str | None


Evaluator = Callable[[str | None, Attributes | None], Evaluation]


@frozen
class TargetingRule:
    """Serve a value to entities that have one of `values` in an attribute."""

    attribute: str
    values: tuple[FlagValue, ...]
    serve: FlagValue


@frozen
class Definition:
    """A flag as flags.yaml declares it."""

    key: str
    kind: Kind
    default: FlagValue
    treatment: FlagValue
    salt: str
    entity: str
    env: str
    hash_version: int = 1
    variants: tuple[FlagValue, ...] = ()
    prerequisites: tuple[str, ...] = ()
    parameters: Mapping[str, FlagValue] = field(default_factory=dict)
    deny: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    rules: tuple[TargetingRule, ...] = ()

    @property
    def is_on_by_default(self) -> bool:
        """Whether everybody gets the treatment until the flag is set."""
        return self.default == self.treatment

    @property
    def off(self) -> FlagValue:
        """What entities outside of the percentage get, and everybody from the kill switch.

        It is the default, but False for a bool that is on by default.
        """
        return False if self.kind == "bool" and self.is_on_by_default else self.default

    def is_on(self, value: FlagValue | None) -> bool:
        """Say whether `value` counts as on, for flags that need this one."""
        return value is True if self.kind == "bool" else value is not None and value != self.default


@frozen
class State:
    """The state of a flag in the store. `stage` counts from 1 in its rollout plan; None between two stages."""

    percent: float
    enabled: bool
    salt: str
    hash_version: int
    stage: int | None
    entered_stage_at: datetime
    version: int
    updated_at: datetime
    updated_by: str
    reason: str | None

"""What the models of the YAML files share: records, and rules for their values.

Records are made here and not with `dataclass` or pydantic because every command needs some twenty of them at once:
making a class costs a dataclass about 0.5 ms of start-up and pydantic 5 ms, a record next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import time
from functools import cache
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self, dataclass_transform, get_type_hints

from nbactl.core._support.durations import parse_duration
from nbactl.core._support.gamedate import parse_time_of_day
from nbactl.errors import UsageError

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""The size of a configuration file is limited to this: far above real ones."""
TIMEOUT_PREFIX: Final = "NBACTL_TIMEOUT_"
"""What the names of the environment variables that set a timeout begin with."""
REQUIRED: Final[Any] = object()
"""The default of a field that has none."""
NO_ENTRIES: Final[Any] = object()
"""The default of a field that is an empty mapping, a new one for each record."""


class _Keyed(NamedTuple):
    """A field whose key in the file is not a valid Python name."""

    key: str
    default: Any


def keyed(key: str, *, default: Any = REQUIRED) -> Any:  # noqa: ANN401 - takes the place of a field's value
    """Declare a field that the file calls `key`."""
    return _Keyed(key, default)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(keyed,))
class Strict:  # noqa: PLW1641 - mappings are inside, so it has no hash
    """A record of a YAML file, which cannot be changed. Its annotations are its fields.

    `nbactl.config.validate` makes it from a file and refuses unknown keys and wrong types (invariant 21).
    """

    defaults: ClassVar[dict[str, Any]] = {}
    """Every field with its default."""
    keys: ClassVar[dict[str, str]] = {}
    """Every field with its key in the file."""
    short_form: ClassVar[tuple[str, str] | None] = None
    """The field that a bare text stands for, and what to write, where a text may stand for the record."""

    def __init_subclass__(cls) -> None:
        """Collect the fields."""
        cls.defaults, cls.keys = dict(cls.defaults), dict(cls.keys)
        for name, annotation in cls.__annotations__.items():
            if not str(annotation).startswith("ClassVar"):
                default = cls.__dict__.get(name, REQUIRED)
                key, default = default if isinstance(default, _Keyed) else (name, default)
                cls.defaults[name], cls.keys[name] = default, key

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - the fields of any record
        fields = {**self.defaults, **values}
        wrong = fields.keys() - self.defaults.keys()
        for name, value in fields.items():
            if value is NO_ENTRIES:
                fields[name] = {}
            elif value is REQUIRED:
                wrong.add(name)
        if wrong:
            raise TypeError(f"{type(self).__name__}: missing or unknown: {', '.join(sorted(wrong))}")
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set to {value!r}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def replaced(self, **changes: Any) -> Self:  # noqa: ANN401 - as above
        """Return a copy with other values in some fields."""
        return type(self)(**{**self.__dict__, **changes})

    def as_data(self) -> dict[str, Any]:
        """Return the values under the keys of the file, records inside as well."""
        return {self.keys[name]: _as_data(value) for name, value in self.__dict__.items()}

    @classmethod
    @cache
    def types(cls) -> dict[str, Any]:
        """Return the type of every field, with its rules."""
        hints = get_type_hints(cls, include_extras=True)
        return {name: hints[name] for name in cls.defaults}


def _as_data(value: Any) -> Any:  # noqa: ANN401 - any value of a field
    if isinstance(value, Strict):
        return value.as_data()
    if isinstance(value, Mapping):
        return {key: _as_data(item) for key, item in value.items()}
    return tuple(_as_data(item) for item in value) if isinstance(value, tuple) else value


class Rule(NamedTuple):
    """What a value must satisfy beyond its type; `message` says it in words."""

    holds: Callable[[Any], bool]
    message: str


class Pattern(NamedTuple):
    """What a text must match in full."""

    pattern: re.Pattern[str]


class Convert(NamedTuple):
    """Makes the value of the field from that of the file. Raises ValueError with what to write instead."""

    function: Callable[[Any], Any]


def at_least(bound: float) -> Rule:
    """Refuse numbers below `bound`."""
    return Rule(lambda value: value >= bound, f"must be at least {bound:g}")


def at_most(bound: float) -> Rule:
    """Refuse numbers above `bound`."""
    return Rule(lambda value: value <= bound, f"must be at most {bound:g}")


def above(bound: float) -> Rule:
    """Refuse `bound` and numbers below."""
    return Rule(lambda value: value > bound, f"must be above {bound:g}")


def below(bound: float) -> Rule:
    """Refuse `bound` and numbers above."""
    return Rule(lambda value: value < bound, f"must be below {bound:g}")


def characters(least: int) -> Rule:
    """Refuse texts that are shorter."""
    return Rule(lambda text: len(text) >= least, f"must have at least {least} characters")


NOT_EMPTY: Final = Rule(lambda entries: len(entries) > 0, "must have 1 or more entries")


def _seconds(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    if not isinstance(value, str):
        raise ValueError("write a duration as number and unit, such as 90s, 30m, 4h or 7d")  # noqa: TRY004 - as Convert wants it
    try:
        return parse_duration(value)
    except UsageError as error:
        raise ValueError("write a duration above zero as number and unit, such as 90s, 30m, 4h or 7d") from error


Name = Annotated[str, Pattern(re.compile(r"[a-z][a-z0-9_.]*"))]
Seconds = Annotated[float, Convert(_seconds)]
TimeOfDay = Annotated[time, Convert(parse_time_of_day)]
Why = Annotated[str, characters(10)]

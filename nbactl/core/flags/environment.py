"""Environment variables that override a flag, or set one of its parameters, in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.flags.model import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.core.flags.model import Definition, FlagValue

_SWITCH: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def override_of(definition: Definition, environ: Mapping[str, str]) -> FlagValue | None:
    """Return the value that the environment gives a flag; None if its variable is empty or not set.

    Raises ValueError for a text that is no value of the flag.
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
            raise ValueError(f"'{text}' is no whole number") from error
    return text


def as_text(value: FlagValue) -> str:
    """Return a value as an environment variable holds it."""
    return str(value).lower() if isinstance(value, bool) else str(value)

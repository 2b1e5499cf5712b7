"""Turns the words of a command line into values. Typer would do it with pydantic, which takes longer than a command."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

from typer import BadParameter

from nbactl.core._support.names import closest
from nbactl.errors import UsageError

_LARGEST: Final = 2**53
"""The greatest whole number that JSON keeps exactly."""


class PassedThrough:
    """Leaves a value as it is."""

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - Typer's signature
        return value


class Coercion(NamedTuple):
    """Makes one value, or each of several, of a kind: text, truth, whole number, number or one of some texts."""

    kind: Any

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """Return the value, None if there is none. Raises UsageError or Typer's BadParameter."""
        if param.multiple or param.nargs == -1:
            return () if value is None else tuple(self._one(item, param, ctx) for item in value)
        return None if value is None else self._one(value, param, ctx)

    def _one(self, value: Any, param: Any, ctx: Any) -> Any:
        if get_origin(self.kind) is Literal:
            return _choice(value, get_args(self.kind), param, ctx)
        if self.kind in (str, bool):
            return value
        try:
            number = self.kind(value)
        except ValueError as error:
            what = "whole number" if self.kind is int else "number"
            raise BadParameter(f"'{value}' is not a {what}", ctx=ctx, param=param) from error
        if not abs(number) <= _LARGEST:  # not a number either
            raise BadParameter(f"'{value}' is too large", ctx=ctx, param=param)
        if not (param.min is None or number >= param.min) or not (param.max is None or number <= param.max):
            raise BadParameter(f"{value} is not {_range(param.min, param.max)}", ctx=ctx, param=param)
        return number


def coercion_of(parameter: Any) -> Coercion | None:
    """Return the coercion of a parameter, None if its type is left to Typer."""
    kind = parameter.type_descriptor.annotation
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
    return Coercion(kind) if kind in (str, bool, int, float) or get_origin(kind) is Literal else None


def _choice(value: str, choices: tuple[str, ...], param: Any, ctx: Any) -> str:
    if value in choices:
        return value
    match = closest(value, choices)
    help_line = f"Run '{ctx.command_path} --help'."
    raise UsageError(
        f"{param.get_error_hint()}: '{value}' is not one of {', '.join(choices)}",
        next_step=f"Did you mean '{match}'? {help_line}" if match else help_line,
    )


def _range(least: float | None, most: float | None) -> str:
    if most is None:
        return f"at least {least}"
    return f"at most {most}" if least is None else f"between {least} and {most}"

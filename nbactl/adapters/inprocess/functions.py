"""Python functions as tasks: `package.module:function`, called with the TaskContext."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbactl.core._support.names import did_you_mean
from nbactl.errors import ConfigError, DataError
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Callable


def is_loaded(target: str) -> bool:
    """Say whether the module of `package.module:function` is imported already."""
    return target.partition(":")[0] in sys.modules


def load_function(target: str) -> Callable[..., Any]:
    """Return the function named `package.module:function`. Raises ConfigError."""
    module_name, colon, name = target.partition(":")
    if not colon or not name:
        raise ConfigError(f"call: '{target}' is not of the form package.module:function")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigError(
            f"call: '{target}' cannot be imported",
            cause=str(error),
            next_step="Correct it in workflows.yaml, or install what it needs.",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        public = [member for member, value in vars(module).items() if callable(value) and not member.startswith("_")]
        raise ConfigError(f"call: module {module_name} has no function {name}", next_step=did_you_mean(name, public))
    return function  # type: ignore[no-any-return]


def outcome_of(result: object, target: str) -> TaskOutcome:
    """Read what a function returned: a TaskOutcome, a number of rows, or None. Raises DataError for anything else."""
    if isinstance(result, TaskOutcome):
        return result
    if result is None or (isinstance(result, int) and not isinstance(result, bool)):
        return TaskOutcome(rows=result)
    raise DataError(
        f"{target} returned {type(result).__name__}",
        cause="A task returns a TaskOutcome, the number of rows it wrote, or None.",
    )

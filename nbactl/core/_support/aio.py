"""What is to be awaited."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def is_async(function: Callable[..., Any]) -> TypeGuard[Callable[..., Awaitable[Any]]]:
    """Say whether calling `function` gives something to await; an object counts by its `__call__`."""
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)

"""Feature flags for services: `from nbactl.core import flags`, then `flags.on("query_caching", request_id)`.

A process says once which flags it uses (`use`); until then every flag is unknown and nothing new is switched on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nbactl.core.flags.cache import StateCache
from nbactl.core.flags.client import Flags, FlagsHealth, Refreshed
from nbactl.core.flags.exposures import Exposures
from nbactl.core.flags.model import Definition, Evaluation, FlagErrorCode, FlagSource, Reason, Rule, State
from nbactl.core.flags.snapshot import CompiledFlags, compile_flags
from nbactl.core.flags.store import FlagStore, Stored

if TYPE_CHECKING:
    from nbactl.core.flags.model import Attributes

__all__ = [
    "CompiledFlags",
    "Definition",
    "Evaluation",
    "Exposures",
    "FlagErrorCode",
    "FlagSource",
    "FlagStore",
    "Flags",
    "FlagsHealth",
    "Reason",
    "Refreshed",
    "Rule",
    "State",
    "StateCache",
    "Stored",
    "compile_flags",
    "evaluate",
    "on",
    "parameter",
    "use",
    "value",
]

V = TypeVar("V", bool, int, str)

_NOT_READY = Evaluation(
    None, Reason.ERROR, None, FlagSource.DEFINITION, f"{FlagErrorCode.NOT_READY}: no flags are in use"
)
_in_use: Flags | None = None


def use(flags: Flags | None) -> Flags | None:
    """Have this process's flags answered by `flags`; returns what answered them before."""
    global _in_use
    before, _in_use = _in_use, flags
    return before


def evaluate(key: str, entity: str | None = None, attributes: Attributes | None = None) -> Evaluation:
    """Return the answer for `entity`: value, reason, bucket, source and error. Never raises, never waits."""
    return _NOT_READY if _in_use is None else _in_use.evaluate(key, entity, attributes)


def on(key: str, entity: str | None = None, attributes: Attributes | None = None) -> bool:
    """Say whether a flag of type bool is on for `entity`."""
    return _in_use is not None and _in_use.on(key, entity, attributes)


def value(key: str, default: V, entity: str | None = None, attributes: Attributes | None = None) -> V:
    """Return the value for `entity`; `default` if there is no such flag, or not of the default's type."""
    return default if _in_use is None else _in_use.value(key, default, entity, attributes)


def parameter(name: str, default: V) -> V:
    """Return a parameter of a flag, such as QUERY_CACHE_TTL_SECONDS."""
    return default if _in_use is None else _in_use.parameter(name, default)

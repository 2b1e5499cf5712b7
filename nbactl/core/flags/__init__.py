"""Feature flags for services: `from nbactl.core import flags`, then `flags.on("query_caching", request_id)`.

A process says once which flags it uses (`use`); until then every flag is unknown and nothing new is switched on.
Importing this package loads neither the hash nor the client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from nbactl.core.flags.model import Definition, Evaluation, FlagErrorCode, FlagSource, Reason, State, TargetingRule

if TYPE_CHECKING:
    from nbactl.core.flags.client import Exposures, Flags, FlagsHealth, Refreshed
    from nbactl.core.flags.model import Attributes
    from nbactl.core.flags.snapshot import CompiledFlags, compile_flags
    from nbactl.core.flags.store import Change, FlagStore, StateCache, Stored

__all__ = [
    "Change",
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
    "State",
    "StateCache",
    "Stored",
    "TargetingRule",
    "compile_flags",
    "evaluate",
    "on",
    "parameter",
    "use",
    "value",
]

V = TypeVar("V", bool, int, str)

_MODULES = {
    "client": ("Exposures", "Flags", "FlagsHealth", "Refreshed"),
    "snapshot": ("CompiledFlags", "compile_flags"),
    "store": ("Change", "FlagStore", "StateCache", "Stored"),
}
_NOT_READY = Evaluation(
    None, Reason.ERROR, None, FlagSource.DEFINITION, f"{FlagErrorCode.NOT_READY}: no flags are in use"
)
_in_use: Flags | None = None


def __getattr__(name: str) -> object:

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"nbactl.core.flags.{module}"), name)
    raise AttributeError(f"module 'nbactl.core.flags' has no attribute '{name}'")


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

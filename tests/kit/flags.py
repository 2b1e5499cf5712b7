"""Flags, states and snapshots for tests, made of what matters there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from nbactl.core.flags import CompiledFlags, Definition, FlagSource, State, compile_flags

NOW = datetime(2024, 1, 15, 12, 0, tzinfo=UTC)


def flag(key: str = "fast", **given: Any) -> Definition:
    """A flag of type bool that is off by default."""
    fields: dict[str, Any] = {
        "kind": "bool",
        "default": False,
        "treatment": True,
        "salt": key,
        "entity": "player",
        "env": f"ENABLE_{key.upper()}",
    }
    return Definition(key, **{**fields, **given})


def state(percent: float = 0.0, key: str = "fast", **given: Any) -> State:
    """A flag that was set to `percent`."""
    fields: dict[str, Any] = {
        "enabled": True,
        "salt": key,
        "hash_version": 1,
        "stage": None,
        "entered_stage_at": NOW,
        "version": 1,
        "updated_at": NOW,
        "updated_by": "operator@host",
        "reason": None,
    }
    return State(percent, **{**fields, **given})


def snapshot(
    *definitions: Definition, states: dict[str, State] | None = None, environ: dict[str, str] | None = None
) -> CompiledFlags:
    """A snapshot of the flags given, with what the store and the environment say."""
    return compile_flags({each.key: each for each in definitions}, states or {}, environ or {}, source=FlagSource.STORE)

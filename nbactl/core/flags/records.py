"""The state of a flag as fields of a document, checked when they are read."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nbactl.core.flags.model import State
from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

COLLECTION = "flags"


def flag_path(key: str) -> str:
    """Return the path of a flag's state."""
    return f"{COLLECTION}/{key}"


def history_of(key: str) -> str:
    """Return the collection of a flag's history; each document is named by its version."""
    return f"{COLLECTION}/{key}/history"


def fields_of(state: State) -> dict[str, Any]:
    """Return the fields of a state."""
    return asdict(state)


def state_of(path: str, fields: Mapping[str, Any]) -> State:
    """Return the state that stands in `fields`. Raises DataError that names the field which is wrong."""
    percent, stage, reason = fields.get("percent"), fields.get("stage"), fields.get("reason")
    time = fields.get("updated_at")
    entered = fields.get("entered_stage_at", time)
    for name, right, wanted in (
        ("percent", is_percent(percent), "a number from 0 to 100"),
        ("enabled", isinstance(fields.get("enabled"), bool), "true or false"),
        ("salt", isinstance(fields.get("salt"), str) and bool(fields["salt"]), "text"),
        ("hash_version", _is_count(fields.get("hash_version")), "a whole number above 0"),
        ("stage", stage is None or _is_count(stage), "a whole number above 0 or nothing"),
        ("entered_stage_at", isinstance(entered, datetime), "a time"),
        ("version", _is_count(fields.get("version")), "a whole number above 0"),
        ("updated_at", isinstance(time, datetime), "a time"),
        ("updated_by", isinstance(fields.get("updated_by"), str), "text"),
        ("reason", reason is None or isinstance(reason, str), "text or nothing"),
    ):
        if not right:
            raise DataError(
                f"{path} cannot be read: {name} is {fields.get(name)!r}, not {wanted}",
                cause="It was not written by nbactl, or damaged.",
                next_step=f"Write it anew: nbactl flags rollback {path.split('/')[1]}",
            )
    return State(
        float(fields["percent"]),
        fields["enabled"],
        fields["salt"],
        fields["hash_version"],
        stage,
        fields.get("entered_stage_at", time),
        fields["version"],
        fields["updated_at"],
        fields["updated_by"],
        reason,
    )


def is_percent(value: object) -> bool:
    """Say whether `value` is a finite number from 0 to 100."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 100  # noqa: PLR2004 - per cent
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0

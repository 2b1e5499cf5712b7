"""A flags.yaml for tests of rollouts: one plan of 10, 50 and 100 percent, watched by one guard."""

from __future__ import annotations

from typing import Any

from nbactl.config.flags import FlagsFile
from tests.kit.config_models import model_of


def rollout_flag(key: str, **given: Any) -> dict[str, Any]:
    """Declare a flag that is rolled out by the plan `staged`."""
    return {
        "description": "A flag for tests of rollouts",
        "default": False,
        "salt": "salt",
        "owner": "pipeline",
        "expires": "2099-12-31",
        "env": f"ENABLE_{key.upper().replace('-', '_')}",
        "entity": "request",
        "rollout": "staged",
        **given,
    }


def rollout_file(key: str, **others: dict[str, Any]) -> FlagsFile:
    """Declare a flag and others; each stage bakes 4 h, the last one 24 h."""
    stages = ({"percent": 10, "bake": "4h"}, {"percent": 50, "bake": "4h"}, {"percent": 100, "bake": "24h"})
    guard = {"metric": "workflow_failure_rate", "above": 0.02, "window": "4h", "minimum_sample": 50}
    rollout = {
        "active": (),
        "plans": {"staged": {"stages": stages, "guards": ("failures",)}},
        "guards": {"failures": guard},
    }
    flags = {key: rollout_flag(key), **others}
    return model_of(FlagsFile, {"version": 1, "flags": flags, "rollout": rollout})

"""How much a property test tries: enough to find a broken rule in each run, all of it with NBACTL_STRESS=1."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

THOROUGH: Final = os.environ.get("NBACTL_STRESS") == "1"
"""Whether this is `make stress`."""
_SHARE: Final = 5
_LEAST: Final = 5


def budget(examples: int, *, steps: int = 50) -> settings:
    """Return settings for `examples` examples of `steps` steps under `make stress`, a fifth of the examples otherwise.

    A state machine takes half of the steps then: what two rules break together shows within few of them.
    """
    if THOROUGH:
        return settings(max_examples=examples, stateful_step_count=steps)
    return settings(max_examples=max(examples // _SHARE, _LEAST), stateful_step_count=max(steps // 2, 10))


def share(number: int) -> int:
    """Return `number` of orders, kills or writers under `make stress`, a third of them otherwise."""
    return number if THOROUGH else -(-number // 3)

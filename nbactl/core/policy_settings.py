"""What a call policy is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbactl.core.allowance import Allowance
    from nbactl.core.calls.breaker import BreakerSettings
    from nbactl.core.calls.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How one dependency is called. `total` bounds all tries with their pauses, `attempt` each try, in seconds."""

    name: str
    total: float
    retry: RetryPolicy
    attempt: float | None = None
    breaker: BreakerSettings | None = None
    throttle: Allowance | None = None
    retry_budget: Allowance | None = None

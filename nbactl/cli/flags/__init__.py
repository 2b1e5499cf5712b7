"""`nbactl flags`: feature flags, how far they are rolled out, and the way back."""

from __future__ import annotations

from nbactl.cli.flags import asking, auditing, changing, listing, rolling_back, rollout, syncing
from nbactl.cli.flags.group import app

__all__ = ["app", "asking", "auditing", "changing", "listing", "rolling_back", "rollout", "syncing"]

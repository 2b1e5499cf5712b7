"""The environment variables that nbactl reads, and those that it gives to commands."""

from __future__ import annotations

from typing import Final

from nbactl.config.settings import SETTINGS

OTHERS: Final = {
    "NO_COLOR": "Any value: as --color never.",
    "FORCE_COLOR": "Any value: as --color always.",
    "CI": "Any value: no live display, plain lines instead.",
    "CLOUD_RUN_EMULATOR_HOST": "HOST:PORT that speaks Cloud Run's API, asked instead of Google on target gcp.",
    "NBACTL_SENTRY_DSN": "Address of the Sentry project that failures are reported to (extra `sentry`).",
    "NBACTL_FAULTS": "For tests: named instants at which the process is killed, fails or waits.",
}

GIVEN: Final = {
    "NBACTL_RUN_ID": "The run.",
    "NBACTL_TASK": "The task.",
    "NBACTL_GAME_DATE": "The game date, YYYY-MM-DD.",
    "NBACTL_ATTEMPT": "The number of the attempt, from 1.",
    "NBACTL_FENCE_TOKEN": "The fencing token of the run's lease, for writes of its own.",
}
"""What a task that is a command (`command:` in workflows.yaml) finds in its environment."""


def environment_variables() -> dict[str, str]:
    """Return what nbactl reads, each with its meaning."""
    return {**{setting.variable: f"{setting.help} As {setting.flag}." for setting in SETTINGS}, **OTHERS}

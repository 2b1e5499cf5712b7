"""Every environment variable that nbactl reads."""

from __future__ import annotations

from typing import Final

from nbactl.config.settings import SETTINGS

OTHERS: Final = {
    "NO_COLOR": "Any value: as --color never.",
    "FORCE_COLOR": "Any value: as --color always.",
    "CI": "Any value: no live display, plain lines instead.",
    "NBACTL_FAULTS": "For tests: named instants at which the process is killed, fails or waits.",
}


def environment_variables() -> dict[str, str]:
    """Return the names with their meaning."""
    return {**{setting.variable: f"{setting.help} As {setting.flag}." for setting in SETTINGS}, **OTHERS}

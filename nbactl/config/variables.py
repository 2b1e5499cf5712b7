"""The environment variables that nbactl reads, and those that it gives to commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.config.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from pathlib import Path

OTHERS: Final = {
    "NO_COLOR": "Any value: same as --color never.",
    "FORCE_COLOR": "Any value: same as --color always.",
    "CI": "Any value: no live display, plain lines instead.",
    "XDG_CACHE_HOME": "Folder of caches (default ~/.cache); nbactl/ in it holds the checked configuration.",
    "PUBSUB_EMULATOR_HOST": "HOST:PORT of Google's emulator of Pub/Sub, asked instead of Google on target gcp.",
    "MONITORING_EMULATOR_HOST": "HOST:PORT that speaks Cloud Monitoring's API, asked instead of Google on target gcp.",
    "CLOUD_RUN_EMULATOR_HOST": "HOST:PORT that speaks Cloud Run's API, asked instead of Google on target gcp.",
    "LOGGING_EMULATOR_HOST": "HOST:PORT that speaks Cloud Logging's protocol, asked instead of Google on target gcp.",
    "PORT": "Port of `nbactl serve`, which serves on all addresses then, as Cloud Run wants it.",
    "NBACTL_TIMEOUT_NAME": "The limit of a timeout of timeouts.yaml: NBACTL_TIMEOUT_WAREHOUSE_QUERY=90s for "
    "warehouse.query. It overrides the file; an unknown name is refused.",
    "NBACTL_HEALTH_URLS": "NAME=URL,…: services whose /health must be green before a rollout's next stage begins.",
    "NBACTL_PROMETHEUS_URL": "The server that guards of rollouts ask, before the history of runs.",
    "NBACTL_SLACK_WEBHOOK_URL": "The address of an incoming webhook of Slack: where alerts go. A secret.",
    "NBACTL_SENTRY_DSN": "Address of the Sentry project that failures are reported to (extra `sentry`).",
    "NBACTL_PUSH_AUDIENCE": "The audience of identity tokens that a service accepts: its URL. With "
    "NBACTL_PUSH_ACCOUNTS; without both a service asks for no token and listens on the loopback only.",
    "NBACTL_PUSH_ACCOUNTS": "NAME@PROJECT.iam.gserviceaccount.com,…: the accounts that may push to a service.",
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
    return {**{setting.variable: f"{setting.help}{_flag(setting)}" for setting in SETTINGS}, **OTHERS}


def timeout_variables(config_dir: Path | None) -> dict[str, str]:
    """Return the variables that set limits of the timeouts declared there, each with the timeout's name."""
    from nbactl.config.loader import FILES, find_config_dir  # noqa: PLC0415 - brings YAML
    from nbactl.config.overrides import variable_of  # noqa: PLC0415
    from nbactl.config.source import read_positions  # noqa: PLC0415

    positions, _ = read_positions((config_dir or find_config_dir()) / FILES["timeouts"])
    section = None if positions is None else positions.root.children.get("timeouts")
    return {} if section is None else {variable_of(str(name)): str(name) for name in section.children}


def _flag(setting: Setting) -> str:
    return "" if setting.kind == "usd" else f" Same as {setting.flag}."

"""The settings in force, the three YAML files, and what a key means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbactl.config.settings import SETTINGS
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.bootstrap import Container
    from nbactl.config.explain import Explanation
    from nbactl.config.settings import Setting


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting, its value and where that comes from: `flag`, `env NBACTL_TARGET`, `file nbactl.toml:1`, `default`."""

    setting: Setting
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class TimeoutVariable:
    """A timeout that an environment variable sets."""

    name: str
    value: str
    variable: str


@dataclass(frozen=True, slots=True)
class ConfigValues:
    """What is in force: the settings, the timeouts from the environment, and the files that are read."""

    settings: tuple[SettingValue, ...]
    timeouts: tuple[TimeoutVariable, ...]
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """What valid files declare; `counts` has the number of entries of each section of each file."""

    files: Mapping[str, Path]
    counts: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...]


def show_config(app: Container) -> ConfigValues:
    """Return the settings in force, the timeouts that the environment sets, and the files that are read."""
    from nbactl.config.loader import FILES, find_config_dir  # noqa: PLC0415 - brings YAML
    from nbactl.config.variables import timeout_variables  # noqa: PLC0415

    folder = app.settings.config_dir or find_config_dir()
    return ConfigValues(
        settings=tuple(setting_value(app, setting) for setting in SETTINGS),
        timeouts=tuple(
            TimeoutVariable(name, app.environ[variable], variable)
            for variable, name in timeout_variables(app.settings.config_dir).items()
            if app.environ.get(variable)
        ),
        files={key: folder / name for key, name in FILES.items()},
    )


def setting_value(app: Container, setting: Setting) -> SettingValue:
    """Return a setting as it is in force."""
    value = getattr(app.settings, setting.name)
    text = str(value) if setting.kind == "path" and value is not None else value
    return SettingValue(setting, text, app.settings.origins[setting.name])


def validate_config(app: Container) -> ConfigCheck:
    """Check the three files together. Raises ConfigError with every problem, each with file, line and column.

    Tasks are compared with the registered processors and with the last run of each phase.
    """
    from nbactl.bootstrap.doctor import check_context  # noqa: PLC0415
    from nbactl.checks.declared import drift, undone_declarations  # noqa: PLC0415
    from nbactl.config.problems import config_error  # noqa: PLC0415

    config = app.config
    if problems := undone_declarations(config, app.processors):
        raise config_error(problems)
    try:
        warnings = drift(config, check_context(app).recent_runs(None))
    except NbactlError as error:
        warnings = [f"not compared with recent runs: {error.message}"]
    counts = {
        "workflows": {name: len(getattr(config.workflows, name)) for name in ("tasks", "phases", "workflows")},
        "timeouts": {name: len(getattr(config.timeouts, name)) for name in ("timeouts", "retry_policies", "deadlines")},
        "flags": {"flags": len(config.flags.flags)},
    }
    return ConfigCheck(dict(config.files), counts, tuple(warnings))


def explain_key(app: Container, key: str) -> SettingValue | Explanation:
    """Return what a setting, a variable or a key of the files means. Raises NotFoundError with the closest key."""
    for setting in SETTINGS:
        if key in (setting.name, setting.variable, setting.flag):
            return setting_value(app, setting)
    from nbactl.config.explain import explain  # noqa: PLC0415

    return explain(app.config, key)

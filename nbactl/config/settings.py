"""The settings of one call, each with its origin: flag > environment > nbactl.toml > default."""

from __future__ import annotations

import dataclasses
import os
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nbactl.core._support.files import read_regular
from nbactl.core._support.names import did_you_mean
from nbactl.errors import ConfigError, UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Target = Literal["local", "gcp"]
Output = Literal["table", "wide", "json", "jsonl", "yaml", "csv"]
Color = Literal["auto", "always", "never"]

SETTINGS_FILE = "nbactl.toml"
_MAX_FILE_BYTES = 1024 * 1024


class Setting(NamedTuple):
    """What may be set: its name in the file, its flag and its environment variable follow from `name`.

    An amount of `usd` has no flag.
    """

    name: str
    kind: Literal["choice", "path", "text", "switch", "level", "usd"]
    default: Any
    help: str
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable, such as NBACTL_STATE_DIR."""
        return f"NBACTL_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """The long option, such as --state-dir."""
        return "--verbose" if self.name == "verbosity" else f"--{self.name.replace('_', '-')}"


SETTINGS: tuple[Setting, ...] = (
    Setting("target", "choice", default="local", help="Where it runs.", choices=("local", "gcp")),
    Setting("project", "text", default=None, help="Google Cloud project of target gcp."),
    Setting("region", "text", default="us-west2", help="Google Cloud region of the deployed services."),
    Setting("location", "text", default=None, help="Location of the BigQuery datasets, if it is not the region."),
    Setting("config_dir", "path", default=None, help="Folder of workflows.yaml, timeouts.yaml and flags.yaml."),
    Setting("state_dir", "path", default=".nbactl", help="Folder of the ledger, the local warehouse and logs."),
    Setting(
        "output",
        "choice",
        default="table",
        help="Form of the data on stdout.",
        choices=("table", "wide", "json", "jsonl", "yaml", "csv"),
    ),
    Setting("color", "choice", default="auto", help="When to colour.", choices=("auto", "always", "never")),
    Setting("utc", "switch", default=False, help="Show times in UTC, not in Eastern time."),
    Setting("quiet", "switch", default=False, help="Say nothing but data, warnings and errors."),
    Setting("verbosity", "level", default=0, help="Say more; twice for everything."),
    Setting("yes", "switch", default=False, help="Answer yes to every question."),
    Setting("no_input", "switch", default=False, help="Never ask: fail with exit 2 where an answer is needed."),
    Setting("debug", "switch", default=False, help="Show the traceback of an error."),
    Setting(
        "query_ask_usd",
        "usd",
        default="0.05",
        help="Ask before a query on gcp that costs more US dollars; those of one date cost less than a cent.",
    ),
    Setting(
        "query_max_usd",
        "usd",
        default="1",
        help="Refuse a query on gcp that nbactl makes for itself and that costs more US dollars.",
    ),
    Setting("source", "text", default="sample", help="Where game data come from: sample, path:DIR or nba_api."),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}
_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_MAX_VERBOSITY = 2
_MAX_DIGITS = 9


@frozen
class Settings:
    """The values in force. `origins` has, by name, `flag`, `env NAME`, `file nbactl.toml:3` or `default`."""

    target: Target
    project: str | None
    region: str
    location: str | None
    config_dir: Path | None
    state_dir: Path
    output: Output
    utc: bool
    quiet: bool
    verbosity: int
    color: Color
    yes: bool
    no_input: bool
    debug: bool
    query_ask_usd: Decimal
    query_max_usd: Decimal
    source: str
    origins: Mapping[str, str]

    @property
    def dataset_location(self) -> str:
        """Where the BigQuery datasets are: a region such as us-west2, or a multi-region such as US."""
        return self.location or self.region

    @property
    def for_person(self) -> bool:
        """Whether the output is text for a person, not data for a program."""
        return self.output in ("table", "wide")

    def with_flag(self, name: str, value: Any) -> Settings:  # noqa: ANN401 - one of the settings' types
        """Return the settings with one more value from the command line; None changes nothing."""
        if value is None:
            return self
        setting = _BY_NAME[name]
        parsed = _parse(setting, value, f"{setting.flag}", UsageError, Path())
        changes: dict[str, Any] = {name: parsed, "origins": MappingProxyType({**self.origins, name: "flag"})}
        return dataclasses.replace(self, **changes)


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str], directory: Path) -> Settings:
    """Resolve every setting from the four layers; `directory` is the working directory.

    Raises UsageError for a wrong flag, ConfigError for a wrong variable or a wrong nbactl.toml.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        if flags.get(setting.name) is not None:
            values[setting.name] = _parse(setting, flags[setting.name], setting.flag, UsageError, Path())
            origins[setting.name] = "flag"
        elif environ.get(setting.variable):
            values[setting.name] = _parse(setting, environ[setting.variable], setting.variable, ConfigError, Path())
            origins[setting.name] = f"env {setting.variable}"
    file = _settings_file(values.get("config_dir"), directory)
    if file is not None:
        for setting, value, origin in _read_file(file, directory):
            if setting.name not in values:
                values[setting.name] = value
                origins[setting.name] = origin
    if "color" not in values and (found := _color_convention(environ)):
        values["color"], origins["color"] = found
    for setting in SETTINGS:
        if setting.name not in values:
            values[setting.name] = _default(setting)
            origins[setting.name] = "default"
    return Settings(**values, origins=MappingProxyType(origins))


def _default(setting: Setting) -> Any:  # noqa: ANN401
    if setting.kind == "usd":
        return Decimal(setting.default)
    return Path(setting.default) if setting.kind == "path" and setting.default is not None else setting.default


def _color_convention(environ: Mapping[str, str]) -> tuple[Color, str] | None:
    """Read https://no-color.org and its counterpart."""
    if environ.get("NO_COLOR"):
        return "never", "env NO_COLOR"
    if environ.get("FORCE_COLOR"):
        return "always", "env FORCE_COLOR"
    return None


def _settings_file(config_dir: Path | None, directory: Path) -> Path | None:
    folders = [directory] if config_dir is None else [directory / config_dir, directory]
    # Unlike Path.exists, this answers for a name that is too long; the code that reads the folder reports it.
    return next((folder / SETTINGS_FILE for folder in folders if os.path.exists(folder / SETTINGS_FILE)), None)  # noqa: PTH110


def _read_file(file: Path, directory: Path) -> Iterator[tuple[Setting, Any, str]]:
    import tomllib  # noqa: PLC0415 - most calls have no settings file

    shown = file.relative_to(directory) if file.is_relative_to(directory) else file
    try:
        text = read_regular(file, _MAX_FILE_BYTES).decode("utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{shown} cannot be read", cause=str(error), next_step=f"Correct {shown}.") from error
    lines = _lines_of_keys(text)
    for key, value in content.items():
        where = f"{shown}:{lines.get(key, 1)}"
        if key not in _BY_NAME:
            raise ConfigError(
                f"{where}: unknown setting '{key}'",
                cause="Every key of the file must be a setting, so that a misspelt one is not taken for a default.",
                next_step=did_you_mean(key, _BY_NAME),
            )
        yield _BY_NAME[key], _parse(_BY_NAME[key], value, f"{where}: {key}", ConfigError, file.parent), f"file {where}"


def _lines_of_keys(text: str) -> dict[str, int]:
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        key, equals, _ = line.partition("=")
        name = key.strip().strip("[]\"' ")
        if equals or line.lstrip().startswith("["):
            lines.setdefault(name, number)
    return lines


def _parse(
    setting: Setting,
    value: Any,  # noqa: ANN401
    where: str,
    error: type[ConfigError | UsageError],
    folder: Path,
) -> Any:  # noqa: ANN401
    """Return the value in its type; `where` names the place for a person, `folder` is what paths are relative to."""
    if setting.kind == "switch":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _SWITCH:
            return _SWITCH[value.lower()]
        raise error(f"{where}: '{value}' is neither true nor false", next_step="Give true or false.")
    if setting.kind == "level":
        return _parse_level(value, where, error)
    if setting.kind == "usd":
        return _parse_usd(value, where, error)
    if "\0" in str(value):
        raise error(f"{where}: a NUL character is not allowed", next_step=f"Give {_forms(setting)}.")
    if not isinstance(value, (str, Path)) or not str(value):
        message = f"{where}: '{value}' is not a text" if value != "" else f"{where} was given an empty value"
        raise error(message, next_step=f"Give {_forms(setting)}.")
    if setting.kind == "path":
        return folder / value
    if setting.choices and value not in setting.choices:
        raise error(
            f"{where}: '{value}' is not one of {', '.join(setting.choices)}",
            next_step=did_you_mean(str(value), setting.choices),
        )
    return value


def _parse_level(value: Any, where: str, error: type[ConfigError | UsageError]) -> int:  # noqa: ANN401
    text = str(value)
    if not isinstance(value, bool) and text.isdecimal():
        return min(int(text[:_MAX_DIGITS]), _MAX_VERBOSITY)
    raise error(f"{where}: '{value}' is not a level", next_step=f"Give 0, 1 or {_MAX_VERBOSITY}.")


def _parse_usd(value: Any, where: str, error: type[ConfigError | UsageError]) -> Decimal:  # noqa: ANN401
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise error(f"{where}: '{value}' is not an amount of US dollars", next_step="Give a number, such as 0.05.")
    return amount


def _forms(setting: Setting) -> str:
    return " or ".join(setting.choices) if setting.choices else f"a {setting.kind} in quotes"

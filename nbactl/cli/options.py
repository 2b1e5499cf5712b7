"""The options that every command takes, before or after its name."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nbactl.config.settings import SETTINGS

PANEL: Final = "Global options"
_SETTINGS: Final = {setting.name: setting for setting in SETTINGS}


class SharedOption(NamedTuple):
    """One option. `flag` is what it sets: a setting, or `fields`."""

    flag: str
    declarations: tuple[str, ...]
    help: str
    kind: str
    """`text`, `switch` or `level`; a level is given once for each step."""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    value: str | None = None
    """The value of a switch, if not true."""

    def store(self, flags: dict[str, Any], given: Any) -> None:
        """Note what the command line says."""
        if self.kind == "level":
            given += flags.get(self.flag, 0)
        flags[self.flag] = self.value or given


def _of_setting(name: str, *declarations: str, metavar: str | None = None) -> SharedOption:
    setting = _SETTINGS[name]
    kind = setting.kind if setting.kind in ("switch", "level") else "text"
    shown = "|".join(setting.choices) or metavar
    return SharedOption(name, declarations, setting.help, kind, shown, setting.choices)


SHARED: Final = (
    _of_setting("output", "-o", "--output"),
    SharedOption("output", ("--json",), "Same as --output json.", "switch", value="json"),
    SharedOption(
        "fields", ("--fields",), "Only these keys of JSON, JSON lines or YAML; of CSV, columns.", "text", "KEY,..."
    ),
    _of_setting("target", "--target"),
    _of_setting("project", "--project", metavar="ID"),
    _of_setting("region", "--region", metavar="NAME"),
    _of_setting("location", "--location", metavar="NAME"),
    _of_setting("config_dir", "--config-dir", metavar="DIR"),
    _of_setting("state_dir", "--state-dir", metavar="DIR"),
    _of_setting("yes", "-y", "--yes"),
    _of_setting("no_input", "--no-input"),
    _of_setting("quiet", "-q", "--quiet"),
    _of_setting("verbosity", "-v", "--verbose"),
    _of_setting("color", "--color"),
    _of_setting("utc", "--utc"),
    _of_setting("debug", "--debug"),
)

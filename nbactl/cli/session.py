"""What one call of the command line holds together: flags, settings, console, application."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbactl.cli.show.console import Console
from nbactl.config.settings import SETTINGS, Setting, Settings, load_settings
from nbactl.errors import NbactlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.bootstrap import Container
    from nbactl.cli.audited import AuditedCall

_SHORT_OUTPUT = re.compile(r"-[qv]*o(.*)")


class Session:
    """One call. `flags` collects the shared options from before and after the command; the later one wins."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self.argv = tuple(argv)
        self.environ = environ
        self.flags: dict[str, Any] = {}
        self.command = "nbactl"
        """The command as the envelope names it, `runs.list`."""
        self.audited: AuditedCall | None = None
        """The entry of the audit trail, for a command that leaves one."""
        self.reads_only = False
        """Whether the command leaves no file behind."""

    @property
    def command_line(self) -> str:
        """The command as it is typed, `nbactl runs list`."""
        return "nbactl" if self.command == "nbactl" else f"nbactl {self.command.replace('.', ' ')}"

    @property
    def fields(self) -> tuple[str, ...]:
        """The keys that `--fields` picks. Raises UsageError where there are no keys to pick from."""
        given: str | None = self.flags.get("fields")
        if given is None:
            return ()
        if self.settings.for_person:
            raise UsageError(
                f"--fields picks keys of data, but the output is a {self.settings.output}",
                next_step="Add -o json, -o jsonl or -o yaml.",
            )
        fields = tuple(field.strip() for field in given.split(","))
        if not all(fields):
            raise UsageError(f"--fields: '{given}' has an empty name", next_step="Write --fields KEY,KEY.")
        return fields

    @cached_property
    def settings(self) -> Settings:
        """The settings in force. Raises UsageError or ConfigError."""
        return load_settings(self.flags, self.environ, Path())

    @cached_property
    def console(self) -> Console:
        """The console as the settings want it."""
        return self._console(self.settings)

    @cached_property
    def container(self) -> Container:
        """The composed application, built when a command first asks for it."""
        from nbactl.bootstrap import Container  # noqa: PLC0415 - many commands need none

        return Container(self.settings, reads_only=self.reads_only, notice=self.console.warn)

    def close(self) -> None:
        """Release what the application holds."""
        if "container" in self.__dict__:
            self.container.close()

    def settings_for_errors(self) -> Settings:
        """Return settings that are good enough to report an error, even an error in the settings.

        A call that could not be parsed has not reached its options, so they are looked up in the words themselves.
        """
        flags = {**prescan(self.argv), **self.flags}
        colours = {name: self.environ[name] for name in ("NO_COLOR", "FORCE_COLOR") if name in self.environ}
        environ = {**_valid(self.environ, lambda setting: setting.variable), **colours}
        valid = _valid(flags, lambda setting: setting.name), environ
        for attempt in ((flags, self.environ, Path()), (*valid, Path()), (*valid, Path("/dev/null"))):
            try:
                return load_settings(*attempt)
            except NbactlError:
                continue
        raise AssertionError("valid flags and variables alone always make settings")

    def console_for_errors(self) -> Console:
        """Return the console of the settings for errors."""
        if "console" in self.__dict__:
            return self.console
        return self._console(self.settings_for_errors())

    def _console(self, settings: Settings) -> Console:
        return Console(
            color=settings.color,
            quiet=settings.quiet,
            verbosity=settings.verbosity,
            yes=settings.yes,
            no_input=settings.no_input,
            wide=settings.output == "wide",
            environ=self.environ,
        )


def prescan(argv: Sequence[str]) -> dict[str, Any]:
    """Find the options that matter before, or without, parsing: the output's form and the two folders."""
    found: dict[str, Any] = {}
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if word == "--json":
            found["output"] = "json"
        elif word == "--debug":
            found["debug"] = True
        elif name in ("--output", "--color", "--config-dir", "--state-dir"):
            found[name.removeprefix("--").replace("-", "_")] = value if equals else next(words, None)
        elif match := _SHORT_OUTPUT.fullmatch(word):
            found["output"] = match[1] or next(words, None)
    return found


def _valid(values: Mapping[str, Any], key: Callable[[Setting], str]) -> dict[str, Any]:
    """Return those that need no parsing, or certainly parse: choices, and where to write a crash report."""
    keys = {key(setting): setting for setting in SETTINGS if setting.choices or setting.name == "state_dir"}
    return {
        name: value
        for name, value in values.items()
        if value and name in keys and (not keys[name].choices or value in keys[name].choices)
    }

"""Settings and configuration files as text and as JSON."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.config.command import SettingValue
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled

if TYPE_CHECKING:
    from nbactl.cli.config.command import ConfigCheck, ConfigValues
    from nbactl.cli.config.init import ConfigInit
    from nbactl.cli.show.console import Console
    from nbactl.config.explain import Explanation

_OTHERS: Final = 3
"""How many other keys of the same name are listed."""


def values(found: ConfigValues, *, with_origin: bool) -> View:
    """Show settings with their values, timeouts from the environment, and the paths of the files."""
    timeouts = [
        {"name": limit.name, "value": limit.value, "origin": f"env {limit.variable}", "variable": limit.variable}
        for limit in found.timeouts
    ]

    def show(console: Console) -> None:
        rows = [(one.setting.name, one.origin, _text(one.value)) for one in found.settings]
        rows += [(f"timeouts.{limit['name']}", limit["origin"], limit["value"]) for limit in timeouts]
        if with_origin:
            # The value comes last: a long path then widens no column.
            shown = [
                (name, Styled(origin, "dim" if origin == "default" else "cyan"), value) for name, origin, value in rows
            ]
            console.table(["setting", "origin", "value"], shown)
        else:
            console.table(["setting", "value"], [(name, value) for name, _, value in rows])
        console.print()
        for path in found.files.values():
            console.print(Styled("file: ", "dim"), str(path))

    data = {
        "settings": [
            {
                "name": one.setting.name,
                "value": one.value,
                "origin": one.origin,
                "flag": one.setting.flag,
                "variable": one.setting.variable,
            }
            for one in found.settings
        ],
        "timeouts": timeouts,
        "files": {key: str(path) for key, path in found.files.items()},
    }
    return View(data, show, items="settings")


def checked(found: ConfigCheck) -> View:
    """Show what the valid files declare."""

    def show(console: Console) -> None:
        for key, file in found.files.items():
            summary = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.counts[key].items())
            console.print(Styled(console.out.glyph("✓", "ok"), "green"), f" {file}: {summary}")

    data = {"files": {key: str(file) for key, file in found.files.items()}, "counts": found.counts}
    return View(data, show, warnings=found.warnings)


def initial(done: ConfigInit) -> View:
    """Show which files were written, and how to use them."""
    folder, dry = done.request.folder, done.request.dry_run
    verbs = {"written": "Would write" if dry else "Wrote", "replaced": "Would replace" if dry else "Replaced"}

    def show(console: Console) -> None:
        for file in done.files:
            if file.state == "unchanged":
                console.note(f"{file.path} is up to date.")
            else:
                kept = "" if file.kept_as is None else f"; the present file {_kept(dry)} {file.kept_as.name}"
                console.note(f"{verbs[file.state]} {file.path}{kept}.")
        if done.changed and not dry:
            console.note(f"Edit them, then check them: nbactl config validate --config-dir {shlex.quote(str(folder))}")
        elif not done.changed:
            console.note("Nothing to do: all files are as this version brings them.")

    files = [{"path": str(f.path), "state": f.state, "kept_as": f.kept_as and str(f.kept_as)} for f in done.files]
    return View({"folder": str(folder), "files": files, "changed": bool(done.changed) and not dry}, show, items="files")


def _kept(dry: bool) -> str:
    return "would be kept as" if dry else "is kept as"


def explained(found: SettingValue | Explanation) -> View:
    """Show what a setting or a key means."""
    if isinstance(found, SettingValue):
        return _setting(found)
    return View(asdict(found), lambda console: _show_key(console, found))


def _setting(found: SettingValue) -> View:
    setting = found.setting
    data = {
        "name": setting.name,
        "meaning": setting.help,
        "value": found.value,
        "origin": found.origin,
        "default": setting.default,
        "choices": list(setting.choices) or None,
        "flag": setting.flag,
        "variable": setting.variable,
    }

    def show(console: Console) -> None:
        console.print(Styled(setting.name, "bold"), f"  {setting.help}")
        lines = [(name, _text(data[name])) for name in ("value", "origin", "default", "flag", "variable")]
        if setting.choices:
            lines.insert(0, ("choices", ", ".join(setting.choices)))
        for name, text in lines:
            console.print("  ", Styled(f"{name + ':':<10}", "dim"), text)

    return View(data, show)


def _show_key(console: Console, found: Explanation) -> None:
    console.print(Styled(found.key, "bold"), f"  {found.meaning}" if found.meaning else "")
    lines = [("at", f"{found.file}:{found.line}:{found.column}"), ("origin", found.origin)]
    if found.keys:
        values_of_keys = found.value
        lines += [(key, _text(values_of_keys[key])) for key in found.keys if key not in ("why", "description")]
    else:
        lines.append(("value", _text(found.value) + ("" if found.is_set else "  (the default: not set)")))
    width = max(len(name) for name, _ in lines) + 1
    for name, text in lines:
        console.print("  ", Styled(f"{name + ':':<{width}} ", "dim"), text)
    if found.used_by:
        console.print("  ", Styled("used by:", "dim"))
        for place in found.used_by:
            console.print(f"    {place}")
    if found.others:
        last = found.key.rpartition(".")[2]
        first = ", ".join(found.others[:_OTHERS])
        more = f", and {len(found.others) - _OTHERS} more" if len(found.others) > _OTHERS else ""
        console.note(f"{len(found.others)} other keys end in '{last}': {first}{more}. Give the whole key.")


def _text(value: Any) -> str:  # noqa: ANN401 - any value of the files
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)

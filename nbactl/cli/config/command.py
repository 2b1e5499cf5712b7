"""`nbactl config`: the settings in force, the three YAML files, and what a key means."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli import app as nbactl_app
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.config.settings import SETTINGS, Setting, Settings
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console
    from nbactl.config.explain import Explanation

app = group()


@command(
    app,
    "show",
    examples=[
        "nbactl config show --origin",
        "NBACTL_TARGET=gcp nbactl config show -o json",
        "NBACTL_TIMEOUT_WAREHOUSE_QUERY=90s nbactl config show --origin",
    ],
)
def show(
    ctx: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Tell where each value comes from.")] = False,
) -> View:
    """Show the settings in force, the timeouts that the environment sets, and the files that are read."""
    from nbactl.config.loader import FILES, find_config_dir  # noqa: PLC0415 - brings YAML
    from nbactl.config.variables import timeout_variables  # noqa: PLC0415

    settings, environ = nbactl_app.settings(ctx), nbactl_app.session(ctx).environ
    folder = settings.config_dir or find_config_dir()
    limits = [
        {"name": name, "value": environ[variable], "origin": f"env {variable}", "variable": variable}
        for variable, name in timeout_variables(settings.config_dir).items()
        if environ.get(variable)
    ]
    rows = [(setting, _value(settings, setting), settings.origins[setting.name]) for setting in SETTINGS]
    data = {
        "settings": [
            {"name": s.name, "value": value, "origin": came, "flag": s.flag, "variable": s.variable}
            for s, value, came in rows
        ],
        "timeouts": limits,
        "files": {key: str(folder / name) for key, name in FILES.items()},
    }

    def shown(console: Console) -> None:
        columns = ["setting", "value", "origin"] if origin else ["setting", "value"]
        cells = [
            (s.name, _text(value), Styled(came, "dim" if came == "default" else "cyan")) for s, value, came in rows
        ]
        cells += [(f"timeouts.{each['name']}", each["value"], Styled(each["origin"], "cyan")) for each in limits]
        cells += [(name, str(folder / name), Styled("", "")) for name in FILES.values()]
        console.table(columns, [row[: len(columns)] for row in cells])

    return View(data, shown, items="settings")


@command(app, "validate", examples=["nbactl config validate", "nbactl config validate --config-dir . -o json"])
def validate(ctx: typer.Context) -> View:
    """Check the three YAML files together.

    Every problem is told at once, with file, line, column and what was probably meant. Exit code 2 if there is one.
    Tasks are compared with the registered processors, and with what reported in the last run of each phase.
    """
    from nbactl.bootstrap.doctor import check_context  # noqa: PLC0415
    from nbactl.checks.declared import drift, undone_declarations  # noqa: PLC0415
    from nbactl.config.problems import config_error  # noqa: PLC0415

    app = nbactl_app.container(ctx)
    config = app.config
    if problems := undone_declarations(config, app.processors):
        raise config_error(problems)
    counts = {
        "workflows": {name: len(getattr(config.workflows, name)) for name in ("tasks", "phases", "workflows")},
        "timeouts": {name: len(getattr(config.timeouts, name)) for name in ("timeouts", "retry_policies", "deadlines")},
        "flags": {"flags": len(config.flags.flags)},
    }

    def shown(console: Console) -> None:
        for key, file in config.files.items():
            told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts[key].items())
            console.print(Styled(console.out.glyph("✓", "ok"), "green"), f" {file}: {told}")

    try:
        warnings = drift(config, check_context(app).recent_runs(None))
    except NbactlError as error:
        warnings = [f"not compared with what reported: {error.message}"]
    data = {"files": {key: str(file) for key, file in config.files.items()}, "counts": counts}
    return View(data, shown, warnings=tuple(warnings))


@command(
    app,
    "explain",
    examples=["nbactl config explain state_dir", "nbactl config explain timeouts.warehouse.query"],
)
def explain(
    ctx: typer.Context,
    key: Annotated[
        str, typer.Argument(help="A setting, a variable, or a key of the YAML files such as phases.phase3.")
    ],
) -> View:
    """Explain a setting or a key of the YAML files.

    Tells its meaning, its value, where it stands and who refers to it.
    """
    for setting in SETTINGS:
        if key in (setting.name, setting.variable, setting.flag):
            return _explain_setting(nbactl_app.settings(ctx), setting)
    from nbactl.config.explain import explain as explain_key  # noqa: PLC0415
    from nbactl.config.loader import load_config  # noqa: PLC0415

    explanation = explain_key(load_config(nbactl_app.settings(ctx).config_dir), key)
    return View(asdict(explanation), lambda console: _show_key(console, explanation))


def _explain_setting(settings: Settings, setting: Setting) -> View:
    data = {
        "name": setting.name,
        "meaning": setting.help,
        "value": _value(settings, setting),
        "origin": settings.origins[setting.name],
        "default": setting.default,
        "choices": list(setting.choices) or None,
        "flag": setting.flag,
        "variable": setting.variable,
    }

    def shown(console: Console) -> None:
        console.print(Styled(setting.name, "bold"), f"  {setting.help}")
        lines = [(name, _text(data[name])) for name in ("value", "origin", "default", "flag", "variable")]
        if setting.choices:
            lines.insert(0, ("choices", ", ".join(setting.choices)))
        for name, text in lines:
            console.print("  ", Styled(f"{name + ':':<10}", "dim"), text)

    return View(data, shown)


def _show_key(console: Console, explanation: Explanation) -> None:
    console.print(Styled(explanation.key, "bold"), f"  {explanation.meaning}" if explanation.meaning else "")
    lines = [("at", f"{explanation.file}:{explanation.line}:{explanation.column}"), ("origin", explanation.origin)]
    if explanation.keys:
        values = explanation.value
        lines += [(key, _text(values[key])) for key in explanation.keys if key not in ("why", "description")]
    else:
        lines.append(("value", _text(explanation.value) + ("" if explanation.is_set else "  (the default: not set)")))
    width = max(len(name) for name, _ in lines) + 1
    for name, text in lines:
        console.print("  ", Styled(f"{name + ':':<{width}} ", "dim"), text)
    if explanation.used_by:
        console.print("  ", Styled("used by:", "dim"))
        for place in explanation.used_by:
            console.print(f"    {place}")


def _value(settings: Settings, setting: Setting) -> Any:  # noqa: ANN401 - one of the settings' types
    value = getattr(settings, setting.name)
    return str(value) if setting.kind == "path" and value is not None else value


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

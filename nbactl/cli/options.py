"""The options that every command takes, before or after its name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nbactl.config.settings import SETTINGS

PANEL = "Global options"
_CHOICES = {setting.name: setting.choices for setting in SETTINGS if setting.choices}
_HELP = {setting.name: setting.help for setting in SETTINGS}


def _store(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Note what the command line says; a value that is only a default says nothing."""
    source = ctx.get_parameter_source(param.name)
    if source is None or source.name != "COMMANDLINE" or ctx.resilient_parsing:
        return value
    flags = ctx.obj.flags
    if param.name == "json":
        flags["output"] = "json"
    elif param.name == "verbosity":
        flags["verbosity"] = flags.get("verbosity", 0) + value
    else:
        flags[param.name] = value
    return value


def _option(name: str, *declarations: str, metavar: str | None = None, count: bool = False) -> Any:
    choices = _CHOICES.get(name)

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices or () if choice.startswith(incomplete)]

    return typer.Option(
        *declarations,
        help="Same as --output json." if name == "json" else _HELP[name],
        metavar="|".join(choices) if choices else metavar,
        count=count,
        expose_value=False,
        callback=_store,
        autocompletion=complete if choices else None,
        rich_help_panel=PANEL,
        show_default=False,
    )


def shared(  # noqa: PLR0917 - Typer reads them one by one
    output: Annotated[str | None, _option("output", "-o", "--output")] = None,
    json: Annotated[bool, _option("json", "--json")] = False,
    target: Annotated[str | None, _option("target", "--target")] = None,
    project: Annotated[str | None, _option("project", "--project", metavar="ID")] = None,
    region: Annotated[str | None, _option("region", "--region", metavar="NAME")] = None,
    config_dir: Annotated[str | None, _option("config_dir", "--config-dir", metavar="DIR")] = None,
    state_dir: Annotated[str | None, _option("state_dir", "--state-dir", metavar="DIR")] = None,
    color: Annotated[str | None, _option("color", "--color")] = None,
    quiet: Annotated[bool, _option("quiet", "-q", "--quiet")] = False,
    verbosity: Annotated[int, _option("verbosity", "-v", "--verbose", count=True)] = 0,
    yes: Annotated[bool, _option("yes", "-y", "--yes")] = False,
    no_input: Annotated[bool, _option("no_input", "--no-input")] = False,
    debug: Annotated[bool, _option("debug", "--debug")] = False,
) -> None:
    """Declare the options; never called."""

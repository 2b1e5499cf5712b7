"""`nbactl flags rollback`: the emergency exit. It works with a broken flags.yaml, and without the store."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli.app import container, session, settings
from nbactl.cli.flags.applying import carry_out
from nbactl.cli.flags.deployed import Work
from nbactl.cli.flags.deployed import carry_out as change_services
from nbactl.cli.flags.desk import rolled_out, stages_of, unknown_flag
from nbactl.cli.flags.group import DryRunOption, KeysArgument, ReasonOption, app
from nbactl.cli.frame import command
from nbactl.cli.show.render import View
from nbactl.core.flags.moves import Move, parse_percent, repair, roll_back
from nbactl.core.flags.snapshot import as_text
from nbactl.deployments.changes import Outcome, plan_for
from nbactl.errors import ConfigError, DataError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console
    from nbactl.config.flags import FlagsFile
    from nbactl.core.flags.store import Stored

_STORE_IS_DOWN = "If it stays down: nbactl flags rollback --all --env does it by the environment of the services."


@command(
    app,
    "rollback",
    examples=[
        "nbactl flags rollback query_caching --reason 'stale answers'",
        "nbactl flags rollback --all --dry-run",
        "nbactl flags rollback query_caching --to 10",
        "nbactl flags rollback --all --env",
    ],
)
def rollback(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    keys: KeysArgument = None,
    every: Annotated[bool, typer.Option("--all", help="Every flag that is declared or in the store.")] = False,
    to: Annotated[
        str | None, typer.Option(help="Down to this percentage instead of off; never up.", metavar="P")
    ] = None,
    env: Annotated[
        bool,
        typer.Option(
            "--env", help="By the environment of services alone: no store is needed. On local, print the variables."
        ),
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Take flags back: off for everybody, whatever the environment says.

    The emergency exit: it needs nothing but the store, not even a flags.yaml that can be read, and overwrites a
    state that is damaged. Without the store `--env` does it by the environment: on gcp it sets the variables on every
    service that workflows.yaml names, after showing them, and prints the command that undoes it.
    """
    percent = None if to is None else parse_percent(to)
    if keys and every:
        raise UsageError("--all does not go together with names", next_step="Give names, or --all.")
    with ExitStack() as stack:
        exit_ = _open(ctx, stack)
        if env:
            if percent is not None:
                raise UsageError(
                    "--env does not go together with --to",
                    cause="A variable switches a flag for all.",
                    next_step="Leave one of them out.",
                )
            variables = _variables(exit_, keys, every=every)
            if exit_.services.has_deployed_services:
                return _set_on_services(ctx, exit_, variables, reason=reason, dry_run=dry_run)
            return _printed(exit_, variables)
        try:
            stored = exit_.services.flag_store.read()
            moves = exit_.moves(stored, keys, percent, every=every)
            return carry_out(
                ctx, exit_.services.flag_store, moves, reason=reason, dry_run=dry_run, warnings=exit_.warnings
            )
        except UnavailableError as error:
            error.next_step = _STORE_IS_DOWN
            raise


@dataclass(frozen=True, slots=True)
class _Exit:
    """What is left to work with. `file` is None where flags.yaml cannot be read."""

    services: Container
    file: FlagsFile | None
    shipped: FlagsFile
    warnings: tuple[str, ...]

    def moves(self, stored: Stored, keys: Sequence[str] | None, percent: float | None, *, every: bool) -> list[Move]:
        return [self._move(key, stored, percent) for key in self._chosen(stored, keys, every=every)]

    def _chosen(self, stored: Stored, keys: Sequence[str] | None, *, every: bool) -> list[str]:
        declared = {} if self.file is None else self.file.flags
        known = {**declared, **stored.states, **stored.unreadable}
        if every:
            return list(known)
        if keys:
            for key in keys:
                if key not in known:
                    raise unknown_flag(key, known)
            return list(dict.fromkeys(keys))
        if self.file is None:
            raise UsageError("No flag is named, and flags.yaml cannot be read", next_step="Name flags, or give --all.")
        return list(rolled_out(self.file))

    def _move(self, key: str, stored: Stored, percent: float | None) -> Move:
        state, declared = stored.states.get(key), None if self.file is None else self.file.flags.get(key)
        salt = declared.salt if declared is not None else key if state is None else state.salt
        if key in stored.unreadable:
            return repair(key, salt=salt)
        stages = [] if self.file is None or declared is None else stages_of(self.file, key)
        return roll_back(key, state, percent, salt=salt, stages=stages)


def _open(ctx: typer.Context, stack: ExitStack) -> _Exit:
    """Compose with the operator's files, or else with those that come with nbactl."""
    services = container(ctx)
    try:
        return _Exit(services, services.config.flags, services.config.flags, ())
    except ConfigError as error:
        from nbactl.bootstrap import Container  # noqa: PLC0415
        from nbactl.config.loader import shipped_config_dir  # noqa: PLC0415
        from nbactl.config.overrides import without_overrides  # noqa: PLC0415

        told = f"{error.message}; flags that only flags.yaml declares are not known"
        shipped, environ = (
            replace(settings(ctx), config_dir=shipped_config_dir()),
            without_overrides(session(ctx).environ),
        )
        instead = stack.enter_context(Container(shipped, environ=environ))
        return _Exit(instead, None, instead.config.flags, (told,))


def _variables(exit_: _Exit, keys: Sequence[str] | None, *, every: bool) -> dict[str, str]:
    """Return the variables that switch the flags off, each with its value."""
    file = exit_.file or exit_.shipped
    for key in keys or ():
        if key not in file.flags:
            raise unknown_flag(key, file.flags)
    chosen = list(file.flags) if every else list(dict.fromkeys(keys or rolled_out(file)))
    return {file.flags[key].env: as_text(file.flags[key].default) for key in chosen}


def _printed(exit_: _Exit, variables: Mapping[str, str]) -> View:
    def show(console: Console) -> None:
        for name, value in variables.items():
            console.print(f"export {name}={shlex.quote(value)}")
        console.note("Nothing was changed. Set these where the services run; a flag heeds them at its next refresh.")

    return View({"environment": variables}, show, warnings=exit_.warnings)


def _set_on_services(
    ctx: typer.Context, exit_: _Exit, variables: Mapping[str, str], *, reason: str | None, dry_run: bool
) -> View:
    """Set the variables on every service of workflows.yaml, all at the same time, and keep what was there in a file."""
    services = exit_.services
    deployed = {each.name: each for each in services.deployed_services.list()}
    work = Work([], warnings=list(exit_.warnings))
    for name in services.declared_services:
        if (service := deployed.get(name)) is None:
            work.warnings.append(f"{name} is declared in workflows.yaml, and is not deployed")
        elif service.unreadable:
            work.outcomes.append(Outcome(name, error=DataError(service.unreadable)))
        else:
            secret = [each for each in variables if each in service.secrets]
            why = "its value comes from a secret"
            work.refused += [{"service": name, "variable": each, "key": None, "why": why} for each in secret]
            plain = {each: value for each, value in variables.items() if each not in secret}
            work.plans += filter(None, [plan_for(service, plain)])
    result = change_services(
        ctx, services, work, services.env_change_files, reason=reason, dry_run=dry_run, at_once=max(1, len(work.plans))
    )
    return replace(result, data={**result.data, "environment": variables})

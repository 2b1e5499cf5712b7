"""The command line of `nbactl flags`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import container, settings
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.flags.rollout.parser import app as rollout
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from nbactl.core.flags.model import FlagValue
    from nbactl.core.flags.moves import Position

app = group()
app.add_typer(rollout, name="rollout", help="Roll flags out in stages, watched by guards.")

KeyArgument = Annotated[
    str,
    typer.Argument(metavar="KEY", help="Name of a flag.", show_default=False, autocompletion=completing.flags),
]
KeysArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY]...",
        help="Names of flags; without them those under rollout.active of flags.yaml.",
        show_default=False,
        autocompletion=completing.flags,
    ),
]
SyncKeysArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY]...",
        help="Names of flags; without them all of flags.yaml.",
        show_default=False,
        autocompletion=completing.flags,
    ),
]
ServiceOption = Annotated[
    list[str] | None,
    typer.Option("--service", help="Only this service, declared or not; may be repeated.", metavar="NAME"),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, for the history.", metavar="TEXT")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


@command(app, "list", examples=["nbactl flags list", "nbactl flags list -o json"])
def list_(ctx: typer.Context) -> View:
    """List the flags: how far each is rolled out, and who changed it last."""
    from nbactl.cli.flags import command as flags
    from nbactl.cli.flags import view

    return view.flag_list(flags.list_flags(container(ctx, reads_only=True)))


@command(app, "show", examples=["nbactl flags show query_caching", "nbactl flags show dual_write_mode -o json"])
def show(ctx: typer.Context, key: KeyArgument) -> View:
    """Show a flag: what it does, how far it is rolled out, who gets it, and its rollout plan."""
    from nbactl.cli.flags import command as flags
    from nbactl.cli.flags import view

    return view.flag_details(flags.show_flag(container(ctx, reads_only=True), key))


@command(app, "history", examples=["nbactl flags history query_caching"])
def history(
    ctx: typer.Context,
    key: KeyArgument,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1, metavar="N")] = 20,
) -> View:
    """Show the changes of a flag, the newest first: what, when, who and why."""
    from nbactl.cli.flags import command as flags
    from nbactl.cli.flags import view

    return view.flag_history(flags.flag_history(container(ctx, reads_only=True), key, limit))


@command(
    app,
    "eval",
    examples=[
        "nbactl flags eval query_caching --entity player-stats-2024-01-15",
        "ENABLE_QUERY_CACHING=true nbactl flags eval query_caching",
    ],
)
def eval_(
    ctx: typer.Context,
    key: KeyArgument,
    entity: Annotated[
        str | None, typer.Option(help="Id of a player, batch, game date or request.", metavar="ID")
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="An attribute for targeting rules; may be repeated.", metavar="NAME=VALUE")
    ] = None,
) -> View:
    """Evaluate a flag as a service with this environment would, and explain which step decided."""
    from nbactl.cli.flags import command as flags
    from nbactl.cli.flags import view

    request = flags.EvaluateRequest(key, entity, dict(_attribute(text) for text in attribute or ()))
    return view.flag_evaluated(flags.evaluate_flag(container(ctx, reads_only=True), request))


@command(
    app,
    "diff",
    examples=[
        "nbactl flags diff query_caching --percent 50 --entities <(printf '%s\\n' lebronjames stephencurry)",
        "nbactl flags diff query_caching --percent 50 --entities - -o json <<< lebronjames",
    ],
)
def diff(
    ctx: typer.Context,
    percent: Annotated[str, typer.Option(help="The percentage to try.", metavar="P", show_default=False)],
    entities: Annotated[
        str, typer.Option(help="File with one id a line; - for standard input.", metavar="FILE", show_default=False)
    ],
    keys: KeysArgument = None,
) -> View:
    """List the entities that would get another value at another percentage. Nothing is changed."""
    from nbactl.cli.flags import command as flags
    from nbactl.cli.flags import view
    from nbactl.core.flags.moves import parse_percent

    request = flags.DiffRequest(parse_percent(percent), _read_ids(entities), tuple(keys or ()))
    return view.flag_diff(flags.diff_flags(container(ctx, reads_only=True), request))


@command(
    app,
    "set",
    examples=[
        "nbactl flags set query_caching --percent 50 --reason 'second stage' --dry-run",
        "nbactl flags set structured_logging --on",
        "nbactl flags set structured_logging --off --reason 'too much log'",
    ],
)
def set_(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    keys: KeysArgument = None,
    percent: Annotated[
        str | None, typer.Option(help="Roll out to this part of the entities, 0 to 100.", metavar="P")
    ] = None,
    on: Annotated[bool, typer.Option("--on", help="Roll out to everybody, as --percent 100.")] = False,
    off: Annotated[
        bool, typer.Option("--off", help="Kill switch: nobody gets it, whatever the environment says.")
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Roll flags out to a part of the entities, to everybody, or to nobody.

    Entities inside at 10 % stay inside at 50 %. All flags of one call change together or not at all; a change that
    somebody else made meanwhile is never overwritten (exit 6). The command prints how to undo it.
    """
    from nbactl.cli.flags import command as flags
    from nbactl.cli.flags import view

    request = flags.SetRequest(_target(percent, on=on, off=off), tuple(keys or ()), reason, dry_run)
    return view.flags_changed(flags.set_flags(container(ctx), request, confirm=asking(ctx)), settings(ctx))


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
        typer.Option("--env", help="Set the environment of services; needs no store. On local, print the variables."),
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Take flags back: off for everybody, whatever the environment says.

    For emergencies: it needs only the store, not even a readable flags.yaml, and replaces a damaged state. When the
    store is down too, use --env: on gcp it sets the variables on every service that workflows.yaml names, after
    showing them, and prints the command that undoes it.
    """
    from nbactl.cli.flags import command as flags
    from nbactl.cli.flags import view
    from nbactl.cli.flags.emergency import RollbackRequest
    from nbactl.core.flags.moves import parse_percent

    request = RollbackRequest(tuple(keys or ()), every, None if to is None else parse_percent(to), reason, dry_run)
    if not env:
        changed = flags.rollback_flags(container(ctx), request, confirm=asking(ctx))
        level = "off" if request.percent is None else f"at {request.percent:g} % or below"
        nothing = f"Nothing to do: already {level}. It never raises a flag."
        return view.flags_changed(changed, settings(ctx), nothing)
    from nbactl.cli.flags.services import command as services
    from nbactl.cli.flags.services import view as services_view
    from nbactl.cli.services.change import view as change_view

    progress = change_view.progress(ctx, services.FLAGS)
    done = services.rollback_services(container(ctx), request, confirm=asking(ctx), report=progress)
    return services_view.services_rolled_back(done, container(ctx))


@command(app, "check", examples=["nbactl flags check", "nbactl flags check . -o json"])
def check(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Python files or folders to search for uses.", show_default=False),
    ] = None,
) -> View:
    """Find flags that are stale, expired, unknown, without their prerequisites, or rolled out over each other.

    With paths, also flags that no code uses, and code that asks for flags that are not declared. Exits with 1 if
    anything was found.
    """
    from nbactl.cli.flags import command as flags
    from nbactl.cli.flags import view

    return view.flag_check(flags.check_flags(container(ctx, reads_only=True), paths or ()))


@command(app, "drift", examples=["nbactl flags drift", "nbactl flags drift -o json"])
def drift(ctx: typer.Context) -> View:
    """Compare the store, flags.yaml, the environment of this process and that of deployed services.

    Exits with 1 if they differ. On target local there are no deployed services. A service that cannot be compared is
    reported. If no service can be read, the rest is compared, and the exit code says why (5, 7).
    """
    from nbactl.cli.flags.services import command as services
    from nbactl.cli.flags.services import view

    return view.flags_drift(services.flags_drift(container(ctx, reads_only=True)))


@command(
    app,
    "adopt",
    examples=[
        "nbactl flags adopt --dry-run",
        "nbactl flags adopt query_caching --service nba-phase3-analytics-processors",
        "nbactl flags adopt --undo last --dry-run",
    ],
)
def adopt(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    keys: SyncKeysArgument = None,
    service: ServiceOption = None,
    undo: Annotated[
        str | None, typer.Option("--undo", help="Let the flags of an adoption be never set again.", metavar="ID|last")
    ] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Take over into the store what deployed services say of flags, so that a sync changes nothing.

    A flag that is in the store already stays as it is. A flag without a variable on any service stays as if never set:
    a sync leaves it alone. Where services disagree nothing is taken over (exit 6); name the flag and the service whose
    value holds. A value that cannot be read is named and left alone (exit 3). No service is changed. The first sync of
    a project needs this.
    """
    from nbactl.cli.flags.adopt import command as adopting
    from nbactl.cli.flags.adopt import view

    if undo is not None and (keys or service):
        raise UsageError("--undo cannot be combined with names", next_step="It undoes a whole adoption.")
    here, confirm = container(ctx), asking(ctx)
    if undo is not None:
        undone = adopting.undo_adoption(here, adopting.UndoAdoptionRequest(undo, dry_run), confirm=confirm)
        return view.adoption_undone(undone, settings(ctx), dry_run=dry_run)
    request = adopting.AdoptRequest(tuple(keys or ()), tuple(service or ()), reason, dry_run)
    return view.flags_adopted(adopting.adopt_flags(here, request, confirm=confirm), settings(ctx))


@command(
    app,
    "sync",
    examples=[
        "nbactl flags sync --dry-run",
        "nbactl flags sync query_caching --service nba-phase3-analytics-processors",
        "nbactl flags sync --undo last --dry-run",
    ],
)
def sync(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    keys: SyncKeysArgument = None,
    service: ServiceOption = None,
    undo: Annotated[
        str | None, typer.Option("--undo", help="Restore the variables from before a change.", metavar="ID|last")
    ] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Bring the variables of deployed services in line with the store and flags.yaml.

    A variable that contradicts the store gets the value that everybody gets; where that differs from entity to entity
    (a percentage, a targeting rule) it is removed, because it would decide for all. A parameter gets its value of
    flags.yaml, unless it was adopted with another one. Variables that are not set stay so: the service reads the store.
    Variables of a flag that was never set in the store are left alone. Nothing else of a service changes. Refused
    with 6 before the first adopt, and for values of which the services' readers refuse the combination.
    """
    from nbactl.cli.flags.services import command as services
    from nbactl.cli.services.change import view
    from nbactl.cli.services.change.command import UndoRequest

    if undo is not None and (keys or service):
        raise UsageError("--undo cannot be combined with names", next_step="It undoes a whole change.")
    here, confirm, report = container(ctx), asking(ctx), view.progress(ctx, services.FLAGS)
    if undo is not None:
        undone = services.undo_change(here, UndoRequest(undo, reason, dry_run), confirm=confirm, report=report)
        return view.services_changed(undone, here)
    request = services.SyncRequest(tuple(keys or ()), tuple(service or ()), reason, dry_run)
    return view.services_changed(services.sync_services(here, request, confirm=confirm, report=report), here)


def _target(percent: str | None, *, on: bool, off: bool) -> Position:
    from nbactl.core.flags.moves import ALL, OFF, Position, parse_percent

    if (percent is not None) + on + off != 1:
        raise UsageError(
            "choose exactly one of --percent, --on, --off",
            next_step="For example: nbactl flags set KEY --percent 50",
        )
    if percent is not None:
        return Position(parse_percent(percent), enabled=True)
    return Position(ALL, enabled=True) if on else OFF


def _attribute(text: str) -> tuple[str, FlagValue]:
    """Return name and value: true and false are booleans, digits a number, all else text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--attribute: '{text}' is not NAME=VALUE", next_step="Write it as team=BOS.")
    words: dict[str, Any] = {"true": True, "false": False}
    return name, words.get(value, int(value) if value.removeprefix("-").isdecimal() else value)


def _read_ids(file: str) -> list[str]:
    """Return the ids of a file, each once."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {file}", next_step="Name a file with one id a line.") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read", cause=error.strerror, next_step="Name a file of ids.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8", cause=str(error), next_step="Save it as UTF-8.") from error
    ids = list(dict.fromkeys(filter(None, map(str.strip, text.splitlines()))))
    if not ids:
        raise UsageError(f"{file} has no ids", next_step="Write one id a line.")
    return ids

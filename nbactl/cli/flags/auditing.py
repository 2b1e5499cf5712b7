"""`nbactl flags drift` and `check`: where flags differ from what they should be."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.checks.code.flag_uses import find_uses, meant
from nbactl.checks.flag_services import ServiceComparison
from nbactl.checks.flags import FlagFinding, drift, life_cycle
from nbactl.cli.app import container
from nbactl.cli.flags.deployed import NO_SERVICES
from nbactl.cli.flags.desk import open_desk
from nbactl.cli.flags.group import app
from nbactl.cli.frame import command
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.errors import NotAuthorisedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.cli.flags.desk import Desk
    from nbactl.cli.show.console import Console
    from nbactl.ports.services import DeployedService


@command(app, "drift", examples=["nbactl flags drift", "nbactl flags drift -o json"])
def drift_(ctx: typer.Context) -> View:
    """Compare the store, flags.yaml, the environment of this process and that of deployed services.

    Exits with 1 if they differ. On target local there are no deployed services. A service that cannot be compared is
    reported; where none can be read the rest is compared, and the exit code says why (5, 7).
    """
    desk, services = open_desk(ctx, reads_only=True), container(ctx)
    found = list(drift(desk.file, desk.stored, desk.environ))
    compared, described, error = ["store", "flags.yaml", "environment"], [], None
    if services.has_deployed_services:
        comparison = ServiceComparison(desk.file, desk.stored, services.declared_services, services.gcloud)
        try:
            deployed = services.deployed_services.list()
        except (NotAuthorisedError, UnavailableError) as refused:
            error = refused
        else:
            found += comparison.findings(deployed)
            described = [_described(each, comparison) for each in deployed]
            compared.append("services")

    def show(console: Console) -> None:
        _show(console, found, f"{', '.join(compared[:-1])} and {compared[-1]} agree.".capitalize())
        if not services.has_deployed_services:
            console.note(NO_SERVICES)

    data = {"drift": [asdict(each) for each in found], "compared": compared, "services": described}
    exit_code = error.exit_code if error is not None else 1 if found else 0
    return View(data, show, items="drift", exit_code=exit_code, error=error)


def _described(service: DeployedService, comparison: ServiceComparison) -> dict[str, Any]:
    return {
        "service": service.name,
        "declared": service.name in comparison.declared,
        "latest_revision": service.latest_created_revision,
        "traffic_percent": service.latest_share,
        "variables": [
            {name: value for name, value in asdict(each).items() if name != "service"}
            for each in comparison.variables(service)
        ],
    }


@command(app, "check", examples=["nbactl flags check", "nbactl flags check . -o json || test $? = 1"])
def check(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...", help="Python files or folders to look for uses of flags in.", show_default=False
        ),
    ] = None,
) -> View:
    """Find flags that are stale, expired, unknown, held back or being rolled out over each other.

    With paths, also flags that no code uses, and code that asks for flags that are not declared. Exits with 1 if
    anything was found.
    """
    desk = open_desk(ctx, reads_only=True)
    found = list(life_cycle(desk.file, desk.stored, now=desk.now, today=desk.today, stale_after=desk.stale_after))
    warnings: list[str] = []
    if paths:
        found += _in_code(desk, paths, warnings)

    def show(console: Console) -> None:
        _show(console, found, "The flags are as they should be.")
        if not paths:
            console.note("Uses in code were not looked for: name files or folders to look in.")

    data = {"findings": [asdict(each) for each in found], "code": [str(path) for path in paths or ()]}
    return View(data, show, items="findings", exit_code=1 if found else 0, warnings=tuple(warnings))


def _in_code(desk: Desk, paths: Sequence[Path], warnings: list[str]) -> Iterator[FlagFinding]:
    uses = find_uses(paths, desk.file.flags)
    for key, flag in desk.file.flags.items():
        if not {key, flag.env} & uses.texts:
            told = f"{key} is used in none of {uses.walked.files:,} Python files"
            yield FlagFinding(
                key, "unused", told, f"Take it out of flags.yaml, or look elsewhere; {flag.owner} owns it."
            )
    for path, line, key in uses.unknown:
        yield FlagFinding(key, "undeclared", f"{path}:{line} asks for '{key}'", meant(key, desk.file.flags))
    warnings += [f"{path} was not searched: {why}" for path, why in uses.walked.unparsed]


def _show(console: Console, found: Sequence[FlagFinding], otherwise: str) -> None:
    if not found:
        console.note(otherwise)
    for each in found:
        console.out.print_hanging(Styled(f"{each.kind:<13}", "bold yellow"), text=each.message, indent=13)
        console.out.print_hanging(" " * 13, Styled("fix: ", "cyan"), text=each.fix, indent=18)

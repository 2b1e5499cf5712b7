"""Drift and changes of deployed services as JSON and as text."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.app import console as console_of
from nbactl.cli.app import container
from nbactl.cli.ask import place
from nbactl.cli.flags.services.command import NO_SERVICES, plan_lines, undo_command
from nbactl.cli.flags.view import show_findings
from nbactl.cli.show.render import View, describe
from nbactl.cli.show.text import Styled
from nbactl.deployments.plan import EnvOutcome
from nbactl.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    from nbactl.bootstrap import Container
    from nbactl.cli.flags.services.command import ComparedService, FlagsDrift, ServicesChanged, ServicesRolledBack
    from nbactl.cli.show.console import Console
    from nbactl.deployments.plan import EnvResult
    from nbactl.deployments.records import EnvChange
    from nbactl.errors import NbactlError

_STYLES: Final = {"+": "green", "-": "red", "~": "yellow"}


def flags_drift(found: FlagsDrift) -> View:
    """Show where flags differ."""
    compared = ["store", "flags.yaml", "environment"]
    if found.services is not None:
        compared.append("services")

    def show(console: Console) -> None:
        show_findings(console, found.findings, f"{', '.join(compared[:-1])} and {compared[-1]} agree.".capitalize())
        if found.services is None and found.error is None:
            console.note(NO_SERVICES)

    data = {
        "drift": [asdict(finding) for finding in found.findings],
        "compared": compared,
        "services": [_compared(service) for service in found.services or ()],
    }
    exit_code = found.error.exit_code if found.error is not None else 1 if found.findings else 0
    return View(data, show, items="drift", exit_code=exit_code, warnings=found.left_alone, error=found.error)


def progress(ctx: typer.Context) -> Callable[[EnvChange | EnvOutcome], None]:
    """Return what tells the person at the terminal how a change of services gets on."""
    console = console_of(ctx)

    def report(event: EnvChange | EnvOutcome) -> None:
        if not isinstance(event, EnvOutcome):
            console.note(Styled("undo: ", "cyan"), undo_command(container(ctx), event.id))
            console.note("Waiting for the new revisions. Ctrl-C does not stop Cloud Run; to check: nbactl flags drift")
        elif event.error is not None:
            console.error(event.error)
        else:
            console.note(event.service, *_status(event))

    return report


def services_changed(done: ServicesChanged, app: Container) -> View:
    """Show what was changed on services, how it ended, and how to undo it."""
    result = done.result
    undo = [] if result.change is None else [undo_command(app, result.change.id)]
    data = {
        "changes": [
            {
                "service": plan.service,
                "variable": name,
                "before": plan.before[name],
                "after": after,
                "why": result.work.reasons.get((plan.service, name)),
            }
            for plan in result.work.plans
            for name, after in plan.after.items()
        ],
        "services": [_ended(outcome) for outcome in result.outcomes],
        "refused": [asdict(refused) for refused in result.work.refused],
        "left_alone": [asdict(variable) for variable in result.work.left_alone],
        "applied": result.change is not None,
        "id": None if result.change is None else result.change.id,
        "by": done.by,
        "reason": done.reason,
        "undo": undo,
    }

    def show(console: Console) -> None:
        _show_result(console, result)
        if done.dry_run and (result.work.plans or result.outcomes):
            console.note(f"Dry run: nothing was changed on {place(app.settings)} in {app.settings.region}.")
        elif result.change is not None:
            succeeded = len(result.outcomes) - len(result.failed)
            where = f"{place(app.settings)} in {app.settings.region}"
            console.note(f"Changed {succeeded} of {len(result.work.plans)} services on {where}.")
            console.note(Styled("undo: ", "cyan"), undo[0])

    names = ", ".join(plan.service for plan in result.work.plans)
    return View(
        data,
        show,
        items="changes",
        exit_code=result.exit_code,
        warnings=result.warnings,
        error=_summary(result),
        touched=f"variables of {names}" if names else None,
        undo=() if result.change is None else (("flags", "sync", "--undo", result.change.id),),
    )


def services_rolled_back(done: ServicesRolledBack, app: Container) -> View:
    """Show the variables that switch flags off, and the services that have them now."""
    if done.changed is not None:
        changed = services_changed(done.changed, app)
        return replace(changed, data={**changed.data, "environment": done.variables})

    def show(console: Console) -> None:
        for name, value in done.variables.items():
            console.print(f"export {name}={shlex.quote(value)}")
        console.note("Nothing was changed. Set these variables where the services run: flags read them every refresh.")

    return View({"environment": done.variables}, show, warnings=done.warnings)


def _show_result(console: Console, result: EnvResult) -> None:
    if not result.work.plans and not result.outcomes:
        console.note("Nothing to do: the variables are in line.")
        return
    ended = {outcome.service: outcome for outcome in result.outcomes}
    for plan in result.work.plans:
        outcome = ended.get(plan.service)
        console.print(Styled(plan.service, "bold"), *(() if outcome is None else _status(outcome)))
        for mark, text, why in plan_lines(result.work, plan):
            console.print("  ", Styled(mark, _STYLES[mark]), f" {text}")
            if why:
                console.print("      ", Styled(why, "dim"))


def _status(outcome: EnvOutcome) -> tuple[str | Styled, ...]:
    if outcome.deployed is None:
        return ": ", Styled("" if outcome.error is None else outcome.error.code.replace("_", " "), "red")
    return ": ", Styled("done", "green"), f", {outcome.deployed.latest_ready_revision}"


def _compared(compared: ComparedService) -> dict[str, Any]:
    return {
        "service": compared.service.name,
        "declared": compared.declared,
        "latest_revision": compared.service.latest_created_revision,
        "traffic_percent": compared.service.latest_share,
        "variables": [
            {name: value for name, value in asdict(variable).items() if name != "service"}
            for variable in compared.variables
        ],
    }


def _ended(outcome: EnvOutcome) -> dict[str, Any]:
    deployed = outcome.deployed
    return {
        "service": outcome.service,
        "status": "done" if outcome.error is None else outcome.error.code,
        "revision": None if deployed is None else deployed.latest_ready_revision,
        "traffic_percent": None if deployed is None else deployed.latest_share,
        "error": None if outcome.error is None else describe(outcome.error),
    }


def _summary(result: EnvResult) -> NbactlError | None:
    """Return why the exit code is not 0; each error was shown when it came."""
    if not result.failed:
        return None
    failed, count = [outcome.service for outcome in result.failed], len(result.outcomes)
    verb = "is" if len(failed) == 1 else "are"
    return CheckFailedError(
        f"{len(failed)} of {count} service{'' if count == 1 else 's'} {verb} not in line",
        cause=f"{', '.join(failed)}: see above.",
        next_step="Repeat the command once that is repaired, or undo what was done with the command after undo.",
    )

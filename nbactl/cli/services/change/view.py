"""Changes of services as JSON and as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.app import console as console_of
from nbactl.cli.app import container
from nbactl.cli.ask import place
from nbactl.cli.services.change.command import undo_command
from nbactl.cli.services.change.wording import SERVICES, kinds_of, pinned_note, plan_lines, shown, where_of
from nbactl.cli.show.render import View, describe
from nbactl.cli.show.text import Styled
from nbactl.deployments.plan import ServiceOutcome
from nbactl.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import typer

    from nbactl.bootstrap import Container
    from nbactl.cli.services.change.command import ChangeList, ServicesChanged
    from nbactl.cli.services.change.wording import ChangeWording
    from nbactl.cli.show.console import Console
    from nbactl.deployments.plan import ChangeResult, ServicePlan, ServicesWork
    from nbactl.deployments.records import ChangeRecord
    from nbactl.errors import NbactlError
    from nbactl.ports.services import Traffic

_NAMED: Final = 2
"""Names in a cell of the table of changes."""
_STYLES: Final = {"+": "green", "-": "red", "~": "yellow"}


def progress(ctx: typer.Context, wording: ChangeWording = SERVICES) -> Callable[[ChangeRecord | ServiceOutcome], None]:
    """Return what tells the person at the terminal how a change of services gets on."""
    console = console_of(ctx)
    several = False

    def report(event: ChangeRecord | ServiceOutcome) -> None:
        nonlocal several
        if not isinstance(event, ServiceOutcome):
            several = len(event.services) > 1
            console.note(Styled("undo: ", "cyan"), undo_command(container(ctx), event.id, wording))
            if any(change.after.traffic is None for change in event.services):
                platform = "Cloud Run" if container(ctx).target.HAS_DEPLOYED_SERVICES else "`nbactl up`"
                console.note(
                    f"Waiting for the new revisions. Ctrl-C does not stop {platform}; to check: {wording.check}"
                )
        elif event.error is not None:
            console.error(event.error)
        elif several:  # the end of one is the result
            console.note(event.service, *_status(event))

    return report


def services_changed(done: ServicesChanged, app: Container) -> View:
    """Show what was changed on services, how it ended, and how to undo it."""
    result = done.result
    undo = [] if result.change is None else [undo_command(app, result.change.id, done.wording)]
    data = {
        "changes": [item for plan in result.work.plans for item in _items(result.work, plan)],
        "services": [_ended(outcome) for outcome in result.outcomes],
        "refused": [asdict(refused) for refused in result.work.refused],
        "left_alone": [asdict(variable) for variable in result.work.left_alone],
        "effects": list(done.effects),
        "applied": result.change is not None,
        "id": None if result.change is None else result.change.id,
        "by": done.by,
        "reason": done.reason,
        "undo": undo,
    }

    def show(console: Console) -> None:
        _show_result(console, result)
        was_asked = result.change is not None and app.settings.target == "gcp"
        for effect in () if was_asked else done.effects:  # the question had them
            console.print("  ", effect)
        if done.dry_run and (result.work.plans or result.outcomes):
            console.note(f"Dry run: nothing was changed on {place(app.settings)}{where_of(app)}.")
        elif result.change is not None:
            succeeded = len(result.outcomes) - len(result.failed)
            where = f"{place(app.settings)}{where_of(app)}"
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
        touched=f"{kinds_of(result.work)} of {names}" if names else None,
        undo=() if result.change is None else ((*done.wording.undo, result.change.id),),
    )


def change_list(found: ChangeList, app: Container) -> View:
    """Show the newest changes of services."""
    items = [
        {
            "id": change.id,
            "created_at": change.created_at,
            "by": change.by,
            "reason": change.reason,
            "services": [{"service": one.service, "outcome": one.outcome} for one in change.services],
            "changes": changed_in(change),
            "state": state_of(change),
            "undoes": change.undoes,
            "undone_by": change.undone_by,
        }
        for change in found.changes
    ]

    def show(console: Console) -> None:
        if not found.changes:
            what = "services" if found.service is None else found.service
            console.note(f"No change of {what} was made from here.")
            return
        rows = [
            (
                change.id,
                f"{change.created_at:%Y-%m-%d %H:%M}",
                change.by,
                state_of(change),
                _listed(changed_in(change), whole=console.out.wide),
                _listed([one.service for one in change.services], whole=console.out.wide),
                change.reason or "",
            )
            for change in found.changes
        ]
        columns = ("change", "at (UTC)", "by", "state", "what", "services", "reason")
        console.table(columns, rows, optional=("reason", "by", "services", "at (UTC)"))
        console.note(f"To undo one: {undo_command(app, 'ID')}")

    return View({"changes": items}, show, items="changes")


def _listed(names: Sequence[str], *, whole: bool) -> str:
    """Return names in one cell, which must leave room for the id of the change: it is copied."""
    few = names if whole or len(names) <= _NAMED else names[: _NAMED - 1]
    more = len(names) - len(few)
    return ", ".join(few) + (f" and {more} more" if more else "")


def changed_in(change: ChangeRecord) -> list[str]:
    """Return what a change is about: names of variables and settings, and `traffic`."""
    names = [name for one in change.services for name in (*one.after.env, *one.after.settings)]
    moved = any(one.after.traffic is not None for one in change.services)
    return [*dict.fromkeys(names), *(["traffic"] if moved else [])]


def state_of(change: ChangeRecord) -> str:
    """Return how far a change is: `unfinished`, `done`, `undone`, or `failed` where a service failed."""
    if change.undone_by is not None:
        return "undone"
    if change.finished_at is None:
        return "unfinished"
    return "done" if all(one.outcome in ("done", "planned") for one in change.services) else "failed"


def _items(work: ServicesWork, plan: ServicePlan) -> Iterator[dict[str, Any]]:
    """Yield what of a service changes."""
    before, after = plan.before, plan.after
    for name, value in after.env.items():
        why = work.reasons.get((plan.service, name))
        yield {
            "service": plan.service,
            "variable": name,
            "before": shown(name, before.env[name]),
            "after": shown(name, value),
            "why": why,
        }
    for setting, number in after.settings.items():
        why = work.reasons.get((plan.service, setting))
        old = before.settings.get(setting)
        yield {"service": plan.service, "setting": setting, "before": old, "after": number, "why": why}
    if after.traffic is not None:
        shares = [list(map(_share, each or ())) for each in (before.traffic, after.traffic)]
        yield {"service": plan.service, "traffic": True, "before": shares[0], "after": shares[1], "why": None}


def _share(share: Traffic) -> dict[str, Any]:
    return {"revision": share.revision, "percent": share.percent, "tag": share.tag}


def _show_result(console: Console, result: ChangeResult) -> None:
    if not result.work.plans and not result.outcomes:
        console.note("Nothing to do: everything is as wanted.")
        return
    ended = {outcome.service: outcome for outcome in result.outcomes}
    for plan in result.work.plans:
        outcome = ended.get(plan.service)
        console.print(Styled(plan.service, "bold"), *(() if outcome is None else _status(outcome)))
        for mark, text, why in plan_lines(result.work, plan):
            console.print("  ", Styled(mark, _STYLES[mark]), f" {text}")
            if why:
                console.print("      ", Styled(why, "dim"))
        if outcome is None and (note := pinned_note(plan)) is not None:
            console.print("  ", Styled(note, "yellow"))


def _status(outcome: ServiceOutcome) -> tuple[str | Styled, ...]:
    if outcome.deployed is None:
        return ": ", Styled("" if outcome.error is None else outcome.error.code.replace("_", " "), "red")
    if not outcome.makes_revision:
        return ": ", Styled("done", "green")
    return ": ", Styled("done", "green"), f", {outcome.deployed.latest_ready_revision}"


def _ended(outcome: ServiceOutcome) -> dict[str, Any]:
    deployed = outcome.deployed
    return {
        "service": outcome.service,
        "status": "done" if outcome.error is None else outcome.error.code,
        "revision": None if deployed is None else deployed.latest_ready_revision,
        "traffic_percent": None if deployed is None else deployed.latest_share,
        "error": None if outcome.error is None else describe(outcome.error),
    }


def _summary(result: ChangeResult) -> NbactlError | None:
    """Return why the exit code is not 0; each error was shown when it came."""
    if not result.failed:
        return None
    failed, count = [outcome.service for outcome in result.failed], len(result.outcomes)
    what = f"of {failed[0]} failed" if count == 1 else f"failed for {len(failed)} of {count} services"
    return CheckFailedError(
        f"the change {what}",
        cause=f"{', '.join(failed)}: see above.",
        next_step="Repair the cause and run the same command again, or undo the change.",
    )

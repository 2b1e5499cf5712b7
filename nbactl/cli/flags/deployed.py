"""What `flags drift`, `sync` and `rollback --env` share: carry plans out service by service, and tell of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.app import console, settings
from nbactl.cli.ask import given_options, operator
from nbactl.cli.show.render import View, describe
from nbactl.cli.show.text import Styled
from nbactl.errors import CancelledError, CheckFailedError, NbactlError, UnavailableError
from nbactl.ports.services import ALL_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import typer

    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings
    from nbactl.deployments.changes import Outcome, Plan
    from nbactl.deployments.log import ChangeLog
    from nbactl.deployments.records import EnvChange

_WORST_FIRST: Final = (1, 2, 5, 4, 6, 7, 8, 3)
"""Exit codes: what failed comes before what may still come right, and that before what is done in part."""
_PARTLY: Final = 3
NO_SERVICES: Final = "On target local there are no deployed services: tasks run in process, with this environment."


@dataclass(slots=True)
class Work:
    """What is to be done, why (by service and variable), and what came of it.

    `refused` are variables that are left alone, each with service, variable, key and why.
    """

    plans: list[Plan]
    why: Mapping[tuple[str, str], str] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def carry_out(
    ctx: typer.Context,
    services: Container,
    work: Work,
    log: ChangeLog,
    *,
    reason: str | None,
    dry_run: bool,
    undoes: str | None = None,
    at_once: int = 1,
) -> View:
    """Ask, save, and change service by service; a failure of one does not keep the others from theirs.

    `undoes` is the id of a change that this one takes back, `at_once` how many services are changed at the same time.
    """
    given, call = settings(ctx), console(ctx)
    by, change = operator(), None
    for outcome in work.outcomes:
        _tell(call, outcome)
    if work.plans and not dry_run:
        _ask(call, work, given)
        change = services.env_changes.save(log, work.plans, by=by, reason=reason, undoes=undoes)
        call.note(Styled("undo: ", "cyan"), undo_command(change.id, given))
        call.note("Waiting for the new revisions. Ctrl-C leaves Cloud Run at it: nbactl flags drift tells how it went.")
        for outcome in services.env_changes.apply_all(work.plans, at_once=at_once):
            work.outcomes.append(outcome)
            _tell(call, outcome)
        _finish(services, log, change, work)
    work.warnings += _traffic(services, work.outcomes)
    work.warnings += [f"{each['variable']} of {each['service']} is left alone: {each['why']}" for each in work.refused]
    return _result(work, change, given, by=by, reason=reason, dry_run=dry_run)


def undo_command(change_id: str, given: Settings) -> str:
    """Return the command that takes a change back."""
    return shlex.join(["nbactl", "flags", "sync", "--undo", change_id, *given_options(given)])


def _finish(services: Container, log: ChangeLog, change: EnvChange, work: Work) -> None:
    try:
        services.env_changes.finish(log, change, work.outcomes)
    except UnavailableError as error:
        work.warnings.append(
            f"how it ended could not be noted at {change.id}, which can be undone all the same: {error}"
        )


def _ask(call: Console, work: Work, given: Settings) -> None:
    for plan in work.plans:
        call.note(Styled(plan.service, "bold"))
        for line in _lines(work, plan):
            call.note(*line)
    variables = sum(len(plan.after) for plan in work.plans)
    what = f"{variables} variable{_s(variables)} of {len(work.plans)} service{_s(len(work.plans))}"
    if not call.confirm(f"Change {what} on {where(given)}? Each service gets a new revision."):
        raise CancelledError


def where(given: Settings) -> str:
    """Return the place in words."""
    return f"{given.target} ({given.project}, {given.region})"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _lines(work: Work, plan: Plan) -> Iterator[tuple[str | Styled, ...]]:
    """Yield what becomes of each variable, and below it why."""
    for name, after in plan.after.items():
        before = plan.before[name]
        mark, style = ("+", "green") if before is None else ("-", "red") if after is None else ("~", "yellow")
        told = f" = {_quoted(after)}" if before is None else f" = {_quoted(before)}"
        told += " is removed" if after is None else "" if before is None else f" becomes {_quoted(after)}"
        yield "  ", Styled(mark, style), f" {name}{told}"
        if why := work.why.get((plan.service, name)):
            yield "      ", Styled(why, "dim")


def _quoted(value: str | None) -> str:
    return "''" if not value else value if value.isprintable() and value == value.strip() else repr(value)


def _tell(call: Console, outcome: Outcome) -> None:
    if outcome.error is not None:
        call.error(outcome.error)
    else:
        call.note(outcome.service, *_status(outcome))


def _status(outcome: Outcome | None) -> tuple[str | Styled, ...]:
    if outcome is None:
        return ()
    if outcome.deployed is None:
        return ": ", Styled("" if outcome.error is None else outcome.error.code.replace("_", " "), "red")
    return ": ", Styled("done", "green"), f", {outcome.deployed.latest_ready_revision}"


def _traffic(services: Container, outcomes: Sequence[Outcome]) -> list[str]:
    """Say loudly where the new revision does not get the requests: traffic is not ours to move."""
    return [
        f"the new revision of {each.service} gets {each.deployed.latest_share} % of its requests: they are pinned to "
        f"{', '.join(each.deployed.pinned_to) or 'older ones'}. To move them: "
        + services.gcloud("update-traffic", each.service, "--to-latest")
        for each in outcomes
        if each.deployed is not None and each.deployed.latest_share < ALL_REQUESTS
    ]


def _result(
    work: Work, change: EnvChange | None, given: Settings, *, by: str, reason: str | None, dry_run: bool
) -> View:
    errors = [each.error for each in work.outcomes if each.error is not None]
    pinned = any(each.deployed and each.deployed.latest_share < ALL_REQUESTS for each in work.outcomes)
    codes = {each.exit_code for each in errors} | ({_PARTLY} if pinned or work.refused else set())
    undo = [] if change is None else [undo_command(change.id, given)]
    data = {
        "changes": [
            {
                "service": plan.service,
                "variable": name,
                "before": plan.before[name],
                "after": plan.after[name],
                "why": work.why.get((plan.service, name)),
            }
            for plan in work.plans
            for name in plan.after
        ],
        "services": [_service(each) for each in work.outcomes],
        "refused": list(work.refused),
        "applied": change is not None,
        "id": None if change is None else change.id,
        "by": by,
        "reason": reason,
        "undo": undo,
    }

    def show(call: Console) -> None:
        _show(call, work, change, given, dry_run=dry_run)

    exit_code = next((code for code in _WORST_FIRST if code in codes), 0)
    return View(
        data, show, items="changes", exit_code=exit_code, warnings=tuple(work.warnings), error=_summary(work, errors)
    )


def _service(outcome: Outcome) -> dict[str, Any]:
    deployed = outcome.deployed
    return {
        "service": outcome.service,
        "status": "done" if outcome.error is None else outcome.error.code,
        "revision": None if deployed is None else deployed.latest_ready_revision,
        "traffic_percent": None if deployed is None else deployed.latest_share,
        "error": None if outcome.error is None else describe(outcome.error),
    }


def _summary(work: Work, errors: Sequence[NbactlError]) -> NbactlError | None:
    """Return why the exit code is not 0; each error was told when it came."""
    if not errors:
        return None
    failed = [each.service for each in work.outcomes if each.error is not None]
    return CheckFailedError(
        f"{len(failed)} of {len(work.outcomes)} service{_s(len(work.outcomes))} {'are' if len(failed) > 1 else 'is'} "
        "not in line",
        cause=f"{', '.join(failed)}: see above.",
        next_step="Repeat the command when that is mended, or take back what was done with the command under undo.",
    )


def _show(call: Console, work: Work, change: EnvChange | None, given: Settings, *, dry_run: bool) -> None:
    if not work.plans and not work.outcomes:
        call.note("Nothing to do: the variables are as they should be.")
        return
    ended = {each.service: each for each in work.outcomes}
    for plan in work.plans:
        call.print(Styled(plan.service, "bold"), *_status(ended.get(plan.service)))
        for line in _lines(work, plan):
            call.print(*line)
    if dry_run:
        call.note(f"Dry run: nothing was changed on {where(given)}.")
    elif change is not None:
        done = sum(each.error is None for each in work.outcomes)
        call.note(f"Changed {done} of {len(work.plans)} services on {where(given)}.")
        call.note(Styled("undo: ", "cyan"), undo_command(change.id, given))

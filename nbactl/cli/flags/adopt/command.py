"""Take over into the store what deployed services say of flags, and undo it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbactl.cli.ask import Question, operator, proceed
from nbactl.cli.flags.services.command import NO_SERVICES, chosen_services, not_deployed
from nbactl.cli.flags.snapshot import load_flags
from nbactl.deployments.adoption import plan_adoption
from nbactl.deployments.combinations import COMPLETION_VARIABLES, refused_as_deployed, refused_in_store
from nbactl.errors import NbactlError, NotFoundError, PartialRunError, PreconditionError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.cli.flags.snapshot import FlagsSnapshot
    from nbactl.deployments.adoption import AdoptionPlan
    from nbactl.deployments.adoptions import Adoption, AdoptionUndone


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """Which flags to take over from which services; without names all flags, from all declared services."""

    keys: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    reason: str | None = None
    dry_run: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return not self.keys and not self.services


@dataclass(frozen=True, slots=True)
class UndoAdoptionRequest:
    """Which adoption to undo: its id, or `last`."""

    adoption: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class FlagsAdopted:
    """What was taken over, or would be. `adoption` is None if nothing was written, `refusal` says why it may not be."""

    plan: AdoptionPlan
    services: tuple[str, ...]
    adoption: Adoption | None
    earlier: Adoption | None
    refusal: NbactlError | None
    by: str
    reason: str | None
    dry_run: bool


def adopt_flags(app: Container, request: AdoptRequest, *, confirm: Confirm = proceed) -> FlagsAdopted:
    """Take over what is deployed: all of it or, where services disagree, nothing. Changes no service.

    Raises NotFoundError for unknown names and where there are no services, PreconditionError if somebody set one of
    the flags meanwhile.
    """
    if not app.target.HAS_DEPLOYED_SERVICES:
        raise NotFoundError("there is nothing to take over", cause=NO_SERVICES, next_step="Give --target gcp.")
    flags = load_flags(app)
    for key in request.keys:
        flags.flag(key)
    services = chosen_services(app, request.services)
    plan = plan_adoption(flags.file, flags.stored, services, request.keys, flags.now)
    if not request.services:
        others = (*not_deployed(app, services), *_not_declared(app, flags))
        plan = replace(plan, warnings=(*plan.warnings, *others))
    earlier = next((each for each in app.adoptions.in_force() if each.whole), None)
    refusal, by = _refusal(flags, plan), operator()
    done = FlagsAdopted(
        plan, tuple(each.name for each in services), None, earlier, refusal, by, request.reason, request.dry_run
    )
    nothing_to_do = not plan.moves and (earlier is not None or not request.whole)
    if refusal is not None or request.dry_run or nothing_to_do:
        return done
    confirm(_question(app, done))
    adoption = app.adoptions.carry_out(plan, whole=request.whole, by=by, reason=request.reason)
    return FlagsAdopted(plan, done.services, adoption, earlier, None, by, request.reason, dry_run=False)


def undo_adoption(app: Container, request: UndoAdoptionRequest, *, confirm: Confirm = proceed) -> AdoptionUndone:
    """Let the flags of an adoption be never set again, except those that were set since."""
    if not app.target.HAS_DEPLOYED_SERVICES:
        raise NotFoundError("there is no adoption to undo", cause=NO_SERVICES, next_step="Give --target gcp.")
    adoption, by = app.adoptions.find(request.adoption), operator()
    planned = app.adoptions.undo(adoption, by=by, dry_run=True)
    if request.dry_run:
        return planned
    lines = tuple(f"  {key}: never set again" for key in planned.removed)
    count = len(planned.removed)
    confirm(Question(f"Undo {adoption.id}, which set {count} flag{'' if count == 1 else 's'}?", lines))
    return app.adoptions.undo(adoption, by=by, dry_run=False)


def failure(done: FlagsAdopted) -> NbactlError | None:
    """Return why the exit code is not 0."""
    if done.refusal is not None:
        return done.refusal
    left = done.plan.of("left")
    if not left and not done.plan.unread:
        return None
    parts = [f"{len(left)} flag{'' if len(left) == 1 else 's'}"] if left else []
    parts += [f"{len(done.plan.unread)} service{'' if len(done.plan.unread) == 1 else 's'}"] if done.plan.unread else []
    return PartialRunError(
        f"{' and '.join(parts)} could not be taken over",
        cause=f"{', '.join([*(flag.key for flag in left), *done.plan.unread])}: see above.",
        next_step="A sync leaves these variables alone until the flag is set: nbactl flags set KEY --percent P",
    )


def _refusal(flags: FlagsSnapshot, plan: AdoptionPlan) -> NbactlError | None:
    if disagreeing := plan.of("disagreement"):
        first = disagreeing[0]
        return PreconditionError(
            f"services disagree about {', '.join(flag.variable for flag in disagreeing)}; nothing was taken over",
            cause=" ".join(f"{flag.variable} is {flag.why}." for flag in disagreeing),
            next_step=f"Say whose value holds: nbactl flags adopt {first.key} --service {next(iter(first.deployed))}",
        )
    moved = {flag.variable for flag in plan.flags if flag.move is not None}
    if moved.isdisjoint(COMPLETION_VARIABLES):
        return None
    three = [flag for flag in plan.flags if flag.variable in COMPLETION_VARIABLES]
    on = dict.fromkeys(name for flag in three for name in flag.deployed)
    deployed = ({flag.variable: flag.deployed[name] for flag in three if name in flag.deployed} for name in on)
    reasons = (refused_as_deployed(texts) for texts in deployed)
    if why := refused_in_store(flags.file, plan.stored) or next(filter(None, reasons), None):
        return PreconditionError(
            f"what is deployed is a combination that its readers refuse: {why}; nothing was taken over",
            cause="With these values no batch of predictions ever completes.",
            next_step="Set the flags as they are meant (nbactl flags set KEY --on), then run adopt again.",
        )
    return None


def _not_declared(app: Container, flags: FlagsSnapshot) -> list[str]:
    """Return a sentence for each service that workflows.yaml does not name and that has variables of flags."""
    said = []
    for service in app.deployed_services.list():
        if service.name in app.config.workflows.declared_services:
            continue
        found = [f"{flag.env}={text}" for flag in flags.file.flags.values() if (text := service.env.get(flag.env))]
        if found:
            said.append(
                f"{service.name} is not declared in workflows.yaml and was not looked at: {', '.join(found)}; "
                f"to look at it: --service {service.name}"
            )
    return said


def _question(app: Container, done: FlagsAdopted) -> Question:
    lines = [
        f"  {flag.key}: never set to {flag.after}  ({flag.variable} on {', '.join(flag.deployed)})"
        for flag in done.plan.of("adopted")
    ]
    count, services = len(done.plan.moves), len(done.services)
    what = f"Set {count} flag{'' if count == 1 else 's'} in the store as deployed on {services} "
    what += f"service{'' if services == 1 else 's'} in {app.settings.region}?"
    return Question(what, (*lines, *(f"  {warning}" for warning in done.plan.warnings)))

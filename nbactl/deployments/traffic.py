"""Where the requests of a service may go: only to revisions that are ready, all at once or step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError, PreconditionError, UsageError
from nbactl.frozen import frozen
from nbactl.ports.services import ALL_REQUESTS, Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.deployments.records import Shares
    from nbactl.ports.measurements import RequestStats
    from nbactl.ports.services import DeployedService, Revision

LATEST: Final = "latest"
"""What stands for the latest ready revision on the command line."""
STAGES: Final = (10, 50, 100)
"""Percentages of a gradual move; those of a rollout of a flag, too."""


@frozen
class Wanted:
    """A revision and its percentage. None is the latest ready revision, and what is left of the requests."""

    revision: str | None
    percent: int | None


@frozen
class Previous:
    """The revision that a rollback goes to. `served` is None where it is not known whether it ever had requests."""

    revision: Revision
    served: int | None
    passed_over: tuple[str, ...]
    """Why newer ones are not chosen, a sentence each."""


def parse_shares(texts: Sequence[str]) -> list[Wanted]:
    """Return what `REVISION[=PERCENT]` says. Raises UsageError; one of several may leave out its percentage."""
    found = []
    for text in texts:
        name, equals, number = text.partition("=")
        number = number.removesuffix("%")
        if not name or (equals and not (number.isdecimal() and int(number) <= ALL_REQUESTS)):
            raise UsageError(
                f"--to: '{text}' is not REVISION or REVISION=PERCENT",
                next_step="Write --to scrapers-00007-abc=10, with a whole number up to 100.",
            )
        found.append(Wanted(None if name == LATEST else name, int(number) if equals else None))
    names = [one.revision for one in found]
    if len(set(names)) < len(names):
        raise UsageError("--to names a revision twice", next_step="Give each revision once.")
    rest = ALL_REQUESTS - sum(one.percent or 0 for one in found)
    without = [one for one in found if one.percent is None]
    if len(without) > 1 or rest < 0 or (not without and rest):
        raise UsageError(
            f"--to: the percentages add up to {ALL_REQUESTS - rest}, not {ALL_REQUESTS}",
            next_step="Give percentages that add up to 100, or leave out that of one revision for what is left.",
        )
    return [Wanted(one.revision, rest if one.percent is None else one.percent) for one in found]


def shares_of(service: DeployedService, revisions: Sequence[Revision], wanted: Sequence[Wanted]) -> Shares:
    """Return the shares that are wanted, with the tags that there are.

    Raises NotFoundError for a revision that does not exist, PreconditionError for one that is not ready.
    """
    for one in wanted:
        if one.revision is not None:
            check_ready(service, revisions, one.revision)
    if any(one.revision is None for one in wanted) and service.latest_ready_revision is None:
        raise PreconditionError(
            f"no revision of {service.name} is ready",
            cause=service.problem,
            next_step=f"See why: nbactl services logs {service.name}",
            details={"service": service.name},
        )
    return with_tags(service.traffic, [Traffic(one.percent or 0, one.revision) for one in wanted])


def check_ready(service: DeployedService, revisions: Sequence[Revision], name: str) -> None:
    """Raise NotFoundError for a revision that does not exist, PreconditionError for one that is not ready."""
    by_name = {revision.name: revision for revision in revisions}
    if name not in by_name:
        raise NotFoundError(
            f"{service.name} has no revision {name}",
            next_step=did_you_mean(name, by_name),
            details={"service": service.name},
        )
    if not by_name[name].ready:
        ready = next((revision.name for revision in revisions if revision.ready), None)
        raise PreconditionError(
            f"the revision {name} is not ready, so it gets no requests",
            cause=by_name[name].problem,
            next_step="No revision is ready." if ready is None else f"The newest one that is ready is {ready}.",
            details={"service": service.name, "revision": name},
        )


def with_tags(before: Sequence[Traffic], wanted: Sequence[Traffic]) -> Shares:
    """Return wanted shares and every tag of before, which keeps its revision and is no share by itself."""
    tags = {share.revision: share.tag for share in reversed(before) if share.tag}
    shares = [Traffic(share.percent, share.revision, share.tag or tags.get(share.revision)) for share in wanted]
    named = {share.tag for share in shares if share.tag}
    kept = [Traffic(0, share.revision, share.tag) for share in before if share.tag and share.tag not in named]
    return (*shares, *kept)


def serving_revision(service: DeployedService) -> str | None:
    """Return the revision that gets most of the requests, None if none does."""
    percent: dict[str, int] = {}
    for share in service.traffic:
        name = share.revision or service.latest_ready_revision
        if name is not None and share.percent:
            percent[name] = percent.get(name, 0) + share.percent
    return max(percent, key=lambda name: percent[name], default=None)


def previous_ready(
    service: DeployedService, revisions: Sequence[Revision], requests: Mapping[str, RequestStats] | None
) -> Previous:
    """Return the newest ready revision before the serving one that served, by its `requests` where they are known.

    One that never had requests is passed over for an older one that had some. Raises PreconditionError if no older
    revision is ready.
    """
    serving = serving_revision(service)
    names = [revision.name for revision in revisions]
    older = revisions[names.index(serving) + 1 :] if serving in names else list(revisions)
    candidates = [revision for revision in older if revision.ready]
    if not candidates:
        raise PreconditionError(
            f"{service.name} has no older revision that is ready",
            cause=" ".join(f"{why}." for why in map(_why_not, older))
            or f"{serving or 'Its revision'} is the only one.",
            next_step=f"See its revisions: nbactl services show {service.name}",
            details={"service": service.name},
        )
    chosen = candidates[0]
    if requests is not None:
        chosen = next((revision for revision in candidates if revision.name in requests), chosen)
    passed = tuple(map(_why_not, older[: older.index(chosen)]))
    if requests is None:
        return Previous(chosen, None, passed)
    stats = requests.get(chosen.name)
    return Previous(chosen, 0 if stats is None else stats.requests, passed)


def _why_not(revision: Revision) -> str:
    if revision.ready:
        return f"{revision.name} had no requests lately"
    return f"{revision.name} is not ready{f': {revision.problem}' if revision.problem else ''}"


def steps_to(before: Sequence[Traffic], after: Sequence[Traffic], target: str) -> tuple[Shares, ...]:
    """Return the shares of each step of a gradual move of all requests to the revision `target`, `after` the last.

    What others have now is divided among them as it was. Steps that are behind already are left out.
    """
    reached = sum(share.percent for share in before if share.revision == target)
    steps = []
    for percent in STAGES[:-1]:
        if percent > reached:
            others = [share for share in before if share.percent and share.revision != target]
            shares = _scaled(others, ALL_REQUESTS - percent)
            steps.append(with_tags(before, [*shares, Traffic(percent, target)]))
    return (*steps, tuple(after))


def _scaled(shares: Sequence[Traffic], percent: int) -> list[Traffic]:
    """Return shares that add up to `percent`, in the proportions that they have."""
    total = sum(share.percent for share in shares)
    scaled = [share.percent * percent // total for share in shares]
    for index in range(percent - sum(scaled)):
        scaled[index % len(scaled)] += 1
    return [Traffic(value, share.revision, share.tag) for value, share in zip(scaled, shares, strict=True)]

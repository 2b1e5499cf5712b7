"""What the revisions of a service show: since when it has each value, what was lost, which drift came back."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final, cast

from nbactl.deployments.desired import UNREAD, tag_of
from nbactl.frozen import frozen
from nbactl.ports.services import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from nbactl.deployments.desired import Difference, Kind
    from nbactl.deployments.records import ChangeRecord, ServiceChange
    from nbactl.ports.services import DeployedService, Revision, SettingName

_FEWEST_LOST: Final = 2
Value = str | float | None


@frozen
class Past:
    """What is known of the past of a service: its revisions, the newest first, and the changes that nbactl made."""

    revisions: Sequence[Revision]
    changes: Callable[[], Sequence[ChangeRecord]]


@frozen
class Since:
    """The first of the revisions in a row that have a value. It is older if `is_oldest`: no revision is from before."""

    value: Value
    at: datetime
    by: str | None
    revision: str
    is_oldest: bool


@frozen
class Loss:
    """Variables that a deployment dropped, and that are still missing."""

    names: tuple[str, ...]
    revision: Revision
    before: Revision
    """The last revision that had them."""


@frozen
class DriftHistory:
    """How a difference came about. `returned` is how often it came back after it had been mended."""

    since: Since | None
    returned: int
    by: tuple[tuple[str, int], ...]
    """Who brought it, each with how often, the most frequent first."""
    mended_by: str | None = None
    """Who mended it last with nbactl."""
    mended_with: str | None = None
    """The id of that change."""


def value_of(revision: Revision | DeployedService, kind: Kind, name: str) -> Value:
    """Return what a revision has of a setting or variable, or the tag of its image."""
    if kind == "image":
        return tag_of(revision.image)
    if kind == "variable":
        return UNREAD if name in revision.secrets else revision.env.get(name)
    value = revision.settings.get(cast("SettingName", name))
    return 0 if value is None and name == "min_instances" else value


def since_when(service: DeployedService, revisions: Sequence[Revision], kind: Kind, name: str) -> Since | None:
    """Return since when a service has the value that it has; None where its revisions do not show it.

    `revisions` are the newest first.
    """
    if name in service.service_wide:
        return None
    value = value_of(service, kind, name)
    same: list[Revision] = []
    for revision in revisions:
        if value_of(revision, kind, name) != value:
            break
        same.append(revision)
    if not same:
        return None
    first = same[-1]
    return Since(value, first.created_at, first.deployed_by, first.name, len(same) == len(revisions))


def ages(service: DeployedService, revisions: Sequence[Revision]) -> dict[tuple[Kind, str], Since]:
    """Return since when each setting, variable and the image are as they are."""
    keys: list[tuple[Kind, str]] = [("setting", name) for name in SETTINGS if service.settings.get(name) is not None]
    keys += [("variable", name) for name in (*service.env, *sorted(service.secrets))]
    keys.append(("image", "image"))
    found = {key: since_when(service, revisions, *key) for key in keys}
    return {key: since for key, since in found.items() if since is not None}


def lost_variables(service: DeployedService, past: Past) -> Loss | None:
    """Return the newest loss of half the variables or more, as a deployment with the replacing form leaves it.

    What nbactl removed was removed on purpose.
    """
    here = service.env.keys() | service.secrets
    for newer, older in pairwise(past.revisions):
        had = older.env.keys() | older.secrets
        gone = had - newer.env.keys() - newer.secrets
        if len(gone) < _FEWEST_LOST or 2 * len(gone) < len(had) or gone <= here:
            continue
        if missing := sorted(gone - here - _removed_by_nbactl(service.name, past.changes())):
            return Loss(tuple(missing), newer, older)
    return None


def drift_history(service: DeployedService, difference: Difference, past: Past) -> DriftHistory:
    """Return how often a difference was mended and came back, and who brought it."""
    kind, name = difference.kind, difference.name
    is_right = _right(kind, difference)
    brought: list[str] = []
    returned, was_right, was_wrong = 0, False, False
    for revision in () if name in service.service_wide else reversed(past.revisions):
        right = is_right(value_of(revision, kind, name))
        if not right and (was_right or not was_wrong):
            brought.append(revision.deployed_by or "unknown")
            returned += was_right and was_wrong
        was_right, was_wrong = right, was_wrong or not right
    mends = [
        change
        for change in past.changes()
        for changed in change.services
        if changed.service == service.name and changed.outcome == "done"
        if _given(changed, kind, name) == difference.wanted
    ]
    last = max(mends, key=lambda change: change.created_at, default=None)
    return DriftHistory(
        since_when(service, past.revisions, kind, name),
        max(returned, len(mends)),
        tuple(Counter(brought).most_common()),
        None if last is None else last.by,
        None if last is None else last.id,
    )


def _given(change: ServiceChange, kind: Kind, name: str) -> Value:
    """Return what a change gave a setting or variable, None if nothing."""
    if kind == "setting":
        return change.after.settings.get(cast("SettingName", name))
    return change.after.env.get(name) if kind == "variable" else None


def _removed_by_nbactl(service: str, changes: Iterable[ChangeRecord]) -> set[str]:
    """Return the variables of a service that nbactl removed."""
    return {
        name
        for change in changes
        for changed in change.services
        if changed.service == service
        for name, value in changed.after.env.items()
        if value is None
    }


def _right(kind: Kind, difference: Difference) -> Callable[[Value], bool]:
    wanted = difference.wanted
    if kind == "setting":
        return lambda value: value is not None and value == wanted
    return lambda value: value == wanted

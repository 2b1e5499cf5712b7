"""A change of variables as it is saved before anything is sent: old and new values, by whom and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

COLLECTION = "service_env_changes"
Values = dict[str, str | None]
"""Variables by name; None for one that is not set."""


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """The variables of one service before and after; `outcome` is `planned`, `done` or the code of an error."""

    service: str
    before: Values
    after: Values
    outcome: str = "planned"


@dataclass(frozen=True, slots=True)
class EnvChange:
    """One change of one or more services. `place` is project and region, `undoes` the id of the change it undoes."""

    id: str
    created_at: datetime
    by: str
    reason: str | None
    place: str
    services: tuple[ServiceChange, ...] = field(default=())
    undoes: str | None = None
    undone_by: str | None = None
    finished_at: datetime | None = None
    """None while it is under way, and forever if its process was killed."""


def fields_of(change: EnvChange) -> dict[str, Any]:
    """Return the fields of a change as a document holds them."""
    return {**asdict(change), "services": [asdict(service) for service in change.services]}


def change_of(where: str, fields: Mapping[str, Any]) -> EnvChange:
    """Return the change in `fields`. Raises DataError for what nbactl did not write."""
    try:
        services = tuple(
            ServiceChange(str(item["service"]), _values(item["before"]), _values(item["after"]), str(item["outcome"]))
            for item in fields["services"]
        )
        return EnvChange(
            id=fields["id"],
            created_at=_time(fields["created_at"]),
            by=fields["by"],
            reason=fields["reason"],
            place=fields["place"],
            services=services,
            undoes=fields["undoes"],
            undone_by=fields["undone_by"],
            finished_at=None if fields["finished_at"] is None else _time(fields["finished_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{where} cannot be read",
            cause=f"It was not written by nbactl, or damaged: {error!r}.",
            next_step="Set the variables by hand; the document may still show their old values.",
        ) from error


def _values(raw: Any) -> Values:  # noqa: ANN401 - a stored value
    if not all(isinstance(name, str) and (value is None or isinstance(value, str)) for name, value in raw.items()):
        raise TypeError("a variable is not text")
    return dict(raw)


def _time(raw: Any) -> datetime:  # noqa: ANN401 - a stored value
    return raw if isinstance(raw, datetime) else datetime.fromisoformat(raw)

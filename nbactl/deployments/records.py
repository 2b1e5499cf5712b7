"""A change of services as it is saved before anything is sent: what was there, what comes, by whom and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from nbactl.errors import DataError
from nbactl.ports.services import SETTINGS, ServiceEdit, Settings, Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.services import SettingName

COLLECTION: Final = "service_env_changes"
"""Named when only variables were changed; what was saved then is read, shown and undone as before."""
Values = dict[str, str | None]
"""Variables by name; None for one that is not set."""
Shares = tuple[Traffic, ...]
"""Where all requests of a service go."""


NOT_SENT: Final = "not_sent"
"""The outcome where someone else changed the service first, so that nothing was sent."""


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """What one service had, and what it gets; `outcome` is `planned`, `done`, `not_sent` or the code of an error.

    `before` and `after` name the same variables and settings; None in `before` is what was not set. `env_order` of
    `before` has the names of all variables as they were.
    """

    service: str
    before: ServiceEdit
    after: ServiceEdit
    outcome: str = "planned"
    through: tuple[Shares, ...] = ()
    """Where requests go on the way, if they are moved step by step."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
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
    process: str | None = None
    """The process that carries it out (core/lease/holder.py); None in what was saved by earlier versions."""

    def of(self, service: str) -> ServiceChange | None:
        """Return the change of one service, None if it is not among those that change."""
        return next((change for change in self.services if change.service == service), None)


def fields_of(change: ChangeRecord) -> dict[str, Any]:
    """Return the fields of a change as a document holds them."""
    plain = {name: getattr(change, name) for name in ChangeRecord.__slots__}
    return {**plain, "services": [_fields_of_service(service) for service in change.services]}


def _fields_of_service(change: ServiceChange) -> dict[str, Any]:
    """Return the fields of one service. The variables are where they always were, so that they can be read by all."""
    before, after = change.before, change.after
    fields: dict[str, Any] = {
        "service": change.service,
        "before": dict(before.env),
        "after": dict(after.env),
        "outcome": change.outcome,
    }
    if before.env_order:
        fields["order"] = list(before.env_order)
    if after.settings:
        fields["settings"] = {
            "before": dict(before.settings),
            "after": dict(after.settings),
            "service_wide": sorted(before.service_wide),
        }
    if after.traffic is not None:
        fields["traffic"] = {
            "before": _plain(before.traffic or ()),
            "after": _plain(after.traffic),
            "through": [{"shares": _plain(shares)} for shares in change.through],
        }
    return fields


def _plain(shares: Sequence[Traffic]) -> list[dict[str, Any]]:
    return [asdict(share) for share in shares]


def change_of(where: str, fields: Mapping[str, Any]) -> ChangeRecord:
    """Return the change in `fields`. Raises DataError for what nbactl did not write."""
    try:
        return ChangeRecord(
            id=fields["id"],
            created_at=_time(fields["created_at"]),
            by=fields["by"],
            reason=fields["reason"],
            place=fields["place"],
            services=tuple(map(_service, fields["services"])),
            undoes=fields["undoes"],
            undone_by=fields["undone_by"],
            finished_at=None if fields["finished_at"] is None else _time(fields["finished_at"]),
            process=fields.get("process"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where} cannot be read",
            cause=f"It was not written by nbactl, or damaged: {error!r}.",
            next_step="Set the values by hand; the document may still show the old ones.",
        ) from error


def _service(fields: Mapping[str, Any]) -> ServiceChange:
    settings, traffic = fields.get("settings", {}), fields.get("traffic", {})
    before = ServiceEdit(
        env=_values(fields["before"]),
        settings=_settings(settings.get("before", {})),
        traffic=_shares(traffic["before"]) if traffic else None,
        env_order=tuple(map(str, fields.get("order", ()))),
        service_wide=frozenset(settings.get("service_wide", ())),
    )
    after = ServiceEdit(
        env=_values(fields["after"]),
        settings=_settings(settings.get("after", {})),
        traffic=_shares(traffic["after"]) if traffic else None,
    )
    through = tuple(_shares(step["shares"]) for step in traffic.get("through", ()))
    return ServiceChange(str(fields["service"]), before, after, str(fields["outcome"]), through)


def _values(raw: Any) -> Values:  # noqa: ANN401 - a stored value
    if not all(isinstance(name, str) and (value is None or isinstance(value, str)) for name, value in raw.items()):
        raise TypeError("a variable is not text")
    return dict(raw)


def _settings(raw: Any) -> Settings:  # noqa: ANN401 - a stored value
    if not all(name in SETTINGS and (value is None or isinstance(value, int | float)) for name, value in raw.items()):
        raise TypeError("a setting is not known, or not a number")
    return {cast("SettingName", name): value for name, value in raw.items()}


def _shares(raw: Any) -> Shares:  # noqa: ANN401 - a stored value
    return tuple(Traffic(int(share["percent"]), share["revision"], share["tag"]) for share in raw)


def _time(raw: Any) -> datetime:  # noqa: ANN401 - a stored value
    return raw if isinstance(raw, datetime) else datetime.fromisoformat(raw)

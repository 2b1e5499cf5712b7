"""Updates of a service: what is sent, and how the service tells that it is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from nbactl.adapters.cloudrun.scaling import not_as_wanted, settings_of, with_settings
from nbactl.adapters.cloudrun.template import differs, ingress_container, merged, others_of
from nbactl.adapters.cloudrun.traffic import is_same, shares_asked_for, shares_in_force, targets, with_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.services import ServiceEdit, Settings, Traffic


class Update(Protocol):
    """A change of some fields of a service."""

    parts: dict[str, Any]
    """The fields that change, whole. Empty: everything is as wanted already."""

    def is_taken(self, raw: Mapping[str, Any]) -> bool:
        """Say whether a service was asked for exactly this."""
        ...

    def missing(self, raw: Mapping[str, Any]) -> list[str]:
        """Return the names of what is not in force as wanted."""
        ...

    def disturbed(self, raw: Mapping[str, Any]) -> list[str]:
        """Return what else changed with it, in words."""
        ...


class TemplateUpdate:
    """Variables and settings: one new revision, or none if only settings of the service as a whole change."""

    def __init__(self, name: str, before: Mapping[str, Any], edit: ServiceEdit) -> None:
        """Raises DataError for what the service does not take."""
        old, level = before["template"], before.get("scaling", {})
        template = merged(name, old, edit.env, edit.env_order)
        template, scaling = with_settings(name, template, level, edit.settings, edit.service_wide)
        self._name = name
        self._old = old
        self._before = settings_of(old, level)
        self._edit = edit
        self._template = template
        self.parts: dict[str, Any] = {}
        if template != {key: value for key, value in old.items() if key != "revision"}:
            self.parts["template"] = template
        if scaling != level:
            self.parts["scaling"] = scaling

    def is_taken(self, raw: Mapping[str, Any]) -> bool:
        return (not self._edit.env or self._variables(raw["template"]) == self._variables(self._template)) and not (
            not_as_wanted(settings_of(raw["template"], raw.get("scaling", {})), self._edit.settings)
        )

    def missing(self, raw: Mapping[str, Any]) -> list[str]:
        settings = not_as_wanted(settings_of(raw["template"], raw.get("scaling", {})), self._edit.settings)
        variables = differs(self._name, raw["template"], self._edit.env) if self._edit.env else []
        return [*settings, *variables]

    def disturbed(self, raw: Mapping[str, Any]) -> list[str]:
        found = []
        if self._others(self._old) != self._others(raw["template"]):
            found.append("variables")
        # Of what was not set (None) any value is right: Cloud Run may have filled it in.
        kept: Settings = {name: value for name, value in self._before.items() if name not in self._edit.settings}
        if not_as_wanted(settings_of(raw["template"], raw.get("scaling", {})), kept):
            found.append("settings")
        return found

    def _others(self, template: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        if self._edit.env:
            return others_of(self._name, template, self._edit.env)
        return [container.get("env") for container in template["containers"]]

    def _variables(self, template: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        return ingress_container(self._name, template).get("env")


class TrafficUpdate:
    """Where the requests go."""

    def __init__(self, before: Mapping[str, Any], wanted: Sequence[Traffic]) -> None:
        self._shares = with_tags(wanted, before)
        self.parts: dict[str, Any] = {}
        if not self.is_taken(before) or self.missing(before):
            self.parts["traffic"] = targets(self._shares, before)

    def is_taken(self, raw: Mapping[str, Any]) -> bool:
        return is_same(shares_asked_for(raw), self._shares)

    def missing(self, raw: Mapping[str, Any]) -> list[str]:
        return [] if is_same(shares_in_force(raw), self._shares) else ["traffic"]

    def disturbed(self, _: Mapping[str, Any]) -> list[str]:
        return []

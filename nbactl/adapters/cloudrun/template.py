"""Variables merged into the template of a service, by name: what is not named keeps its place and its value."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from nbactl.adapters.cloudrun.reading import ingress_container, variables_of
from nbactl.errors import DataError
from nbactl.ports.service_rules import check_count

if TYPE_CHECKING:
    from collections.abc import Mapping


def merged(service: str, template: Mapping[str, Any], changes: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the template with the changes. A new variable goes to the end.

    Its `revision` is gone: with that name in it the update would be refused, for a revision of the name exists.
    Raises DataError for a variable that comes from a secret.
    """
    after = copy.deepcopy(dict(template))
    after.pop("revision", None)
    container = ingress_container(service, after)
    before = variables_of(container)
    for each in before:
        if each["name"] in changes and "valueSource" in each:
            raise secret_refused(service, each["name"])
    known = {each["name"] for each in before}
    env = [_changed(each, changes) for each in before]
    env += [{"name": name, "value": value} for name, value in changes.items() if name not in known]
    kept = [each for each in env if each.get("value", "") is not None]
    check_count(service, len(kept))
    if kept or "env" in container:
        container["env"] = kept
    return after


def _changed(entry: dict[str, Any], changes: Mapping[str, str | None]) -> dict[str, Any]:
    """Return an entry as it becomes; one that goes has None for its value."""
    return {**entry, "value": changes[entry["name"]]} if entry["name"] in changes else entry


def differs(service: str, template: Mapping[str, Any], changes: Mapping[str, str | None]) -> list[str]:
    """Return the variables of `changes` that the template does not have as wanted."""
    entries = {each["name"]: each for each in variables_of(ingress_container(service, template))}
    return [
        name
        for name, value in changes.items()
        if (None if name not in entries else entries[name].get("value", "")) != value
    ]


def others_of(service: str, template: Mapping[str, Any], changes: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return the entries of all other variables."""
    return [each for each in variables_of(ingress_container(service, template)) if each["name"] not in changes]


def secret_refused(service: str, name: str) -> DataError:
    """Return the error for a change of a variable whose value comes from a secret."""
    return DataError(
        f"{name} of {service} comes from a secret, and is not changed",
        cause="To set a value here would take its place, and the way back would need the secret's name and version.",
        next_step=f"Remove it first: gcloud run services update {service} --remove-secrets {name}",
        details={"service": service, "variable": name},
    )

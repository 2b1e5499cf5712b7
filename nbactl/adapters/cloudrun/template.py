"""Variables merged into the template of a service, by name: what is not named keeps its place and its value."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError
from nbactl.ports.service_rules import check_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def ingress_container(service: str, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container that requests reach: the only one, or of several the one with a port.

    Cloud Run wants a port of exactly one container where there are several; the others are sidecars. Raises DataError.
    """
    containers: Sequence[dict[str, Any]] = template.get("containers", ())
    candidates = containers if len(containers) == 1 else [one for one in containers if one.get("ports")]
    if len(candidates) != 1:
        raise DataError(
            f"it is not clear which container of {service} takes its requests",
            cause=f"Of its {len(containers)} containers {len(candidates)} have a port.",
            next_step="Deploy it with a port at exactly one container.",
        )
    return candidates[0]


def variables_of(container: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a container's environment, in their order."""
    return list(container.get("env", ()))


def merged(
    service: str, template: Mapping[str, Any], changes: Mapping[str, str | None], order: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the template with the changes. A new variable goes behind those before it in `order`, else to the end.

    Its `revision` is removed: Cloud Run refuses an update to the name of a revision that exists.
    Raises DataError for a variable that comes from a secret.
    """
    after = copy.deepcopy(dict(template))
    after.pop("revision", None)
    if not changes:
        return after
    container = ingress_container(service, after)
    before = variables_of(container)
    for entry in before:
        if entry["name"] in changes and "valueSource" in entry:
            raise secret_refused(service, entry["name"])
    known = {entry["name"] for entry in before}
    kept = [entry for entry in (_changed(entry, changes) for entry in before) if entry.get("value", "") is not None]
    new = {name: value for name, value in changes.items() if name not in known and value is not None}
    for name in sorted(new, key=partial(_position, order)):
        kept.insert(_place(kept, name, order), {"name": name, "value": new[name]})
    check_count(service, len(kept))
    container["env"] = kept
    if not kept:
        del container["env"]
    return after


def _position(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _place(entries: Sequence[Mapping[str, Any]], name: str, order: Sequence[str]) -> int:
    """Return where a variable goes: behind the last of those that came before it."""
    if name not in order:
        return len(entries)
    earlier = set(order[: order.index(name)])
    return max((place + 1 for place, entry in enumerate(entries) if entry["name"] in earlier), default=0)


def _changed(entry: dict[str, Any], changes: Mapping[str, str | None]) -> dict[str, Any]:
    """Return an entry with its change; one that is removed has None for its value."""
    return {**entry, "value": changes[entry["name"]]} if entry["name"] in changes else entry


def differs(service: str, template: Mapping[str, Any], changes: Mapping[str, str | None]) -> list[str]:
    """Return the variables of `changes` that the template does not have as wanted."""
    entries = {entry["name"]: entry for entry in variables_of(ingress_container(service, template))}
    return [
        name
        for name, value in changes.items()
        if (None if name not in entries else entries[name].get("value", "")) != value
    ]


def others_of(service: str, template: Mapping[str, Any], changes: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return the entries of all other variables."""
    return [entry for entry in variables_of(ingress_container(service, template)) if entry["name"] not in changes]


def secret_refused(service: str, name: str) -> DataError:
    """Return the error for a change of a variable whose value comes from a secret."""
    return DataError(
        f"{name} of {service} comes from a secret, and is not changed",
        cause="A value set here would replace it, and undoing that would need the secret's name and version.",
        next_step=f"Remove it first: gcloud run services update {service} --remove-secrets {name}",
        details={"service": service, "variable": name},
    )

"""Variables merged into the template of a service, by name: what is not named keeps its place and its value."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError
from nbactl.ports.service_rules import check_count
from nbactl.ports.services import DeployedService, Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FAILED: Final = "CONDITION_FAILED"
_LATEST: Final = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"


def read_service(raw: Mapping[str, Any]) -> DeployedService:
    """Return a service."""
    name = last_segment(raw.get("name")) or ""
    unreadable, env, secrets = None, {}, []
    try:
        variables = variables_of(ingress_container(name, raw.get("template", {})))
    except DataError as error:
        unreadable = error.message
    else:
        env = {entry["name"]: entry.get("value", "") for entry in variables if "valueSource" not in entry}
        secrets = [entry["name"] for entry in variables if "valueSource" in entry]
    return DeployedService(
        name=name,
        url=raw.get("uri", ""),
        env=env,
        secrets=frozenset(secrets),
        latest_ready_revision=last_segment(raw.get("latestReadyRevision")),
        latest_created_revision=last_segment(raw.get("latestCreatedRevision")),
        traffic=[_share(status) for status in raw.get("trafficStatuses", ())],
        version=raw.get("etag", ""),
        is_reconciling=raw.get("reconciling", False),
        problem=problem_of(raw),
        unreadable=unreadable,
    )


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


def problem_of(raw: Mapping[str, Any]) -> str | None:
    """Return why a service is not ready; None if it is, or is still becoming so."""
    failures = list(dict.fromkeys(filter(None, _failures(raw))))
    if failures:
        return " ".join(failures)
    ready, created = raw.get("latestReadyRevision"), raw.get("latestCreatedRevision")
    if raw.get("reconciling") or ready == created:
        return None
    return f"its latest revision {last_segment(created)} is not ready"


def _failures(raw: Mapping[str, Any]) -> Iterator[str]:
    for condition in (raw.get("terminalCondition", {}), *raw.get("conditions", ())):
        if condition.get("state") == _FAILED and condition.get("severity", "ERROR") == "ERROR":
            yield condition.get("message") or condition.get("reason") or condition.get("revisionReason") or ""


def last_segment(name: str | None) -> str | None:
    """Return the short form of a full name."""
    return name.rpartition("/")[2] if name else None


def _share(status: Mapping[str, Any]) -> Traffic:
    latest = status.get("type") == _LATEST
    return Traffic(status.get("percent", 0), None if latest else last_segment(status.get("revision")))


def merged(service: str, template: Mapping[str, Any], changes: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the template with the changes. A new variable goes to the end.

    Its `revision` is removed: Cloud Run refuses an update to the name of a revision that exists.
    Raises DataError for a variable that comes from a secret.
    """
    after = copy.deepcopy(dict(template))
    after.pop("revision", None)
    container = ingress_container(service, after)
    before = variables_of(container)
    for entry in before:
        if entry["name"] in changes and "valueSource" in entry:
            raise secret_refused(service, entry["name"])
    known = {entry["name"] for entry in before}
    env = [_changed(entry, changes) for entry in before]
    env += [{"name": name, "value": value} for name, value in changes.items() if name not in known]
    kept = [entry for entry in env if entry.get("value", "") is not None]
    check_count(service, len(kept))
    if kept or "env" in container:
        container["env"] = kept
    return after


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

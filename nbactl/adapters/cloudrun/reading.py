"""Services as the API describes them (google.cloud.run.v2.Service in JSON), read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError
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
        env = {each["name"]: each.get("value", "") for each in variables if "valueSource" not in each}
        secrets = [each["name"] for each in variables if "valueSource" in each]
    return DeployedService(
        name=name,
        url=raw.get("uri", ""),
        env=env,
        secrets=frozenset(secrets),
        latest_ready_revision=last_segment(raw.get("latestReadyRevision")),
        latest_created_revision=last_segment(raw.get("latestCreatedRevision")),
        traffic=[_share(each) for each in raw.get("trafficStatuses", ())],
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
    candidates = containers if len(containers) == 1 else [each for each in containers if each.get("ports")]
    if len(candidates) != 1:
        raise DataError(
            f"it cannot be told which container of {service} takes its requests",
            cause=f"Of its {len(containers)} containers {len(candidates)} have a port.",
            next_step="Deploy it with a port at exactly one container.",
        )
    return candidates[0]


def variables_of(container: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a container's environment, in their order."""
    return list(container.get("env", ()))


def problem_of(raw: Mapping[str, Any]) -> str | None:
    """Return why a service is not ready; None if it is, or is getting there."""
    told = list(dict.fromkeys(filter(None, _failures(raw))))
    if told:
        return " ".join(told)
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

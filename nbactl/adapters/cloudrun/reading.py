"""What Cloud Run's answers say of services and revisions.

Field names: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services and
https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services.revisions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.cloudrun.resources import resources_of
from nbactl.adapters.cloudrun.scaling import service_wide, settings_of
from nbactl.adapters.cloudrun.template import ingress_container, variables_of
from nbactl.adapters.cloudrun.traffic import shares_in_force
from nbactl.errors import DataError
from nbactl.ports.services import DeployedService, Revision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FAILED: Final = "CONDITION_FAILED"
_SUCCEEDED: Final = "CONDITION_SUCCEEDED"
_MANAGED_BY: Final = ("goog-managed-by", "cloudfunctions")
"""The label that Cloud Functions sets on the service of a gen-2 function."""
_FUNCTION_ID: Final = "cloudfunctions.googleapis.com/function-id"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def read_service(raw: Mapping[str, Any]) -> DeployedService:
    """Return a service."""
    name, template = last_segment(raw.get("name")) or "", raw.get("template", {})
    variables, image, unreadable = _container(name, template)
    return DeployedService(
        name=name,
        url=raw.get("uri", ""),
        env=_plain(variables),
        secrets=_secrets(variables),
        latest_ready_revision=last_segment(raw.get("latestReadyRevision")),
        latest_created_revision=last_segment(raw.get("latestCreatedRevision")),
        traffic=shares_in_force(raw),
        version=raw.get("etag", ""),
        is_reconciling=raw.get("reconciling", False),
        problem=problem_of(raw),
        unreadable=unreadable,
        region=_region(raw.get("name", "")),
        image=image,
        settings=settings_of(template, raw.get("scaling", {})),
        env_order=tuple(entry["name"] for entry in variables),
        service_wide=service_wide(raw.get("scaling", {})),
        labels=dict(raw.get("labels", {})),
        account=template.get("serviceAccount"),
        deployed_at=_time(raw.get("updateTime") or raw.get("createTime")),
        deployed_by=raw.get("lastModifier") or raw.get("creator"),
        deployed_with=" ".join(filter(None, (raw.get("client"), raw.get("clientVersion")))) or None,
        function=_function(name, raw),
        resources=resources_of(template),
    )


def read_revision(raw: Mapping[str, Any]) -> Revision:
    """Return a revision. Its containers and settings are not in a template, but beside its name."""
    name = last_segment(raw.get("name")) or ""
    variables, image, _ = _container(name, raw)
    ready: Mapping[str, Any] = next((one for one in raw.get("conditions", ()) if one.get("type") == "Ready"), {})
    is_ready = ready.get("state") == _SUCCEEDED
    return Revision(
        name=name,
        created_at=_time(raw.get("createTime")) or _NEVER,
        ready=is_ready,
        problem=None if is_ready else _reason(ready) or "Cloud Run is still starting it.",
        env=_plain(variables),
        secrets=_secrets(variables),
        settings=settings_of(raw, {}),
        image=image,
        deployed_by=raw.get("creator"),
    )


def problem_of(raw: Mapping[str, Any]) -> str | None:
    """Return why a service is not ready; None if it is, or is still becoming so."""
    failures = list(dict.fromkeys(filter(None, _failures(raw))))
    if failures:
        return " ".join(failures)
    ready, created = raw.get("latestReadyRevision"), raw.get("latestCreatedRevision")
    if raw.get("reconciling") or ready == created:
        return None
    return f"its latest revision {last_segment(created)} is not ready"


def last_segment(name: str | None) -> str | None:
    """Return the short form of a full name."""
    return name.rpartition("/")[2] if name else None


def _container(name: str, template: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str, str | None]:
    """Return the variables and the image of the container that takes the requests, and why that one is not known."""
    try:
        container = ingress_container(name, template)
    except DataError as error:
        return [], "", error.message
    return variables_of(container), container.get("image", ""), None


def _plain(variables: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in variables if "valueSource" not in entry}


def _secrets(variables: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(entry["name"] for entry in variables if "valueSource" in entry)


def _failures(raw: Mapping[str, Any]) -> Iterator[str]:
    for condition in (raw.get("terminalCondition", {}), *raw.get("conditions", ())):
        if condition.get("state") == _FAILED and condition.get("severity", "ERROR") == "ERROR":
            yield _reason(condition)


def _reason(condition: Mapping[str, Any]) -> str:
    return condition.get("message") or condition.get("reason") or condition.get("revisionReason") or ""


def _region(full_name: str) -> str:
    """Return the region in `projects/P/locations/REGION/services/S`."""
    _, _, rest = full_name.partition("/locations/")
    return rest.partition("/")[0]


def _time(text: str | None) -> datetime | None:
    """Return a time such as `2026-01-15T12:00:00.123456789Z`; parts of a microsecond are dropped."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _function(name: str, raw: Mapping[str, Any]) -> str | None:
    key, manager = _MANAGED_BY
    if raw.get("labels", {}).get(key) != manager:
        return None
    return str(raw.get("annotations", {}).get(_FUNCTION_ID, name))

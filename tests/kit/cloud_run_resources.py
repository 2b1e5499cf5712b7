"""Services and revisions as the Cloud Run Admin API v2 has them, and what it refuses of them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.kit.cloud_run_http import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
PINNED = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
RESERVED = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
SECRET = {"secret": "nba-api-key", "version": "latest"}
CRASHED = (
    "The user-provided container failed to start and listen on the port defined provided by the PORT=8080 environment "
    "variable within the allocated timeout."
)
FUNCTION_LABELS = {"goog-managed-by": "cloudfunctions", "goog-cloudfunctions-runtime": "python311"}


def shown(moment: datetime) -> str:
    """Return a time as Google writes it."""
    return moment.isoformat().replace("+00:00", ".000001Z")


def made_by_hand(project: str, service: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the template of a deployment by hand: a secret, a probe, and settings of every kind."""
    entries: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in env.items()]
    entries.insert(min(1, len(entries)), {"name": "API_KEY", "valueSource": {"secretKeyRef": SECRET}})
    container = {
        "image": f"us-docker.pkg.dev/{project}/nba/{service}:7",
        "env": entries,
        "resources": {"limits": {"cpu": "2", "memory": "2Gi"}, "cpuIdle": True, "startupCpuBoost": True},
        "ports": [{"name": "http1", "containerPort": 8080}],
        "startupProbe": {"timeoutSeconds": 240, "periodSeconds": 240, "tcpSocket": {"port": 8080}},
        "settingOfTomorrow": {"grade": "A", "list": [1, 2.5, None]},
    }
    return {
        "annotations": {"deployed-by": "hand"},
        "scaling": {"maxInstanceCount": 20},
        "timeout": "540s",
        "serviceAccount": f"runner@{project}.iam.gserviceaccount.com",
        "containers": [container],
        "maxInstanceRequestConcurrency": 1,
        "futureSwitch": True,
    }


def entries_of(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the variables of all containers of a template."""
    return [entry for container in template["containers"] for entry in container.get("env", [])]


def crashes(template: Mapping[str, Any]) -> bool:
    """Say whether a revision does not start: it has a variable CRASH, or one with the value `crash`."""
    return any(entry["name"] == "CRASH" or entry.get("value") == "crash" for entry in entries_of(template))


def revision_of(
    service: Mapping[str, Any], name: str, template: Mapping[str, Any], *, at: datetime, by: str
) -> dict[str, Any]:
    """Return a revision that is starting: the fields of its template, beside its own."""
    fields = {key: value for key, value in template.items() if key != "revision"}
    return {
        "name": f"{service['name']}/revisions/{name}",
        "uid": f"uid-{name}",
        "generation": "1",
        "createTime": shown(at),
        "updateTime": shown(at),
        "service": service["name"],
        "creator": by,
        "conditions": [{"type": "Ready", "state": "CONDITION_RECONCILING"}],
        **copy.deepcopy(fields),
    }


def is_ready(revision: Mapping[str, Any]) -> bool:
    """Say whether a revision can serve."""
    return bool(revision["conditions"][0]["state"] == "CONDITION_SUCCEEDED")


def with_defaults(template: dict[str, Any]) -> dict[str, Any]:
    """Fill in what a client left out, as the API does."""
    template.setdefault("timeout", "300s")
    template.setdefault("maxInstanceRequestConcurrency", 80)
    template.setdefault("scaling", {}).setdefault("maxInstanceCount", 100)
    return template


def check_template(template: Mapping[str, Any]) -> None:
    """Raise RefusedError for a template that Cloud Run does not take."""
    for index, container in enumerate(template["containers"]):
        where = f"template.containers[{index}].env"
        entries = container.get("env", [])
        names = [entry["name"] for entry in entries]
        if taken := sorted(RESERVED & set(names)):
            told = f"The following reserved env names were provided: {', '.join(taken)}."
            raise RefusedError(400, f"{where}: {told} These values are automatically set by the system.")
        if len(set(names)) < len(names):
            raise RefusedError(400, f"{where}: duplicate names")
        for entry in entries:
            if ("value" in entry) == ("valueSource" in entry):
                raise RefusedError(400, f"{where}: {entry['name']} needs one of value and value_source")
            if len(entry.get("value", "").encode()) > 32768:
                raise RefusedError(400, f"{where}: {entry['name']} is too long")
    scaling, concurrency = template.get("scaling", {}), template.get("maxInstanceRequestConcurrency", 80)
    if scaling.get("minInstanceCount", 0) > scaling.get("maxInstanceCount", 100):
        raise RefusedError(400, "template.scaling.min_instance_count: must not be above max_instance_count")
    if not 1 <= concurrency <= 1000:
        raise RefusedError(400, "template.max_instance_request_concurrency: must be between 1 and 1000")
    if not 1 <= float(template.get("timeout", "300s").removesuffix("s")) <= 3600:
        raise RefusedError(400, "template.timeout: must be between 1 and 3600 seconds")


def check_traffic(traffic: list[dict[str, Any]]) -> None:
    """Raise RefusedError for traffic that Cloud Run does not take."""
    if (total := sum(target.get("percent", 0) for target in traffic)) != 100:
        raise RefusedError(400, f"traffic: the sum of percentages must be 100, it is {total}")
    for target in traffic:
        if (target["type"] == LATEST) == ("revision" in target):
            raise RefusedError(400, "traffic: a revision must be given for the type REVISION, and only for that")

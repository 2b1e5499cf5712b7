"""A project as it is deployed before nbactl: adopted, synced and compared, and no service changes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.integration.cli.flags.conftest import fresh
from tests.integration.cli.flags.services_kit import DECLARED

if TYPE_CHECKING:
    from tests.integration.cli.flags.services_kit import World

__all__ = ["fresh"]

DEPLOYED = {
    "ENABLE_SUBCOLLECTION_COMPLETIONS": "false",
    "DUAL_WRITE_MODE": "true",
    "USE_SUBCOLLECTION_READS": "false",
    "ENABLE_PHASE2_COMPLETION_DEADLINE": "false",
    "ENABLE_IDEMPOTENCY_KEYS": "false",
    "ENABLE_PARALLEL_CONFIG": "false",
    "ENABLE_CENTRALIZED_TIMEOUTS": "false",
    "ENABLE_STRUCTURED_LOGGING": "false",
    "ENABLE_HEALTH_CHECK_METRICS": "false",
    "ENABLE_QUERY_CACHING": "false",
}
PROJECT = {"GCP_PROJECT": "nba-props-platform", "LOG_LEVEL": "INFO"}


def test_inv_23_the_first_sync_of_a_deployed_project_changes_nothing(fresh: World) -> None:
    for name in DECLARED:
        fresh.cloud.deploy(name, {**PROJECT, **DEPLOYED})
    before = copy.deepcopy(fresh.cloud.services)
    assert "nbactl flags adopt" in fresh("sync", code=6)["next"]
    shown = fresh("adopt", "--dry-run")["flags"]
    assert {each["variable"]: set(each["deployed"].values()) for each in shown} == {
        name: {text} for name, text in DEPLOYED.items()
    }
    fresh("adopt", "--reason", "as deployed")
    assert fresh.warnings == []
    data = fresh("sync")
    assert (data["changes"], data["left_alone"], data["applied"]) == ([], [], False)
    assert fresh.warnings == []
    assert fresh("drift")["drift"] == []
    assert fresh("check")["findings"] == []
    assert fresh.cloud.services == before
    assert fresh.cloud.patches() == []
    on = {each["key"] for each in fresh("list")["flags"] if each["enabled"] and each["percent"] == 100}
    assert on == {"dual_write_mode"}
    fresh("set", "--percent", "50", "--reason", "first rollout")
    changed = fresh("sync", "--dry-run")["changes"]
    assert {(each["variable"], each["after"]) for each in changed} == {
        ("ENABLE_QUERY_CACHING", None),
        ("ENABLE_PARALLEL_CONFIG", None),
    }

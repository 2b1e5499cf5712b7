"""On gcp a tick starts services and does not wait for them; later ticks follow the run to its end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.loader import shipped_config_dir
from nbactl.core._support.gamedate import EASTERN
from tests.integration.runs.gcp_project import ANALYTICS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runs.gcp_project import GcpProject

WORKFLOWS = """
workflows:
  summaries:
    description: Under test
    schedule: {{at: "{at}", tolerance: 4h}}
    tasks: [team_defense_game_summary, {{task: team_offense_game_summary, needs: [team_defense_game_summary]}}]
"""


@pytest.mark.usefixtures("warehouse")
def test_services_are_started_once_and_followed_by_later_ticks(
    gcp: GcpProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for name in ("timeouts.yaml", "flags.yaml"):
        (config / name).write_text((shipped_config_dir() / name).read_text())
    shipped = (shipped_config_dir() / "workflows.yaml").read_text()
    before, _, rest = shipped.partition("\nworkflows:\n")
    due = datetime.now(UTC).astimezone(EASTERN) - timedelta(minutes=1)
    alerts = rest[rest.index("\nalerts:\n") :]
    (config / "workflows.yaml").write_text(before + WORKFLOWS.format(at=f"{due:%H:%M}") + alerts)
    monkeypatch.setenv("NBACTL_CONFIG_DIR", str(config))
    gcp.services.behave(ANALYTICS, "later", seconds=0.5)

    def tick() -> dict[str, Any]:
        [decided] = gcp("schedule", "tick", "--only", "workflows")["data"]["workflows"]
        return dict(decided)

    first = tick()
    assert (first["action"], first["execution"]["status"]) == ("RUN", "detached")
    assert len(gcp.services.requests) == 1
    seen: list[dict[str, Any]] = []
    end = time.monotonic() + 30
    while not seen or seen[-1]["execution"]["status"] != "succeeded":
        assert time.monotonic() < end, seen
        seen.append(tick())
        assert (seen[-1]["decision_id"], seen[-1]["taken_up"]) == (first["decision_id"], True)
    assert len(gcp.services.requests) == 2, "each service was called once"
    assert (tick()["action"], tick()["taken_up"]) == ("WAIT", False)
    [listed] = gcp("schedule", "decisions", "--action", "RUN")["data"]["decisions"]
    assert (listed["outcome"], listed["orphan"], listed["open"]) == ("succeeded", False, False)
    assert listed["execution"]["run_id"] == seen[-1]["execution"]["run_id"]

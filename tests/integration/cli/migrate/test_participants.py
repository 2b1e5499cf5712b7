"""`--switch-reads` on target gcp, beside deployed services that do not take part."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbactl.testing import emulator_documents
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.migration import Lab, PassingClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Nbactl

AS_DEPLOYED = {
    "ENABLE_SUBCOLLECTION_COMPLETIONS": "false",
    "DUAL_WRITE_MODE": "true",
    "USE_SUBCOLLECTION_READS": "false",
}


def test_services_with_the_deployed_defaults_are_named_and_the_step_is_refused(
    nbactl: Nbactl, tmp_path: Path, firestore_address: str
) -> None:
    project = f"test-{uuid.uuid4().hex[:20]}"
    with cloud_run_server(project) as cloud, closing(emulator_documents(firestore_address, project)) as store:
        env = {
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": project,
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "CLOUD_RUN_EMULATOR_HOST": cloud.address,
        }

        def migrate(*words: str) -> tuple[int, Any]:
            done = nbactl("migrate", "completions", *words, "--yes", "-o", "json", env=env)
            return done.returncode, json.loads(done.stdout)

        lab = Lab(store, tmp_path / "exports", clock=PassingClock(datetime.now(UTC)))
        lab.migration.record._project = project
        lab.batch("b1", ["p1"])
        lab.to("validated")
        cloud.deploy("prediction-coordinator", {"PORT_NAME": "x"})
        cloud.deploy("prediction-worker", AS_DEPLOYED)
        cloud.deploy("nba-scrapers", {"LOG_LEVEL": "info"})
        for words in (["--switch-reads", "--dry-run"], ["--switch-reads"]):
            code, told = migrate(*words, "--max-age", "1d")
            assert code == 6
            (gate,) = [each for each in told["error"]["details"]["gates"] if each["gate"] == "participants"]
            assert "prediction-coordinator writes only the array" in gate["missing"]
            assert "prediction-worker writes only the array (ENABLE_SUBCOLLECTION_COMPLETIONS=false)" in gate["missing"]
            assert "nba-scrapers" not in gate["missing"]
        assert cloud.patches() == []
        gates = {gate["gate"]: gate for gate in migrate("--status")[1]["data"]["gates"]}
        assert not gates["participants"]["holds"]
        for name in ("prediction-coordinator", "prediction-worker"):
            cloud.set_env(name, ENABLE_SUBCOLLECTION_COMPLETIONS="true")
        gates = {gate["gate"]: gate for gate in migrate("--status")[1]["data"]["gates"]}
        assert gates["participants"]["holds"]

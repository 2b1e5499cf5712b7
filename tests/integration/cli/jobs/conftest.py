"""A project on gcp with a scheduler, services and a document store, each on loopback."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main
from nbactl.config.loader import shipped_config_dir
from tests.kit.cloud_run_server import CloudRun, cloud_run_server
from tests.kit.scheduler_server import REGION, Scheduler, scheduler_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRAPERS = "nba-scrapers"
ACCOUNT = "scheduler@{project}.iam.gserviceaccount.com"
DECLARED = f"""jobs:
  # The pipeline's clock.
  tick:
    schedule: "*/5 * * * *"
    target: {{url: "https://run.googleapis.com/v2/projects/{{project}}/locations/{{region}}/jobs/tick:run"}}
    account: "{ACCOUNT}"
    starts: [daily]
  heartbeat:
    schedule: "2-59/5 * * * *"
    target: {{service: {SCRAPERS}, path: /heartbeat}}
    account: "{ACCOUNT}"
  summer:
    schedule: "0 9 * * *"
    target: {{service: {SCRAPERS}, path: /scrape, body: {{scraper: nbac_schedule_api}}}}
    account: "{ACCOUNT}"
    paused: {{reason: No games in summer, until: 2040-10-01}}
"""


@dataclass
class Project:
    """Where commands run, and what they act on."""

    folder: Path
    project: str
    scheduler: Scheduler
    cloud: CloudRun
    capsys: pytest.CaptureFixture[str]
    err: str = ""

    def __call__(self, *words: str, code: int = 0) -> Any:
        """Run `nbactl jobs …` that goes ahead; returns its data, or its error where there are no data."""
        returned = main(["jobs", *words, "--yes", "-o", "json"])
        captured = self.capsys.readouterr()
        self.err = captured.err
        assert returned == code, captured
        document = json.loads(captured.out)
        return document["error"] if document["data"] is None else document["data"]

    @property
    def url(self) -> str:
        return f"https://{SCRAPERS}-xyz-wl.a.run.app"

    @property
    def tick_url(self) -> str:
        return f"https://run.googleapis.com/v2/projects/{self.project}/locations/{REGION}/jobs/tick:run"

    @property
    def account(self) -> str:
        return ACCOUNT.replace("{project}", self.project)

    def declare(self, text: str) -> None:
        """Have other jobs in workflows.yaml."""
        shipped = (shipped_config_dir() / "workflows.yaml").read_text()
        head, _, rest = shipped.partition("\njobs:\n")
        tail = rest[rest.index("\n# When games are expected") :] if rest else ""
        (self.folder / "workflows.yaml").write_text(f"{head}\n{text}{tail}")

    def forms(self) -> dict[str, Any]:
        """Return the jobs without what the scheduler itself sets."""
        own = ("userUpdateTime", "lastAttemptTime", "status")
        return {
            name: {key: value for key, value in job.items() if key not in own}
            for name, job in sorted(self.scheduler.jobs.items())
        }

    def findings(self, *names: str) -> dict[str, list[str]]:
        """Return the kinds of what is wrong by job."""
        return {
            job["name"]: [finding["kind"] for finding in job["findings"]]
            for job in self("list", *names)["jobs"]
            if job["findings"]
        }


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Scheduler, CloudRun]]:
    with scheduler_server() as scheduler, cloud_run_server() as cloud:
        yield scheduler, cloud


@pytest.fixture
def project(
    servers: tuple[Scheduler, CloudRun],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    firestore_address: str,
) -> Project:
    name = f"test-{uuid.uuid4().hex[:20]}"
    scheduler, cloud = servers
    scheduler.__dict__.update(Scheduler(project=name, address=scheduler.address).__dict__)
    cloud.__dict__.update(CloudRun(name, address=cloud.address).__dict__)
    cloud.deploy(SCRAPERS)
    variables = {
        "NBACTL_TARGET": "gcp",
        "NBACTL_PROJECT": name,
        "FIRESTORE_EMULATOR_HOST": firestore_address,
        "CLOUD_RUN_EMULATOR_HOST": cloud.address,
        **scheduler.environment,
        "NO_GCE_CHECK": "true",  # there is no metadata server to wait for
    }
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)
    for file in ("timeouts.yaml", "flags.yaml"):
        (tmp_path / file).write_text((shipped_config_dir() / file).read_text())
    made = Project(tmp_path, name, scheduler, cloud, capsys)
    made.declare(DECLARED)
    return made

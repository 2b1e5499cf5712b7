"""Every command that asks names target, project and what is touched, in its question and in what it says afterwards."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.cli.app import build
from nbactl.cli.audited import NOT_AUDITED
from nbactl.cli.frame import walk
from nbactl.cli.main import main
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.leases import Leases
from nbactl.core.outbox.outbox import Outbox
from nbactl.ports.documents import Create, Order, Query
from nbactl.testing import emulator_documents, memory_bus
from nbactl.workflows.ledger import Ledger
from tests.integration.cli.flags.services_kit import DECLARED, quick_config
from tests.kit.bus import pubsub_at
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.dead_letters import GivenIds, save_letters
from tests.kit.migration import Lab, PassingClock
from tests.kit.monitoring_server import monitoring_server
from tests.kit.run_records import at, run, task
from tests.kit.scheduler_server import Scheduler, scheduler_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from tests.kit.cloud_run_server import CloudRun

CLOCK = SystemClock()
NEVER = "phase3/2024-01-15/1"
MIGRATE = ("migrate", "completions")
LEASE = "phase3/2024-01-15"
RUN = "run-01jd3k9xq2m7t0"
JOB = "morning"
CHANGED_JOB = "job-01kb2f7m4q8x2v0c"
HALTED = "2025-01-08"
READY = "prediction-ready-prod"
PUBLISH = ("publish", READY, "--game-date", HALTED, "--batch", "b1", "--player", "p3", "--predictions", "4")
LETTER = "msg-01kb2f7m4q8x2v0c"
COORDINATOR = "prediction-coordinator"


@dataclass
class Scene:
    """A project in which every command has something to change."""

    store: DocumentStore
    cloud: CloudRun
    scheduler: Scheduler
    folder: Path
    project: str
    capsys: pytest.CaptureFixture[str]
    pubsub: str | None = None
    """Where Pub/Sub is, for the commands that need it."""

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command; returns both streams."""
        returned = main([*words])
        captured = self.capsys.readouterr()
        assert returned == code, captured
        return captured.out + captured.err

    def data(self, *words: str) -> Any:
        """Run a command that goes ahead; returns its data."""
        assert main([*words, "--yes", "-o", "json"]) == 0
        return json.loads(self.capsys.readouterr().out)["data"]

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of the audit trail, the oldest first."""
        return [document.data for document in self.store.query(Query("audit", order=(Order("at"),)))]

    @property
    def lab(self) -> Lab:
        return Lab(
            self.store,
            self.folder / "exports",
            clock=PassingClock(datetime.now(UTC) - timedelta(days=100)),
            project=self.project,
        )

    def batch(self) -> None:
        self.lab.batch("b1", ["p1", "p2"], expected_players=4)

    def stage(self, stage: str) -> None:
        self.batch()
        self.lab.to(stage)

    def lease(self) -> None:
        Leases(self.store, CLOCK, is_dead=lambda _: False).acquire(LEASE, "elsewhere:boot:1:1:x", 600.0)

    def message(self) -> None:
        bus = memory_bus(CLOCK)
        outbox = Outbox(self.store, bus, CLOCK, redrive_after=3600.0, keep=3600.0)
        self.store.commit([outbox.message(NEVER, "topic", {"n": 1})])

    def topic(self) -> None:
        self.batch()
        assert self.pubsub is not None
        with closing(pubsub_at(self.pubsub, self.project)) as bus:
            bus.create_topic(READY)

    def letter(self) -> None:
        save_letters(self.store, LocalBus(":memory:", clock=CLOCK, ids=GivenIds(LETTER), busy_timeout=1.0))

    def archived(self) -> None:
        self.letter()
        self.data("dlq", "archive", LETTER, "--reason", "sent by hand")

    def failed_run(self) -> None:
        self._record(run(task("a", "failed", 0.0, 1.0), status="failed"))

    def old_runs(self) -> None:
        self.failed_run()
        self._record(replace(run(task("a", "succeeded", 0.0, 1.0)), run_id=f"{RUN}-again", started_at=at(60)))

    def open_run(self) -> None:
        record = run(task("a", "running", 0.0), status="running", end=None)
        Leases(self.store, CLOCK, is_dead=lambda _: False).acquire(LEASE, record.owner, 600.0)
        self._record(record)

    def _record(self, record: Any) -> None:
        Ledger(self.store, CLOCK, is_dead=lambda _: False).start(
            replace(record, target="gcp", lease=LEASE), supersedes=None
        )

    def overridden(self) -> None:
        self.data("flags", "adopt")
        self.data("flags", "set", "query_caching", "--percent", "0")
        self.cloud.set_env(DECLARED[0], ENABLE_QUERY_CACHING="true")

    def synced(self) -> None:
        self.overridden()
        self.data("flags", "sync")

    def deployed(self) -> None:
        self.cloud.set_env(DECLARED[0], ENABLE_QUERY_CACHING="true")

    def scaled(self) -> None:
        self.data("services", "scale", COORDINATOR, "--max-instances", "7")

    def redeployed(self) -> None:
        self.cloud.redeploy(COORDINATOR)

    def pinned(self) -> None:
        self.cloud.pin(COORDINATOR)

    def differing(self) -> None:
        lines = (self.folder / "workflows.yaml").read_text().splitlines()
        start = next((index for index, line in enumerate(lines) if line == "services:"), len(lines))
        rest = next((index for index in range(start + 1, len(lines)) if lines[index][:1].isalpha()), len(lines))
        lines[start:rest] = ["services:", f"  {COORDINATOR}: {{max_instances: 7}}"]
        (self.folder / "workflows.yaml").write_text("\n".join(lines) + "\n")

    def adopted(self) -> None:
        self.deployed()
        self.data("flags", "adopt")

    def rolling(self) -> None:
        self.data("flags", "rollout", "start", "query_caching", "--force")

    def halted(self) -> None:
        self.data("season", "halt", "--open-ended", "--reason", "a strike")

    def job(self, state: str = "ENABLED") -> None:
        uri = f"https://{DECLARED[0]}-xyz-wl.a.run.app/scrape"
        self.scheduler.put(JOB, state=state, attemptDeadline="600s", httpTarget={"uri": uri})

    def changed_job(self) -> None:
        self.job()
        self.data("jobs", "pause", JOB, "--reason", "a strike")
        [change] = self.store.query(Query("job_changes"))
        self.store.commit([Create(f"job_changes/{CHANGED_JOB}", change.data)])

    def reset(self) -> None:
        self.batch()
        self.data("batches", "reset", "b1")


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    firestore_address: str,
) -> Iterator[Scene]:
    pubsub = None
    if request.node.callspec.params["words"] == PUBLISH:
        pubsub = request.getfixturevalue("pubsub_address")
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    project = f"test-{uuid.uuid4().hex[:20]}"
    with (
        cloud_run_server(project) as cloud,
        monitoring_server(project) as monitoring,
        scheduler_server(project) as scheduler,
    ):
        for name, value in {
            **monitoring.environ(),
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": project,
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "CLOUD_RUN_EMULATOR_HOST": cloud.address,
            **scheduler.environment,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.stdin", None)
        quick_config(tmp_path)
        for name in DECLARED:
            cloud.deploy(name, {"LOG_LEVEL": "info"})
        store = emulator_documents(firestore_address, project)
        yield Scene(store, cloud, scheduler, tmp_path, project, capsys, pubsub)
        store.close()


ASKING: dict[tuple[str, ...], tuple[Callable[[Scene], object] | None, str]] = {
    ("flags", "set", "query_caching", "--percent", "50"): (None, "query_caching"),
    ("flags", "set", "--percent", "50"): (None, "parallel_config"),
    ("flags", "rollback", "query_caching"): (None, "query_caching"),
    ("flags", "rollback", "query_caching", "--env"): (None, DECLARED[0]),
    ("flags", "adopt"): (Scene.deployed, "query_caching"),
    ("flags", "adopt", "--undo", "last"): (Scene.adopted, "query_caching"),
    ("flags", "sync"): (Scene.overridden, DECLARED[0]),
    ("flags", "sync", "--undo", "last"): (Scene.synced, DECLARED[0]),
    ("services", "env", "set", COORDINATOR, "LOG_LEVEL=debug"): (None, COORDINATOR),
    ("services", "scale", COORDINATOR, "--max-instances", "7"): (None, COORDINATOR),
    ("services", "traffic", COORDINATOR, "--to-latest"): (Scene.pinned, COORDINATOR),
    ("services", "rollback", COORDINATOR): (Scene.redeployed, COORDINATOR),
    ("services", "apply"): (Scene.differing, COORDINATOR),
    ("services", "undo", "last"): (Scene.scaled, COORDINATOR),
    ("flags", "rollout", "start", "query_caching", "--force"): (None, "query_caching"),
    ("flags", "rollout", "advance", "query_caching", "--force"): (Scene.rolling, "query_caching"),
    ("flags", "rollout", "pause", "query_caching"): (Scene.rolling, "query_caching"),
    ("flags", "rollout", "abort", "query_caching"): (Scene.rolling, "query_caching"),
    ("leases", "release", LEASE, "--force"): (Scene.lease, LEASE),
    ("breakers", "reset", "bigquery"): (None, "bigquery"),
    ("outbox", "drive", NEVER): (Scene.message, NEVER),
    PUBLISH: (Scene.topic, READY),
    ("alerts", "test"): (None, "log"),
    ("dlq", "replay", LETTER): (Scene.letter, LETTER),
    ("dlq", "archive", LETTER, "--reason", "sent by hand"): (Scene.letter, LETTER),
    ("dlq", "archive", LETTER, "--undo"): (Scene.archived, LETTER),
    ("season", "halt", "--from", HALTED, "--until", HALTED, "--reason", "a strike"): (None, HALTED),
    ("season", "resume"): (Scene.halted, "halt-"),
    ("jobs", "apply"): (None, "nbactl-tick"),
    ("jobs", "run", JOB): (Scene.job, JOB),
    ("jobs", "pause", JOB, "--reason", "a strike"): (Scene.job, JOB),
    ("jobs", "resume", JOB): (lambda scene: scene.job("PAUSED"), JOB),
    ("jobs", "undo", CHANGED_JOB): (Scene.changed_job, JOB),
    ("jobs", "import"): (Scene.job, JOB),
    ("runs", "cancel", RUN, "--no-wait"): (Scene.open_run, RUN),
    ("runs", "dismiss", RUN): (Scene.failed_run, RUN),
    ("prune", "--kind", "runs"): (Scene.old_runs, "runs"),
    ("batches", "complete", "b1"): (Scene.batch, "b1"),
    ("batches", "reset", "b1"): (Scene.batch, "b1"),
    ("batches", "reset", "b1", "--undo"): (Scene.reset, "b1"),
    (*MIGRATE, "--start-dual-write"): (Scene.batch, "completions"),
    (*MIGRATE, "--backfill"): (lambda scene: scene.stage("dual_write"), "completion"),
    (*MIGRATE, "--repair"): (lambda scene: scene.stage("dual_write"), "completions"),
    (*MIGRATE, "--switch-reads", "--force", "completions"): (lambda scene: scene.stage("validated"), "completions"),
    (*MIGRATE, "--stop-dual-write", "--force", "completions"): (
        lambda scene: scene.stage("reads_switched"),
        "completions",
    ),
    (*MIGRATE, "--cleanup", "--force", "completions"): (lambda scene: scene.stage("dual_write_stopped"), "completion"),
    (*MIGRATE, "--rollback"): (lambda scene: scene.stage("dual_write"), "completions"),
}
CHANGED_WITHOUT_A_QUESTION = {
    "run", "heal", "schedule tick", "demo", "config init", "query", "bq apply", "bq lint", "load", "check code",
}  # fmt: skip
"""`check code --fix` and `bq lint --fix` change files of this machine. A run asks on gcp (tests/integration/runs), a
repair (tests/integration/cli/heal), an expensive query and
bq apply (tests/integration/cli/bq) too; cron ticks; demo and config files are local. A load of production is refused,
and one of another machine asks (tests/integration/cli/load)."""


ELSEWHERE = {"demo", "bq apply", "load"}
"""`demo` has no dry run; the entries of the others are checked where they are run."""
UNDONE = {
    words
    for words in ASKING
    if words[:2]
    in {
        ("flags", "set"),
        ("jobs", "apply"),
        ("jobs", "pause"),
        ("jobs", "resume"),
        ("jobs", "undo"),
        ("flags", "rollback"),
        ("flags", "rollout"),
        ("flags", "sync"),
        ("runs", "dismiss"),
        *(("services", verb) for verb in ("env", "scale", "traffic", "rollback", "apply", "undo")),
        ("season", "halt"),
        ("season", "resume"),
    }
    or words in {("flags", "adopt"), ("batches", "reset", "b1"), ("dlq", "archive", LETTER, "--reason", "sent by hand")}
    or words[2:3] in {("--start-dual-write",), ("--switch-reads",), ("--stop-dual-write",)}
}
"""The commands whose change can be taken back: their entries have the command that does it."""


def test_the_table_has_every_command_that_can_change_something() -> None:
    changing = {
        context.command_path.removeprefix("nbactl ")
        for command, context in walk(build())
        if any(parameter.name == "dry_run" for parameter in command.params)
    }
    named = {" ".join(words) for words in ASKING}
    missing = {name for name in changing if not any(f"{each} ".startswith(f"{name} ") for each in named)}
    assert missing - CHANGED_WITHOUT_A_QUESTION == set()


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
@pytest.mark.parametrize("quiet", [(), ("--quiet",)], ids=["", "quiet"])
def test_every_question_names_target_project_and_what_is_touched(
    scene: Scene, words: tuple[str, ...], quiet: tuple[str, ...]
) -> None:
    prepare, touched = ASKING[words]
    if prepare is not None:
        prepare(scene)
    said = scene.run(*words, *quiet, code=2)
    assert "confirmation needed: " in said
    assert f" on gcp ({scene.project})?" in said
    assert touched in said


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_every_echo_of_a_change_names_target_project_and_what_is_touched(scene: Scene, words: tuple[str, ...]) -> None:
    prepare, touched = ASKING[words]
    if prepare is not None:
        prepare(scene)
    before = scene.entries()
    publishes = words[0] == "outbox" or words[:2] == ("dlq", "replay")
    for more in ("--dry-run",) if publishes else ("--dry-run", "--yes"):  # there is no Pub/Sub here
        main([*words, more])
        captured = scene.capsys.readouterr()
        [line] = [line for line in captured.err.splitlines() if line.startswith("On gcp (")]
        assert line.startswith(f"On gcp ({scene.project}): "), more
        assert touched in line, more
        new = scene.entries()[len(before) :]
        assert len(new) == (more == "--yes"), "a change leaves an entry in the audit trail, a dry run leaves none"
        for entry in new:
            assert (
                entry["action"].split(".")
                == [word for word in words if not word.startswith("-")][: len(entry["action"].split("."))]
            )
            assert entry["outcome"] in {"done", "failed"}
            assert entry["finished_at"] is not None
            assert entry["arguments"] == [*words, more]
            assert touched in " ".join(entry["touches"])
            assert (entry["undo"] is not None) is (words in UNDONE)


def test_every_command_that_can_change_something_is_audited_or_says_why_not() -> None:
    """Those in ASKING are run above; what they change is seen in the audit trail."""
    assert {name.replace(".", " ") for name in NOT_AUDITED} | ELSEWHERE == CHANGED_WITHOUT_A_QUESTION
    assert all(reason.endswith(".") for reason in NOT_AUDITED.values())


def test_on_local_the_target_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    assert main(["flags", "set", "query_caching", "--percent", "50"]) == 0
    assert "On local: flags query_caching." in capsys.readouterr().err
    assert main(["flags", "set", "query_caching", "--percent", "40", "--project", "another"]) == 0
    assert "On local: flags query_caching." in capsys.readouterr().err

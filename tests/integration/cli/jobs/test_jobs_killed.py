"""`nbactl jobs` on this machine: a change that is killed anywhere is made by giving the command again."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.loader import shipped_config_dir
from nbactl.core.lease.holder import process_identity

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Nbactl

JOB = {"schedule": "0 6 * * *", "target": {"topic": "nba-phase3-trigger", "body": {"by": "cron"}}}
PAUSED = {**JOB, "paused": {"reason": "No games in summer"}}


def declare(nbactl: Nbactl, **jobs: Any) -> None:
    text = (shipped_config_dir() / "workflows.yaml").read_text()
    head, _, rest = text.partition("\njobs:\n")
    section = "".join(f"  {name}: {json.dumps(job)}\n" for name, job in jobs.items())
    tail = rest[rest.index("\n# When games are expected") :]
    (nbactl.directory / "workflows.yaml").write_text(f"{head}\njobs:\n{section}{tail}")
    for name in ("timeouts.yaml", "flags.yaml"):
        (nbactl.directory / name).write_text((shipped_config_dir() / name).read_text())


def jobs(nbactl: Nbactl) -> dict[str, Any]:
    found = json.loads(nbactl("jobs", "list", "-o", "json").stdout)["data"]["jobs"]
    return {job["name"]: (job["state"], job["schedule"], [one["kind"] for one in job["findings"]]) for job in found}


@pytest.mark.parametrize("point", ["jobs.saved", "jobs.written", "jobs.turned"])
def test_apply_that_is_killed_is_given_again_and_taken_back(nbactl: Nbactl, point: str) -> None:
    declare(nbactl, export=PAUSED)
    killed = nbactl("jobs", "apply", env={"NBACTL_FAULTS": f"{point}=kill"})
    assert killed.returncode == -signal.SIGKILL
    again = nbactl("jobs", "apply", "-o", "json")
    assert again.returncode == 0, again.stderr
    assert jobs(nbactl) == {"export": ("paused", "0 6 * * *", [])}
    # It is one change, whatever was killed: taking it back leaves nothing.
    undone = nbactl("jobs", "undo", "last", "--yes")
    assert undone.returncode == 0, undone.stderr
    assert [job[0] for job in jobs(nbactl).values()] == ["missing"]


def test_up_is_what_sends_jobs_here_and_run_says_so(nbactl: Nbactl) -> None:
    declare(nbactl, export=JOB)
    assert nbactl("jobs", "apply", "-q").returncode == 0
    refused = nbactl("jobs", "run", "export")
    assert refused.returncode == 6
    assert "nbactl up" in refused.stderr
    # One that was killed leaves its file behind.
    (nbactl.directory / ".nbactl" / "up.json").write_text(
        json.dumps({"holder": process_identity("up").replace(str(os.getpid()), "999999")})
    )
    assert nbactl("jobs", "run", "export").returncode == 6
    listed = nbactl("jobs", "list")
    assert "`nbactl up` does not run" in listed.stderr


def test_doctor_names_what_is_wrong_with_jobs_while_up_runs(nbactl: Nbactl) -> None:
    declare(nbactl, export=JOB)
    nbactl("jobs", "apply", "-q")

    def found() -> list[tuple[str, str]]:
        checks = json.loads(nbactl("doctor", "-o", "json").stdout)["data"]["checks"]
        return [(one["status"], one["message"]) for one in checks if one["name"] == "jobs"]

    assert found() == [("skipped", "none is sent: `nbactl up` does not run")]
    up: dict[str, object] = {
        "holder": process_identity("up"),
        "started_at": "2026-01-15T12:00:00+00:00",
        "date": None,
        "services": {},
    }
    (nbactl.directory / ".nbactl" / "up.json").write_text(json.dumps(up))
    declare(nbactl, export={**JOB, "schedule": "0 7 * * *"})
    assert found() == [("failed", "export: schedule not as declared")]


def test_a_job_of_another_target_is_none_of_this_machine(nbactl: Nbactl) -> None:
    for words in (("apply",), ("run",), ("pause", "--reason", "a look")):
        refused = nbactl("jobs", words[0], "nbactl-tick", *words[1:])
        assert (refused.returncode, "--target gcp" in refused.stderr) == (4, True), refused.stderr


def test_a_job_that_is_paused_here_is_named_by_expect(nbactl: Nbactl) -> None:
    declare(nbactl, export=JOB)
    nbactl("jobs", "apply", "-q")
    nbactl("jobs", "pause", "export", "--reason", "a look at the trigger", "-q")
    done = nbactl("expect", "--date", "2024-10-25", "-o", "json")
    assert done.returncode == 1
    [held] = json.loads(done.stdout)["data"]["jobs"]
    assert (held["job"], held["what"]) == ("export", "paused: a look at the trigger")
    assert "player_game_summary" in held["outputs"]
    shown = nbactl("expect", "--date", "2024-10-25").stdout
    assert "job export, which player_game_summary and 4 more need: paused: a look at the trigger" in shown

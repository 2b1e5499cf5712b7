from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Nbactl


def _copy_files(folder: Path) -> None:
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        shutil.copy(ROOT / name, folder)


def test_show_tells_the_value_in_force_and_where_it_comes_from(nbactl: Nbactl) -> None:
    (nbactl.directory / "nbactl.toml").write_text('source = "path:games"\nproject = "p"\n')
    done = nbactl("config", "show", "--origin", "--target", "gcp", env={"NBACTL_PROJECT": "q"})
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["target", "flag", "gcp"] in lines
    assert ["project", "env", "NBACTL_PROJECT", "q"] in lines
    assert ["source", "file", "nbactl.toml:1", "path:games"] in lines
    assert ["state_dir", "default", ".nbactl"] in lines


def test_show_as_json(nbactl: Nbactl) -> None:
    data = json.loads(nbactl("config", "show", "--json", "--config-dir", "conf").stdout)["data"]
    settings = {entry["name"]: entry for entry in data["settings"]}
    assert settings["output"] == {
        "name": "output",
        "value": "json",
        "origin": "flag",
        "flag": "--output",
        "variable": "NBACTL_OUTPUT",
    }
    assert data["files"]["timeouts"] == "conf/timeouts.yaml"


def test_the_files_that_come_with_nbactl_are_valid(nbactl: Nbactl) -> None:
    done = nbactl("config", "validate", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"]["counts"]["workflows"]["phases"] == 6


def test_inv_21_every_typo_is_reported_at_once_with_its_place(nbactl: Nbactl) -> None:
    _copy_files(nbactl.directory)
    for name, old, new in (
        ("workflows.yaml", "deadline: analytics", "deadlin: analytics"),
        ("timeouts.yaml", "limit: 60s", "limit: 60"),
        ("flags.yaml", "hash_version: 1", "hash_version: 2"),
    ):
        file = nbactl.directory / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))
    done = nbactl("config", "validate", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "config"
    problems = error["details"]["problems"]
    assert {problem["file"] for problem in problems} == {"workflows.yaml", "timeouts.yaml", "flags.yaml"}
    for problem in problems:
        line = (nbactl.directory / problem["file"]).read_text().splitlines()[problem["line"] - 1]
        assert any(word in line for word in ("deadlin: analytics", "limit: 60", "hash_version: 2"))
        assert f"{problem['file']}:{problem['line']}:{problem['column']}" in done.stderr


def test_inv_10_validate_refuses_a_task_whose_processor_is_not_registered(nbactl: Nbactl) -> None:
    _copy_files(nbactl.directory)
    file = nbactl.directory / "workflows.yaml"
    file.write_text(file.read_text().replace("processor: raw.games", "processor: raw.gmaes", 1))
    done = nbactl("config", "validate")
    assert done.returncode == 2
    assert "'raw.gmaes', which is not registered" in done.stderr
    assert "Did you mean 'raw.games'?" in done.stderr


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("target", ["Where it runs.", "local, gcp", "NBACTL_TARGET"]),
        ("--state-dir", ["state_dir", ".nbactl"]),
        ("timeouts.warehouse.query", ["timeouts.warehouse.query", "limit:  60s", "origin: file "]),
        ("task.scraper", ["180s", "used by:", "tasks.schedule.timeout"]),
        ("phases.phase3", ["phase2", "nba-phase3-analytics-processors"]),
        ("phases.phase3.deadline", ["A name under deadlines in timeouts.yaml"]),
        ("tasks.schedule.isolate", ["none  (the default: not set)"]),
    ],
)
def test_explain(nbactl: Nbactl, key: str, expected: list[str]) -> None:
    done = nbactl("config", "explain", "--", key)
    assert done.returncode == 0
    assert [text for text in expected if text not in done.stdout] == []
    assert json.loads(nbactl("config", "explain", "--json", "--", key).stdout)["ok"] is True


def test_a_timeout_from_the_environment_is_shown_with_its_origin_and_refused_when_wrong(nbactl: Nbactl) -> None:
    env = {"NBACTL_TIMEOUT_WAREHOUSE_QUERY": "90s"}
    assert (
        "origin: env NBACTL_TIMEOUT_WAREHOUSE_QUERY" in nbactl("config", "explain", "warehouse.query", env=env).stdout
    )
    shown = json.loads(nbactl("config", "show", "--origin", "-o", "json", env=env).stdout)["data"]["timeouts"]
    assert shown == [
        {
            "name": "warehouse.query",
            "value": "90s",
            "origin": "env NBACTL_TIMEOUT_WAREHOUSE_QUERY",
            "variable": "NBACTL_TIMEOUT_WAREHOUSE_QUERY",
        }
    ]
    assert "timeouts.warehouse.query" in nbactl("config", "show", env=env).stdout
    assert "NBACTL_TIMEOUT_NAME" in nbactl("help", "environment").stdout
    wrong = {"NBACTL_TIMEOUT_WAREHOUSE_QERY": "90s"}
    refused = nbactl("run", "phase3", env=wrong)
    assert refused.returncode == 2
    assert "Did you mean 'NBACTL_TIMEOUT_WAREHOUSE_QUERY'?" in refused.stderr
    examined = json.loads(nbactl("doctor", "--json", env=wrong).stdout)["data"]["checks"]
    failed = {check["name"]: check["fix"] for check in examined if check["status"] == "failed"}
    assert failed["environment"] == "Did you mean NBACTL_TIMEOUT_WAREHOUSE_QUERY?"
    assert set(failed) == {"environment", "configuration"}
    assert nbactl("flags", "rollback", "--all", "--dry-run", env=wrong).returncode == 0, "the emergency exit is open"


def test_explain_a_misspelt_key(nbactl: Nbactl) -> None:
    done = nbactl("config", "explain", "phases.phse3")
    assert done.returncode == 4
    assert "Did you mean 'phases.phase3'?" in done.stderr


def test_explain_a_short_key_names_the_others_that_end_like_it(nbactl: Nbactl) -> None:
    done = nbactl("config", "explain", "timeout")
    assert "other keys end in 'timeout': services." in done.stderr
    assert "Give the whole key." in done.stderr
    assert nbactl("config", "explain", "tasks.schedule.timeout").stderr == ""
    assert json.loads(nbactl("config", "explain", "timeout", "--json").stdout)["data"]["others"]


def test_a_rollback_to_more_than_a_flag_has_says_so(nbactl: Nbactl) -> None:
    done = nbactl("flags", "rollback", "query_caching", "--to", "99")
    assert (done.returncode, done.stderr) == (0, "Nothing to do: already at 99 % or below. It never raises a flag.\n")


def test_doctor_fails_when_a_check_fails(nbactl: Nbactl) -> None:
    assert nbactl("doctor").returncode == 0
    done = nbactl("doctor", "--source", "path:nowhere", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    data = document["data"]
    assert (document["ok"], document["error"]["code"]) == (False, "check_failed")
    assert data["summary"]["failed"] == 1
    (failed,) = (check for check in data["checks"] if check["status"] == "failed")
    assert (failed["name"], bool(failed["fix"])) == ("source", True)


def test_the_configuration_can_be_checked_when_the_ledger_is_damaged(nbactl: Nbactl) -> None:
    (nbactl.directory / ".nbactl").mkdir()
    (nbactl.directory / ".nbactl" / "documents.db").write_text("garbage, and long enough to be looked at")
    done = nbactl("config", "validate", "--json")
    assert done.returncode == 0, done.stderr
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning.startswith("not compared with recent runs: ")


def test_doctor_tells_of_an_interrupted_run(nbactl: Nbactl) -> None:
    assert nbactl("run", "phase1", env={"NBACTL_FAULTS": "engine.after_effect=kill"}).returncode == -9
    done = nbactl("doctor", "--json")
    checks = json.loads(done.stdout)["data"]["checks"]
    warned = {check["name"]: check for check in checks if check["status"] == "warn"}
    assert set(warned) == {"runs", "leases"}
    assert "nbactl run phase1 --date" in warned["runs"]["fix"]
    assert done.returncode == 0


def test_inv_10_a_phase_whose_last_run_reported_other_tasks_is_reported(nbactl: Nbactl) -> None:
    _copy_files(nbactl.directory)
    assert nbactl("run", "phase1").returncode == 0
    assert json.loads(nbactl("config", "validate", "--json").stdout)["warnings"] == []
    file = nbactl.directory / "workflows.yaml"
    text = file.read_text()
    start = text.index("  phase1:")
    end = text.index("  phase2:")
    phase = text[start:end]
    assert "odds" in phase
    lines = [line for line in phase.splitlines(keepends=True) if "odds" not in line or "description" in line]
    file.write_text(text[:start] + "".join(lines) + text[end:])
    (warning,) = json.loads(nbactl("config", "validate", "--json").stdout)["warnings"]
    assert warning.startswith("phase1: 'odds' reported in run-")
    checks = json.loads(nbactl("doctor", "--json").stdout)["data"]["checks"]
    assert [check["status"] for check in checks if check["name"] == "tasks"] == ["warn"]

"""`nbactl check` as it is called."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.checks.code.rules import RULES

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.integration.cli.conftest import Nbactl

FAULT = """import requests


def load(url):
    try:
        return requests.post(url)
    except:
        return None
"""
FOUND = {"http-no-timeout": 1, "bare-except": 1, "swallowed-exception": 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = tmp_path / "src"
    place.mkdir()
    (place / "load, all.py").write_text(FAULT)
    (place / "clean.py").write_text("x = 1\n")
    return place


def data_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)["data"]
    return found


@pytest.mark.usefixtures("folder")
def test_findings_are_a_failure_and_are_shown_where_they_are(nbactl: Nbactl) -> None:
    done = nbactl("check", "code", "src")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["src/load, all.py:6:16", *["src/load, all.py:7:5"] * 2]
    assert "Checked 2 files: 2 different" in done.stderr
    assert "error: 3 findings" in done.stderr
    assert "nbactl check explain" in done.stderr


@pytest.mark.usefixtures("folder")
def test_json_has_the_keys_of_the_contract(nbactl: Nbactl) -> None:
    done = nbactl("check", "code", "src", "-o", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"], document["error"]["code"]) == (1, False, "check_failed")
    assert document["data"]["summary"] == FOUND
    first = document["data"]["findings"][0]
    assert {key: first[key] for key in ("path", "line", "column", "rule", "severity", "scope")} == {
        "path": "src/load, all.py",
        "line": 6,
        "column": 16,
        "rule": "http-no-timeout",
        "severity": "error",
        "scope": None,
    }
    assert [json.loads(line)["rule"] for line in nbactl("check", "code", "src", "-o", "jsonl").stdout.splitlines()] == [
        each["rule"] for each in document["data"]["findings"]
    ]


@pytest.mark.usefixtures("folder")
def test_clean_code_is_no_failure(nbactl: Nbactl) -> None:
    done = nbactl("check", "code", "src/clean.py", "-o", "json")
    assert (done.returncode, data_of(done)["findings"], data_of(done)["summary"]) == (0, [], {})


@pytest.mark.usefixtures("folder")
def test_annotations_of_github(nbactl: Nbactl) -> None:
    done = nbactl("check", "code", "src", "--format", "github")
    assert done.returncode == 1
    first, *_ = done.stdout.splitlines()
    assert first.startswith("::error file=src/load%2C all.py,line=6,endLine=6,col=16,title=http-no-timeout::")
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.usefixtures("folder")
def test_sarif_has_the_form_of_its_schema(nbactl: Nbactl) -> None:
    """What the schema of SARIF 2.1 and GitHub ask for; the schema itself is not part of the project."""
    done = nbactl("check", "code", "src", "--format", "sarif")
    log = json.loads(done.stdout)
    assert done.returncode == 1
    assert log.keys() == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run.keys() == {"tool", "columnKind", "results"}
    driver = run["tool"]["driver"]
    assert driver.keys() == {"name", "version", "rules"}
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
        assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert result.keys() == {"ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"}
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "src/load%2C%20all.py"}
        assert all(isinstance(value, int) and value >= 1 for value in place["region"].values())
        assert all(isinstance(value, str) for value in result["partialFingerprints"].values())


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "xml"),
        ("--format", "sarif", "-o", "json"),
        ("--rule", "bq-no-timeuot"),
        ("--update-baseline",),
        ("--update-baseline", "--baseline", "b.json", "--rule", "bare-except"),
        ("--dry-run",),
        ("--since", "HEAD"),
    ],
)
def test_options_that_make_no_sense_are_refused(nbactl: Nbactl, arguments: tuple[str, ...]) -> None:
    done = nbactl("check", "code", "src", *arguments)
    assert done.returncode == 2, done.stderr
    assert "next:" in done.stderr or "cause:" in done.stderr


@pytest.mark.usefixtures("folder")
def test_a_path_or_baseline_that_is_missing(nbactl: Nbactl) -> None:
    assert nbactl("check", "code", "nowhere").returncode == 4
    assert nbactl("check", "code", "src", "--baseline", "nowhere.json").returncode == 4


def test_an_old_code_base_starts_clean_and_only_gets_better(nbactl: Nbactl, folder: Path) -> None:
    known = ("check", "code", "src", "--baseline", "known.json", "-o", "json")
    created = nbactl(*known, "--update-baseline")
    assert (created.returncode, data_of(created)["known"], data_of(created)["findings"]) == (0, 3, [])
    text = (folder.parent / "known.json").read_text()
    assert nbactl(*known).returncode == 0

    (folder / "new.py").write_text(FAULT.replace("return None", "return 0"))
    worse = nbactl(*known, "--update-baseline")
    assert worse.returncode == 1
    assert (folder.parent / "known.json").read_text() == text, "a new finding is never added"

    (folder / "new.py").unlink()
    (folder / "load, all.py").write_text(FAULT.replace("except:", "except ValueError:"))
    better = nbactl(*known)
    assert (better.returncode, data_of(better)["known"], data_of(better)["gone"]) == (0, 1, 2)
    assert nbactl(*known, "--update-baseline", "--dry-run").returncode == 0
    assert (folder.parent / "known.json").read_text() == text
    assert nbactl(*known, "--update-baseline").returncode == 0
    (folder / "load, all.py").write_text(FAULT)
    assert data_of(nbactl(*known))["summary"] == {"bare-except": 1, "swallowed-exception": 1}


def test_a_fix_is_shown_first_and_then_written(nbactl: Nbactl, folder: Path) -> None:
    script = folder / "deploy.sh"
    script.write_text("gcloud run deploy api --set-env-vars A=1\n")
    one = ("check", "code", "src", "--rule", "env-replace")
    shown = nbactl(*one, "--fix", "--dry-run")
    assert (shown.returncode, script.read_text()) == (1, "gcloud run deploy api --set-env-vars A=1\n")
    assert "src/deploy.sh:1: env-replace would be fixed" in shown.stdout
    fixed = nbactl(*one, "--fix", "-o", "json")
    assert (fixed.returncode, len(data_of(fixed)["fixed"])) == (0, 1)
    assert script.read_text() == "gcloud run deploy api --update-env-vars A=1\n"
    assert data_of(nbactl(*one, "--fix", "-o", "json"))["fixed"] == []


def test_a_rule_is_explained(nbactl: Nbactl) -> None:
    done = nbactl("check", "explain", "bq-no-timeout")
    assert done.returncode == 0
    assert re.search(r"^why: .*\nfix: ", done.stdout, re.MULTILINE)
    listed = nbactl("check", "explain", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["rule"] for line in listed] == list(RULES)
    assert nbactl("check", "explain", "bq-no-timeuot").returncode == 4

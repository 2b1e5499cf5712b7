"""What holds for every command, tried on a few."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Nbactl


@pytest.mark.parametrize("words", [(), ("flags",), ("flags", "rollout"), ("run",), ("runs", "list")])
def test_h_is_help_everywhere(nbactl: Nbactl, words: tuple[str, ...]) -> None:
    short, long = nbactl(*words, "-h"), nbactl(*words, "--help")
    assert (short.returncode, short.stderr) == (0, "")
    assert short.stdout == long.stdout
    assert short.stdout.count("Usage: ") == 1


def test_yaml_is_the_same_document_on_failure_too(nbactl: Nbactl) -> None:
    good = nbactl("flags", "list", "-o", "yaml")
    assert yaml.safe_load(good.stdout) == json.loads(nbactl("flags", "list", "-o", "json").stdout)
    bad = nbactl("flags", "show", "query_cachin", "-o", "yaml")
    document = yaml.safe_load(bad.stdout)
    assert (bad.returncode, document["ok"], document["error"]["code"]) == (4, False, "not_found")


def test_fields_pick_keys(nbactl: Nbactl) -> None:
    done = nbactl("flags", "list", "-o", "json", "--fields", "percent,key")
    assert all(list(flag) == ["percent", "key"] for flag in json.loads(done.stdout)["data"]["flags"])
    lines = nbactl("flags", "list", "--fields", "key", "-o", "jsonl").stdout.splitlines()
    assert {"key": "query_caching"} in [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("words", "message", "next_step"),
    [
        (("-o", "json", "--fields", "percnt"), "--fields: no field 'percnt'", "Did you mean 'percent'? Known: key"),
        (("-o", "json", "--fields", "key,"), "--fields: 'key,' has an empty name", "Write --fields KEY,KEY."),
        (("--fields", "key"), "--fields picks keys of data, but the output is a table", "Add -o json"),
        (("-o", "xml"), "--output: 'xml' is not one of table, wide, json, jsonl, yaml, csv", "Known:"),
    ],
)
def test_a_wrong_form_of_output_is_refused(
    nbactl: Nbactl, words: tuple[str, ...], message: str, next_step: str
) -> None:
    done = nbactl("flags", "list", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}\n  next:  {next_step}")


def test_utc_shows_times_in_utc(nbactl: Nbactl) -> None:
    nbactl("flags", "set", "query_caching", "--percent", "10", "--yes")
    assert " UTC " in nbactl("flags", "list", "--utc").stdout
    assert " UTC " in nbactl("flags", "list", env={"NBACTL_UTC": "1"}).stdout
    assert " UTC " not in nbactl("flags", "list").stdout


@pytest.mark.parametrize("option", ["--yse", "--ye", "--forc", "--foce"])
def test_yes_and_force_are_never_suggested(nbactl: Nbactl, option: str) -> None:
    done = nbactl("leases", "release", "phase3/2024-01-15", option)
    assert done.returncode == 2
    assert "--yes" not in done.stderr
    assert "--force" not in done.stderr


def test_a_name_that_is_far_from_all_others_gets_no_suggestion(nbactl: Nbactl) -> None:
    assert "Did you mean" not in nbactl("flags", "bananas").stderr


def test_a_guide_ships_with_the_package(nbactl: Nbactl) -> None:
    assert nbactl("help", "guide", "flags").stdout.startswith("# Feature flags\n")
    assert nbactl("help", "resilience").stdout.startswith("# ")
    missing = nbactl("help", "guide", "flagz")
    assert (missing.returncode, missing.stderr) == (
        4,
        "error: there is no guide 'flagz'\n  next:  Did you mean 'flags'?\n",
    )


def test_completion_offers_files_only_where_a_path_is_meant(nbactl: Nbactl) -> None:
    def offered(*words: str) -> list[str]:
        return nbactl(*words, env={"_NBACTL_COMPLETE": "bash"}).stdout.splitlines()

    assert offered("flags", "list", "--state-dir", "") == [":paths:"]
    assert offered("nothing-like-this", "") == []
    assert ":paths:" not in offered("run", "")

"""`nbactl flags adopt`: what is deployed becomes the state in the store, and no service is changed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.cli.flags.services_kit import ANALYTICS, DECLARED, RAW, SCRAPERS, undo_of

if TYPE_CHECKING:
    from tests.integration.cli.flags.services_kit import World

CACHING, SWITCH = "query_caching", "ENABLE_QUERY_CACHING"
COMPLETIONS = ("ENABLE_SUBCOLLECTION_COMPLETIONS", "DUAL_WRITE_MODE", "USE_SUBCOLLECTION_READS")


def everywhere(world: World, **variables: str) -> None:
    for name in DECLARED:
        world.cloud.set_env(name, **variables)


def outcomes(data: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["outcome"] for each in data["flags"]}


def positions(world: World) -> dict[str, float | str | None]:
    """Return percent or `off` of the flags that were set, None for those that never were."""
    lines = world("list")["flags"]
    return {
        each["key"]: (each["percent"] if each["enabled"] else "off") if each["updated_at"] is not None else None
        for each in lines
    }


def in_step(world: World) -> None:
    """Check that a sync changes nothing, and that drift finds nothing."""
    before = world.envs()
    assert world("sync")["changes"] == []
    assert world("drift")["drift"] == []
    assert world.envs() == before
    assert world.cloud.patches() == []


def test_inv_23_before_the_first_adopt_a_sync_is_refused_and_names_it(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true", DUAL_WRITE_MODE="true")
    for more in ((), ("--dry-run",), (CACHING,), ("--service", RAW)):
        error = fresh("sync", *more, code=6)
        assert "nbactl flags adopt" in error["next"]
        assert "10 of 10 flags were never set" in error["cause"]
    assert fresh.cloud.patches() == []
    fresh("set", CACHING, "--on")
    assert "9 of 10 flags were never set" in fresh("sync", code=6)["cause"]


def test_inv_23_a_sync_is_allowed_where_every_flag_was_set_by_hand(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true")
    keys = [each["key"] for each in fresh("list")["flags"]]
    fresh("set", *(key for key in keys if key != "dual_write_mode"), "--percent", "0")
    fresh("set", "dual_write_mode", "--on")
    assert {each["after"] for each in fresh("sync")["changes"]} == {"false"}


def test_inv_23_a_flag_that_was_never_set_is_left_alone_and_named(fresh: World) -> None:
    fresh("adopt")
    everywhere(fresh, ENABLE_QUERY_CACHING="true", QUERY_CACHE_TTL_SECONDS="60", DUAL_WRITE_MODE="maybe")
    data = fresh("sync")
    assert (data["changes"], data["applied"]) == ([], False)
    assert {(each["variable"], each["key"]) for each in data["left_alone"]} == {
        (SWITCH, CACHING),
        ("QUERY_CACHE_TTL_SECONDS", CACHING),
        ("DUAL_WRITE_MODE", "dual_write_mode"),
    }
    said = f"{SWITCH} is left alone on {', '.join(sorted(DECLARED))}: {CACHING} was never set in the store"
    assert said in fresh.warnings
    assert fresh("drift")["drift"] == []
    assert said in fresh.warnings
    assert fresh.cloud.patches() == []
    fresh("set", CACHING, "--percent", "0")
    assert {each["variable"] for each in fresh("sync")["changes"]} == {SWITCH, "QUERY_CACHE_TTL_SECONDS"}


def test_adopt_takes_over_what_is_deployed_and_a_sync_changes_nothing(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true", ENABLE_PARALLEL_CONFIG="false", DUAL_WRITE_MODE="true")
    data = fresh("adopt", "--reason", "first")
    assert outcomes(data) == {
        "phase2_completion_deadline": "not_deployed",
        "subcollection_completions": "not_deployed",
        "dual_write_mode": "adopted",
        "subcollection_reads": "not_deployed",
        CACHING: "adopted",
        "idempotency_keys": "not_deployed",
        "parallel_config": "adopted",
        "centralized_timeouts": "not_deployed",
        "structured_logging": "not_deployed",
        "health_check_metrics": "not_deployed",
    }
    set_now = {key: here for key, here in positions(fresh).items() if here is not None}
    assert set_now == {"dual_write_mode": 100.0, CACHING: 100.0, "parallel_config": 0.0}
    assert fresh("history", CACHING)["history"][0]["reason"] == "first"
    assert fresh("check")["findings"] == []
    in_step(fresh)


@pytest.mark.parametrize(
    ("text", "percent"),
    [("true", 100.0), ("TRUE", 100.0), ("1", 100.0), ("yes", 100.0), ("off", 0.0), ("No", 0.0), ("", None)],
)
def test_every_spelling_of_a_boolean_is_taken_over_and_stays_as_it_is(
    fresh: World, text: str, percent: float | None
) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING=text)
    assert fresh("adopt")["applied"] is True
    assert positions(fresh)[CACHING] == percent
    in_step(fresh)


@pytest.mark.parametrize("text", ["maybe", "2", " ", "tru"])
def test_a_text_that_is_no_boolean_is_named_and_left_alone(fresh: World, text: str) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING=text, ENABLE_PARALLEL_CONFIG="true")
    data = fresh("adopt", code=3)
    assert outcomes(data)[CACHING] == "left"
    assert any(SWITCH in warning and "neither true nor false" in warning for warning in fresh.warnings)
    assert (positions(fresh)[CACHING], positions(fresh)["parallel_config"]) == (None, 100.0)
    in_step(fresh)


def test_services_that_disagree_are_shown_and_nothing_is_taken_over(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="false", ENABLE_PARALLEL_CONFIG="true")
    fresh.cloud.set_env(ANALYTICS, ENABLE_QUERY_CACHING="true")
    for more in ((), ("--dry-run",)):
        data = fresh("adopt", *more, code=6)
        assert outcomes(data)[CACHING] == "disagreement"
        [shown] = [each["deployed"] for each in data["flags"] if each["key"] == CACHING]
        assert (shown[ANALYTICS], shown[RAW]) == ("true", "false")
        assert f"services disagree about {SWITCH}" in fresh.err
        assert f"true on {ANALYTICS}" in fresh.err
    assert set(positions(fresh).values()) == {None}
    assert fresh("sync", code=6)["code"] == "precondition"
    fresh("adopt", CACHING, "--service", ANALYTICS)
    assert positions(fresh)[CACHING] == 100.0
    assert "flags adopt" in fresh("sync", code=6)["next"], "a part is no adoption"
    assert outcomes(fresh("adopt"))[CACHING] == "kept"
    changes = fresh("sync")["changes"]
    assert {each["service"] for each in changes} == set(DECLARED) - {ANALYTICS}
    assert {each["variable"] for each in changes} == {SWITCH}


def test_spellings_of_one_value_are_no_disagreement(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true")
    fresh.cloud.set_env(ANALYTICS, ENABLE_QUERY_CACHING="1")
    fresh.cloud.set_env(RAW, ENABLE_QUERY_CACHING="")
    fresh("adopt")
    in_step(fresh)


def test_a_flag_of_one_service_is_taken_over_and_the_others_are_named(fresh: World) -> None:
    fresh.cloud.set_env(ANALYTICS, ENABLE_QUERY_CACHING="true")
    fresh.cloud.set_env(RAW, DUAL_WRITE_MODE="true")
    fresh("adopt")
    [warning] = fresh.warnings
    assert f"{SWITCH} is set on {ANALYTICS} only" in warning
    assert SCRAPERS in warning
    assert "would follow the store: 100 %" in warning
    in_step(fresh)


def test_a_variable_from_a_secret_is_named_and_left_alone(fresh: World) -> None:
    entries = fresh.cloud.services[RAW]["template"]["containers"][0]["env"]
    next(each for each in entries if each["name"] == "API_KEY")["name"] = SWITCH
    fresh.cloud.set_env(ANALYTICS, ENABLE_QUERY_CACHING="true")
    assert outcomes(fresh("adopt", code=3))[CACHING] == "left"
    assert any(f"it comes from a secret on {RAW}" in warning for warning in fresh.warnings)
    in_step(fresh)


def test_what_was_set_by_hand_stays_and_what_contradicts_it_is_shown(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true", ENABLE_PARALLEL_CONFIG="true")
    fresh("set", CACHING, "--percent", "50")
    data = fresh("adopt")
    [kept] = [each for each in data["flags"] if each["key"] == CACHING]
    assert (kept["outcome"], kept["before"]["percent"]) == ("kept", 50.0)
    assert "true on nba-scrapers" in kept["why"]
    assert positions(fresh)[CACHING] == 50.0
    assert {(each["variable"], each["after"]) for each in fresh("sync")["changes"]} == {(SWITCH, None)}


def test_the_store_and_an_override_here_do_not_decide_what_is_deployed(
    fresh: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true")
    monkeypatch.setenv(SWITCH, "false")
    fresh("adopt")
    assert positions(fresh)[CACHING] == 100.0
    assert fresh("sync")["changes"] == []


def test_adopted_parameters_stay_until_their_flag_is_named(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true", QUERY_CACHE_TTL_SECONDS="60")
    assert fresh("adopt")["parameters"][RAW] == {"QUERY_CACHE_TTL_SECONDS": "60"}
    in_step(fresh)
    fresh.cloud.set_env(RAW, QUERY_CACHE_TTL_SECONDS="90")
    assert [(each["service"], each["before"]) for each in fresh("sync", "--dry-run")["changes"]] == [(RAW, "90")]
    assert len(fresh("sync", CACHING, "--dry-run")["changes"]) == len(DECLARED)


def test_a_second_adopt_has_nothing_to_do(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true")
    first = fresh("adopt")
    again = fresh("adopt")
    assert (again["applied"], again["id"], outcomes(again)[CACHING]) == (False, None, "kept")
    assert f"({first['id']})" in fresh.text("adopt")
    assert len(fresh("history", CACHING)["history"]) == 1
    fresh("set", CACHING, "--percent", "20")
    assert fresh("adopt")["applied"] is False
    assert positions(fresh)[CACHING] == 20.0
    everywhere(fresh, ENABLE_PARALLEL_CONFIG="true")
    assert outcomes(fresh("adopt"))["parallel_config"] == "adopted", "what came since is taken over"


def test_a_dry_run_shows_it_and_writes_nothing(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true")
    data = fresh("adopt", "--dry-run")
    assert (outcomes(data)[CACHING], data["applied"], data["undo"]) == ("adopted", False, [])
    assert set(positions(fresh).values()) == {None}
    assert fresh("sync", code=6)["code"] == "precondition"
    shown = fresh.text("adopt", "--dry-run")
    assert "Dry run: nothing was changed on gcp (test-" in shown
    assert "hush" not in shown + json.dumps(data)


def test_it_asks_first_and_names_place_flags_and_services(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true")
    monkeypatch.delenv("NBACTL_YES")
    message = fresh("adopt", code=2)["message"]
    where = f"{len(DECLARED)} services in us-west2 on gcp ({fresh.env['NBACTL_PROJECT']})"
    assert f"1 flag in the store as deployed on {where}" in message
    assert f"{CACHING}: never set to 100 %" in fresh.err
    assert set(positions(fresh).values()) == {None}


def test_undo_lets_the_flags_be_never_set_again(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true", ENABLE_PARALLEL_CONFIG="true")
    done = fresh("adopt")
    fresh("set", "parallel_config", "--percent", "50")
    words = list(undo_of(done))
    assert fresh(*words, "--dry-run")["removed"] == [CACHING]
    assert positions(fresh)[CACHING] == 100.0
    undone = fresh(*words)
    assert (undone["removed"], undone["kept"]) == ([CACHING], ["parallel_config"])
    assert (positions(fresh)[CACHING], positions(fresh)["parallel_config"]) == (None, 50.0)
    assert fresh("sync", code=6)["code"] == "precondition"
    assert "undone already" in fresh(*words, code=2)["message"]
    assert fresh("adopt", "--undo", "last", code=4)["code"] == "not_found"
    again = fresh("adopt")
    assert outcomes(again)[CACHING] == "adopted"
    assert [each["version"] for each in fresh("history", CACHING)["history"]] == [2, 1]
    fresh("adopt", "--undo", "last")
    assert fresh("adopt", CACHING, "--undo", "last", code=2)["code"] == "usage"


@pytest.mark.parametrize("instant", ["flags.before_adopt", "flags.adopted"])
def test_inv_20_a_killed_adopt_is_carried_on_by_the_same_command(fresh: World, instant: str) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true", DUAL_WRITE_MODE="true", QUERY_CACHE_TTL_SECONDS="60")
    killed = fresh.process("adopt", NBACTL_FAULTS=f"{instant}=kill")
    assert killed.returncode == -9, killed.stderr
    assert {positions(fresh)[key] for key in (CACHING, "dual_write_mode")} in ({None}, {100.0}), "all or nothing"
    fresh("adopt")
    assert {positions(fresh)[key] for key in (CACHING, "dual_write_mode")} == {100.0}
    assert len(fresh("history", CACHING)["history"]) == 1
    in_step(fresh)
    fresh("adopt", "--undo", "last")
    assert set(positions(fresh).values()) == {None}


def test_of_two_operators_at_once_one_takes_over(fresh: World) -> None:
    everywhere(fresh, ENABLE_QUERY_CACHING="true")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: fresh.process("adopt"), range(2)))
    assert {each.returncode for each in done} <= {0, 6}, [each.stderr for each in done]
    assert len(fresh("history", CACHING)["history"]) == 1
    in_step(fresh)


@pytest.mark.parametrize("sets", [("--off",), ("--percent", "0")])
@pytest.mark.parametrize("deployed", [("false", "true", "false"), ("true", "true", "false"), ("", "", "")])
def test_inv_23_a_combination_that_the_readers_refuse_is_never_written(
    fresh: World, sets: tuple[str, ...], deployed: tuple[str, str, str]
) -> None:
    everywhere(fresh, **{name: text for name, text in zip(COMPLETIONS, deployed, strict=True) if text})
    fresh("adopt")
    fresh("set", "subcollection_completions", "--on")
    fresh("set", "dual_write_mode", *sets)
    assert any("its readers refuse" in warning for warning in fresh.warnings)
    before = fresh.envs()
    for more in ((), ("--dry-run",), ("dual_write_mode",), ("--service", RAW)):
        error = fresh("sync", *more, code=6)
        assert "DUAL_WRITE_MODE is false but USE_SUBCOLLECTION_READS is not true" in error["message"]
        assert "nbactl flags set dual_write_mode --on" in error["next"]
    assert fresh.envs() == before
    assert fresh.cloud.patches() == []
    fresh("set", "dual_write_mode", "--on")
    fresh("sync")


def test_inv_23_a_service_that_says_otherwise_of_a_flag_never_set_is_not_left_with_a_refused_combination(
    fresh: World,
) -> None:
    fresh("adopt")
    fresh.cloud.set_env(RAW, ENABLE_SUBCOLLECTION_COMPLETIONS="false", DUAL_WRITE_MODE="false")
    fresh("set", "subcollection_completions", "--on")
    before = fresh.envs()
    error = fresh("sync", code=6)
    assert error["message"].startswith(f"{RAW} would get a combination that its readers refuse")
    assert fresh.envs() == before


@pytest.mark.parametrize("texts", [("true", "false", "false"), ("false", "true", "true"), ("true", "off", "0")])
def test_a_deployed_combination_that_the_readers_refuse_is_not_taken_over(
    fresh: World, texts: tuple[str, str, str]
) -> None:
    everywhere(fresh, **dict(zip(COMPLETIONS, texts, strict=True)))
    fresh("adopt", code=6)
    assert "a combination that its readers refuse" in fresh.err
    assert set(positions(fresh).values()) == {None}


@pytest.mark.parametrize(
    "texts",
    [("true", "true", "false"), ("true", "true", "true"), ("true", "false", "true"), ("false", "false", "false")],
)
def test_every_stage_of_the_completions_is_taken_over(fresh: World, texts: tuple[str, str, str]) -> None:
    everywhere(fresh, **dict(zip(COMPLETIONS, texts, strict=True)))
    fresh("adopt")
    in_step(fresh)


def test_inv_24_without_a_deployed_service_nothing_was_looked_at(fresh: World) -> None:
    fresh("adopt")
    fresh.cloud.services.clear()
    for command in ("adopt", "sync"):
        assert fresh(command, code=4)["message"].startswith("nothing was looked at")


def test_a_service_that_is_missing_or_cannot_be_read_is_named(fresh: World) -> None:
    fresh.cloud.deploy(SCRAPERS, containers=[{"image": "a"}, {"image": "b"}])
    del fresh.cloud.services[RAW]
    fresh("adopt", code=3)
    assert any(SCRAPERS in warning and "was not looked at" in warning for warning in fresh.warnings)
    assert any(warning == f"{RAW} is declared in workflows.yaml, but is not deployed" for warning in fresh.warnings)


def test_a_service_that_is_not_declared_is_named(fresh: World) -> None:
    fresh.cloud.deploy("props-dashboard", {"DUAL_WRITE_MODE": "false"})
    fresh("adopt")
    [warning] = fresh.warnings
    assert "props-dashboard" in warning
    assert "DUAL_WRITE_MODE=false" in warning
    assert positions(fresh)["dual_write_mode"] is None

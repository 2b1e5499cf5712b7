"""`nbactl flags drift`, `sync` and `rollback --env` against deployed services: merged, shown, verified, taken back."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.cli.flags.services_kit import ANALYTICS, DECLARED, RAW, SCRAPERS, World, undo_of


@pytest.fixture
def world(fresh: World) -> World:
    fresh("adopt")
    fresh("set", "query_caching", "structured_logging", "parallel_config", "--percent", "0")
    fresh.cloud.requests.clear()
    return fresh


def contradict(world: World) -> None:
    """Have two services say otherwise than the store."""
    world.cloud.set_env(ANALYTICS, ENABLE_QUERY_CACHING="true", QUERY_CACHE_TTL_SECONDS="60")
    world.cloud.set_env(RAW, ENABLE_STRUCTURED_LOGGING="true")
    world.cloud.requests.clear()


def test_services_that_say_nothing_of_flags_are_in_line(world: World) -> None:
    data = world("drift")
    assert data["drift"] == []
    assert data["compared"] == ["store", "flags.yaml", "environment", "services"]
    assert {each["service"] for each in data["services"]} == set(DECLARED)
    assert world("sync")["changes"] == []
    assert world.cloud.patches() == []


def test_drift_names_the_service_that_overrides_a_percentage(world: World) -> None:
    world("set", "query_caching", "--percent", "50")
    contradict(world)
    found = world("drift", code=1)["drift"]
    assert [(each["service"], each["key"], each["kind"]) for each in found] == [
        (RAW, "structured_logging", "environment"),
        (ANALYTICS, "query_caching", "environment"),
        (ANALYTICS, "query_caching", "parameter"),
    ]
    assert found[1]["message"] == (
        f"query_caching is at 50 % in the store, and ENABLE_QUERY_CACHING=true on {ANALYTICS} wins there"
    )
    assert found[1]["fix"] == f"nbactl flags sync query_caching --service {ANALYTICS}"
    assert [each for each in world.cloud.requests if each.method != "GET"] == []
    services = {each["service"]: each["variables"] for each in world("drift", code=1)["services"]}
    caching = next(each for each in services[ANALYTICS] if each["name"] == "ENABLE_QUERY_CACHING")
    assert (caching["standing"], caching["value"], caching["wanted"]) == ("differs", "true", None)


def test_drift_says_which_services_it_could_not_compare(world: World) -> None:
    world.cloud.deploy(SCRAPERS, containers=[{"image": "a"}, {"image": "b"}])
    del world.cloud.services[RAW]
    world.cloud.pin(ANALYTICS)
    world.cloud.set_env(ANALYTICS, ANYTHING="x")
    kinds = {each["service"]: each["kind"] for each in world("drift", code=1)["drift"]}
    assert kinds == {SCRAPERS: "unreadable", RAW: "not_deployed", ANALYTICS: "traffic"}
    assert f"gcloud run services update-traffic {ANALYTICS} --to-latest --region us-west2" in world.text("drift")


@pytest.mark.parametrize(("arrange", "code"), [("hidden", 5), ("away", 7)])
def test_drift_compares_the_rest_when_no_service_can_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch, arrange: str, code: int
) -> None:
    world.cloud.hidden = True
    monkeypatch.setenv("ENABLE_QUERY_CACHING", "true")
    if arrange == "away":
        monkeypatch.setenv("CLOUD_RUN_EMULATOR_HOST", "127.0.0.1:9")
    data = world("drift", code=code)
    assert data["compared"] == ["store", "flags.yaml", "environment"]
    assert [each["key"] for each in data["drift"]] == ["query_caching"]


def test_inv_13_sync_merges_what_contradicts_and_touches_nothing_else(world: World) -> None:
    world("set", "query_caching", "--percent", "50")
    contradict(world)
    before = copy.deepcopy(world.cloud.services)
    data = world("sync", "--reason", "left from a test")
    assert [(each["service"], each["variable"], each["before"], each["after"]) for each in data["changes"]] == [
        (RAW, "ENABLE_STRUCTURED_LOGGING", "true", "false"),
        (ANALYTICS, "ENABLE_QUERY_CACHING", "true", None),
        (ANALYTICS, "QUERY_CACHE_TTL_SECONDS", "60", "3600"),
    ]
    assert [(each["service"], each["status"], each["traffic_percent"]) for each in data["services"]] == [
        (RAW, "done", 100),
        (ANALYTICS, "done", 100),
    ]
    plain = {"LOG_LEVEL": "info", "PASSWORD": "hush"}
    assert world.cloud.env(RAW) == {**plain, "ENABLE_STRUCTURED_LOGGING": "false"}
    assert world.cloud.env(ANALYTICS) == {**plain, "QUERY_CACHE_TTL_SECONDS": "3600"}
    assert {each.path.rpartition("/")[2] for each in world.cloud.patches()} == {RAW, ANALYTICS}
    for name in set(DECLARED) - {RAW, ANALYTICS}:
        assert world.cloud.services[name] == before[name]
    assert world("drift")["drift"] == []
    assert "hush" not in json.dumps(data) + world.err + world.text("drift") + world.text("sync")


def test_inv_13_the_printed_command_takes_a_change_back_and_that_can_be_taken_back(world: World) -> None:
    world("set", "query_caching", "--percent", "50")
    contradict(world)
    before = world.envs()
    forth = world("sync")
    between = world.envs()
    assert between != before
    back = world(*undo_of(forth))
    assert world.envs() == before
    assert {(each["variable"], each["before"], each["after"]) for each in back["changes"]} == {
        (each["variable"], each["after"], each["before"]) for each in forth["changes"]
    }
    assert "undone already" in world(*undo_of(forth), code=2)["message"]
    world(*undo_of(back))
    assert world.envs() == between


def test_undo_last_takes_back_one_change_after_the_other(world: World) -> None:
    world.cloud.set_env(RAW, ENABLE_QUERY_CACHING="true")
    first = world.envs()
    world("sync")
    world.cloud.set_env(RAW, ENABLE_PARALLEL_CONFIG="true")
    second = world.envs()
    world("sync")
    world("sync", "--undo", "last")
    assert world.envs() == second
    world("sync", "--undo", "last")
    assert world.cloud.env(RAW) == {**first[RAW], "ENABLE_PARALLEL_CONFIG": "true"}
    assert world("sync", "--undo", "last", code=4)["message"] == "there is no change to undo"


def test_a_change_that_has_nothing_left_to_bring_back_counts_as_taken_back(world: World) -> None:
    world.cloud.set_env(RAW, ENABLE_QUERY_CACHING="true")
    data = world("sync")
    world.cloud.set_env(RAW, ENABLE_QUERY_CACHING="true")
    world.cloud.requests.clear()
    assert world(*undo_of(data))["changes"] == []
    assert world(*undo_of(data), code=2)["next"] is None
    assert world.cloud.patches() == []


def test_inv_13_undo_does_not_overwrite_what_somebody_set_since(world: World) -> None:
    contradict(world)
    data = world("sync")
    world.cloud.set_env(RAW, ENABLE_STRUCTURED_LOGGING="yes")
    answer = world(*undo_of(data), code=6)
    assert {each["service"]: each["status"] for each in answer["services"]} == {RAW: "precondition", ANALYTICS: "done"}
    assert world.cloud.env(RAW)["ENABLE_STRUCTURED_LOGGING"] == "yes"
    assert world.cloud.env(ANALYTICS)["ENABLE_QUERY_CACHING"] == "true"
    assert f"ENABLE_STRUCTURED_LOGGING of {RAW} was changed since" in world.err


def test_inv_13_a_dry_run_shows_the_difference_and_sends_nothing(world: World) -> None:
    contradict(world)
    before = copy.deepcopy(world.cloud.services)
    data = world("sync", "--dry-run")
    assert (len(data["changes"]), data["applied"], data["id"], data["undo"]) == (3, False, None, [])
    shown = world.text("sync", "--dry-run")
    assert f"{ANALYTICS}\n  ~ ENABLE_QUERY_CACHING = true becomes false\n      query_caching is at 0 %\n" in shown
    assert "Dry run: nothing was changed on gcp" in shown
    assert world.cloud.patches() == []
    assert world.cloud.services == before
    assert world("sync", "--undo", "last", code=4)["code"] == "not_found"


def test_inv_13_it_asks_first_and_without_a_terminal_it_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    contradict(world)
    monkeypatch.delenv("NBACTL_YES")
    answer = world("sync", code=2)
    assert answer["message"].startswith("confirmation needed: Change 3 variables of 2 services on gcp (test-")
    assert "  ~ ENABLE_QUERY_CACHING = true becomes false" in world.err
    assert world.cloud.patches() == []


def test_names_of_flags_and_services_narrow_it_down(world: World) -> None:
    contradict(world)
    data = world("sync", "query_caching", "--service", ANALYTICS, "--dry-run")
    assert {each["variable"] for each in data["changes"]} == {"ENABLE_QUERY_CACHING", "QUERY_CACHE_TTL_SECONDS"}
    assert world("sync", "query_caching", "--service", RAW)["changes"] == []
    assert world("sync", "query_cashing", code=4)["next"] == "Did you mean 'query_caching'?"
    assert world("sync", "--service", "nowhere", code=4)["message"].startswith("there is no service nowhere")
    assert world("sync", "query_caching", "--undo", "last", code=2)["code"] == "usage"


def test_a_service_that_is_not_declared_is_left_alone_unless_it_is_named(world: World) -> None:
    world.cloud.deploy("props-dashboard", {"ENABLE_QUERY_CACHING": "true"})
    assert [each["kind"] for each in world("drift", code=1)["drift"]] == ["undeclared"]
    assert world("sync")["changes"] == []
    assert len(world("sync", "--service", "props-dashboard")["changes"]) == 1


def test_a_failure_of_one_service_does_not_keep_the_others_from_theirs(world: World) -> None:
    for name in (SCRAPERS, RAW, ANALYTICS):
        world.cloud.set_env(name, ENABLE_QUERY_CACHING="true")
    world.cloud.forbidden = {SCRAPERS}
    world.cloud.before_patch = lambda name: world.cloud.set_env(name, LOG_LEVEL="debug") if name == RAW else None
    data = world("sync", code=5)
    assert {each["service"]: each["status"] for each in data["services"]} == {
        SCRAPERS: "not_authorised",
        RAW: "precondition",
        ANALYTICS: "done",
    }
    assert world.cloud.env(RAW)["LOG_LEVEL"] == "debug"
    assert world.cloud.env(ANALYTICS)["ENABLE_QUERY_CACHING"] == "false"
    assert "the change failed for 2 of 3 services" in world.err
    world.cloud.forbidden = set()
    world.cloud.before_patch = lambda _: None
    assert len(world("sync")["changes"]) == 2, "the same command carries on with what is left"


def test_a_revision_that_does_not_start_tells_why_and_how_to_take_it_back(world: World) -> None:
    world.cloud.set_env(RAW, ENABLE_QUERY_CACHING="true")
    world.cloud.services[RAW]["template"]["containers"][0]["env"].append({"name": "CRASH", "value": "yes"})
    data = world("sync", code=1)
    (service,) = data["services"]
    assert service["status"] == "deploy_failed"
    assert "failed to start and listen on the port" in service["error"]["cause"]
    assert f"undo: nbactl flags sync --undo {data['id']}" in world.err
    world(*undo_of(data), code=1)
    assert world.cloud.env(RAW)["ENABLE_QUERY_CACHING"] == "true"


def test_a_pinned_service_says_that_its_new_revision_gets_nothing(world: World) -> None:
    world.cloud.set_env(RAW, ENABLE_QUERY_CACHING="true")
    pinned = world.cloud.pin(RAW)
    data = world("sync", code=3)
    assert [(each["status"], each["traffic_percent"]) for each in data["services"]] == [("done", 0)]
    (warning,) = world.warnings
    assert f"the new revision of {RAW} gets 0 % of its requests: they are pinned to {pinned}" in warning
    assert f"gcloud run services update-traffic {RAW} --to-latest --region us-west2" in warning
    assert world.cloud.services[RAW]["traffic"][0]["revision"] == pinned


def test_a_flag_whose_variable_is_a_secret_is_left_alone_and_said(world: World) -> None:
    entries = world.cloud.services[RAW]["template"]["containers"][0]["env"]
    next(each for each in entries if each["name"] == "API_KEY")["name"] = "ENABLE_QUERY_CACHING"
    world.cloud.set_env(RAW, ENABLE_PARALLEL_CONFIG="true")
    data = world("sync", code=3)
    assert [(each["variable"], each["key"]) for each in data["refused"]] == [("ENABLE_QUERY_CACHING", "query_caching")]
    assert [each["variable"] for each in data["changes"]] == ["ENABLE_PARALLEL_CONFIG"]
    assert any("comes from a secret" in each for each in world.warnings)
    assert entries[1]["valueSource"]


@pytest.mark.parametrize("instant", ["service_env.saved", "cloudrun.sent", "service_env.applied"])
def test_inv_20_a_killed_sync_is_carried_on_by_the_same_command_and_can_be_taken_back(
    world: World, instant: str
) -> None:
    contradict(world)
    before = world.envs()
    killed = world.process("sync", NBACTL_FAULTS=f"{instant}=kill")
    assert killed.returncode == -9, killed.stderr
    for name in (RAW, ANALYTICS):  # Cloud Run goes on by itself
        if world.cloud.services[name].get("reconciling"):
            world.cloud._finish(name)
    again = world("sync")
    assert any("was not finished" in each for each in world.warnings)
    assert world("drift")["drift"] == []
    world("sync")
    assert world.warnings == []
    world(*undo_of(again))
    world("sync", "--undo", "last")
    assert world.envs() == before


@pytest.mark.parametrize("instant", ["service_env.saved", "cloudrun.sent", "service_env.applied"])
def test_inv_20_a_killed_undo_is_carried_on_by_the_same_command(world: World, instant: str) -> None:
    contradict(world)
    before = world.envs()
    data = world("sync")
    killed = world.process(*undo_of(data), NBACTL_FAULTS=f"{instant}=kill")
    assert killed.returncode == -9, killed.stderr
    for name in (RAW, ANALYTICS):
        if world.cloud.services[name].get("reconciling"):
            world.cloud._finish(name)
    world(*undo_of(data))
    assert world.envs() == before


def test_inv_13_nothing_is_sent_before_it_is_saved(world: World) -> None:
    contradict(world)
    failed = world.process("sync", NBACTL_FAULTS="service_env.saved=fail")
    assert failed.returncode == 7
    assert world.cloud.patches() == []


def test_two_operators_at_once_leave_the_services_in_line(world: World) -> None:
    for name in DECLARED:
        world.cloud.set_env(name, ENABLE_QUERY_CACHING="true")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: world.process("sync"), range(2)))
    assert {each.returncode for each in done} <= {0, 6}, [each.stderr for each in done]
    assert world("drift")["drift"] == []
    assert len(world.cloud.patches()) >= len(DECLARED)


def test_rollback_by_environment_needs_no_store_and_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.cloud.set_env(ANALYTICS, ENABLE_QUERY_CACHING="true")
    before = world.envs()
    store = world.env["FIRESTORE_EMULATOR_HOST"]
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")
    dry = world("rollback", "query_caching", "--env", "--dry-run")
    assert dry["environment"] == {"ENABLE_QUERY_CACHING": "false"}
    assert world.envs() == before
    data = world("rollback", "query_caching", "structured_logging", "--env", "--reason", "all on fire")
    switched = {"ENABLE_QUERY_CACHING": "false", "ENABLE_STRUCTURED_LOGGING": "false"}
    assert all(world.cloud.env(name).items() >= switched.items() for name in DECLARED)
    assert {each["service"] for each in data["services"]} == set(DECLARED)
    world(*undo_of(data))
    assert world.envs() == before
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", store)
    assert world("rollback", "query_caching", "--env")["applied"]
    world("sync", "--undo", "last")
    assert world.envs() == before


def test_rollback_by_environment_works_with_a_broken_flags_file(world: World) -> None:
    (world.folder / "flags.yaml").write_text("flags: [")
    world("rollback", "--all", "--env")
    assert world.cloud.env(RAW)["ENABLE_QUERY_CACHING"] == "false"
    assert len([name for name in world.cloud.env(RAW) if name.startswith("ENABLE_")]) == 8


def test_rollback_by_environment_goes_on_where_one_service_fails(world: World) -> None:
    world.cloud.forbidden = {SCRAPERS}
    data = world("rollback", "query_caching", "--env", code=5)
    assert sorted(each["status"] for each in data["services"]) == ["done"] * (len(DECLARED) - 1) + ["not_authorised"]


def test_on_local_there_are_no_services(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBACTL_TARGET", "local")
    assert "On target local there are no deployed services" in world.text("drift")
    assert world("sync", code=4)["code"] == world("sync", "--dry-run", code=4)["code"] == "not_found"
    assert "On target local there are no deployed services" in world.text("sync")
    assert world("drift")["compared"] == ["store", "flags.yaml", "environment"]
    assert world("sync", "--undo", "last", code=4)["code"] == "not_found"
    assert world("adopt", code=4)["code"] == world("adopt", "--undo", "last", code=4)["code"] == "not_found"
    assert "export ENABLE_QUERY_CACHING=false" in world.text("rollback", "--all", "--env")
    assert world.cloud.requests == []

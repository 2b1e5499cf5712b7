"""`services list|show|health|smoke|diff` on services of the loopback Cloud Run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.core.observe.masking import MASK

if TYPE_CHECKING:
    from tests.integration.cli.services.conftest import Deployed

COORDINATOR, EXPORT, SCRAPERS = "prediction-coordinator", "phase6-export", "nba-scrapers"
OTHERS = "billing-of-another-team"
CI = "ci@nba-props-platform.iam.gserviceaccount.com"


def test_the_list_has_a_row_a_service_with_what_the_operator_asks_first(deployed: Deployed) -> None:
    deployed.declared = {COORDINATOR: {"min_instances": 1, "max_instances": 20}}
    deployed.cloud.deploy(OTHERS)
    old = deployed.cloud.pin(EXPORT)
    deployed.cloud.redeploy(EXPORT, by=CI)
    deployed.cloud.set_env(SCRAPERS, CRASH="1")
    rows = {row["service"]: row for row in deployed.json("list")["data"]["services"]}
    drifted = rows[COORDINATOR]
    assert (drifted["state"], drifted["drift"], drifted["min_instances"], drifted["max_instances"]) == (
        "ready",
        1,
        0,
        20,
    )
    assert drifted["image_tag"] == "7"
    pinned = rows[EXPORT]
    assert (pinned["traffic"], pinned["latest_percent"], pinned["follows_latest"]) == ("pinned", 0, False)
    assert pinned["deployed_by"] == CI
    assert pinned["revision"] != old
    assert rows[SCRAPERS]["state"] == "not ready"
    assert "failed to start" in rows[SCRAPERS]["problem"]
    assert (rows[OTHERS]["declared"], rows[OTHERS]["drift"]) == (False, None)
    done = deployed.nbactl("list")
    assert done.returncode == 0
    heading, *lines = done.stdout.splitlines()
    assert heading.split()[:6] == ["SERVICE", "STATE", "TRAFFIC", "INSTANCES", "IMAGE", "DRIFT"]
    (other,) = [line for line in lines if line.startswith(OTHERS)]
    assert "not declared" in other


def test_the_list_shows_each_region_and_one_that_does_not_answer_hides_no_other(deployed: Deployed) -> None:
    deployed.declared = {COORDINATOR: {"region": "us-west1"}}
    west = deployed.cloud.at("us-west1")
    west.deploy(COORDINATOR)
    rows = [row for row in deployed.json("list")["data"]["services"] if row["service"] == COORDINATOR]
    assert {row["region"]: row["declared"] for row in rows} == {"us-west2": False, "us-west1": True}
    west.hidden = True
    done = deployed.nbactl("list")
    assert done.returncode == 5
    assert EXPORT in done.stdout
    assert "us-west1" in done.stderr
    assert "run.services.list" in done.stderr


def test_a_region_without_any_service_is_no_success(deployed: Deployed) -> None:
    done = deployed.nbactl("list", "--region", "us-west9")
    assert done.returncode == 4
    assert "no service is deployed in us-west9 of nba-props-platform" in done.stderr
    assert deployed.json("list", "--region", "us-west9")["ok"] is False


def test_a_service_is_shown_with_what_it_has_and_since_when(deployed: Deployed) -> None:
    deployed.cloud.set_env(COORDINATOR, MODE="slow", LOGIN_TOKEN="eyJhbGciOi.abc")  # noqa: S106
    deployed.cloud.redeploy(COORDINATOR, by=CI, timeout="300s")
    done = deployed.nbactl("show", COORDINATOR)
    assert done.returncode == 0
    text = done.stdout
    assert "a new revision gets 100 %" in text
    assert "9m00s" not in text
    assert "by ci)" in text
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert lines["MODE"].split()[1] == "slow"
    assert lines["MODE"].endswith("someone")
    assert "at least" not in lines["MODE"]
    assert "at least" in lines["TOPIC"]
    assert "a secret" in lines["API_KEY"]
    assert "***" in lines["LOGIN_TOKEN"]
    assert "eyJ" not in text + done.stderr
    data = deployed.json("show", COORDINATOR)["data"]
    assert data["env"]["LOGIN_TOKEN"] == MASK
    assert data["service"]["secrets"] == ["API_KEY"]
    assert data["revisions"][0]["deployed_by"] == CI
    ages = {age["name"]: age for age in data["ages"]}
    assert (ages["timeout"]["by"], ages["timeout"]["at_least"]) == (CI, False)
    assert ages["concurrency"]["at_least"]


def test_a_service_of_another_team_is_marked_and_an_unknown_one_gets_a_suggestion(deployed: Deployed) -> None:
    deployed.cloud.deploy(OTHERS)
    assert "workflows.yaml does not name it" in deployed.nbactl("show", OTHERS).stdout
    unknown = deployed.nbactl("show", "prediction-cordinator")
    assert unknown.returncode == 4
    assert f"Did you mean '{COORDINATOR}'?" in unknown.stderr
    deployed.cloud.at("us-west1").deploy("prediction-worker")
    for words in (["show"], ["health"], ["smoke"]):
        elsewhere = deployed.nbactl(*words, "prediction-worker")
        assert elsewhere.returncode == 4
        assert "It is in us-west1" in elsewhere.stderr
    assert deployed.nbactl("health", "nba-scraper").returncode == 4
    assert deployed.nbactl("diff", OTHERS).returncode == 4
    deployed.cloud.hidden = True
    refused = deployed.nbactl("show", COORDINATOR)
    assert refused.returncode == 5
    assert "run.services.get" in refused.stderr
    assert "roles/run.viewer" in refused.stderr


def test_health_asks_each_service_and_fails_for_one_that_is_not_well(deployed: Deployed) -> None:
    done = deployed.nbactl("health")
    assert done.returncode == 0
    assert done.stdout.count("pass") == len(deployed.cloud.services)
    deployed.routes.answers[EXPORT, "/health"] = (503, {"status": "fail", "output": "documents: no answer"})
    deployed.routes.answers[SCRAPERS, "/health"] = (200, "OK")
    document = deployed.json("health", EXPORT, SCRAPERS, COORDINATOR)
    states = {row["service"]: (row["state"], row["detail"]) for row in document["data"]["services"]}
    assert states[EXPORT] == ("fail", "documents: no answer")
    assert states[SCRAPERS] == ("up", "200 without a health report")
    assert states[COORDINATOR] == ("pass", "")
    assert document["error"]["message"] == "1 service is not healthy"


def test_incident_11_a_green_health_does_not_hide_a_route_that_fails(deployed: Deployed) -> None:
    deployed.declared = {
        COORDINATOR: {"smoke": {"path": "/status", "method": "GET"}},
        EXPORT: {"smoke": {"path": "/export", "push": True, "body": {"target_date": "x"}, "expect": 400}},
    }
    deployed.routes.answers[COORDINATOR, "/status"] = (500, {"error": "No module named 'shared'"})
    deployed.routes.answers[EXPORT, "/export"] = (400, {"error": "no date"})
    done = deployed.nbactl("smoke", COORDINATOR, EXPORT, SCRAPERS)
    assert done.returncode == 1
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "broken" in lines[COORDINATOR]
    assert 'answered 500, not 200: {"error": "No module named \'shared\'"}' in lines[COORDINATOR]
    assert "Its /health is green all the same." in lines[COORDINATOR]
    assert "works" in lines[EXPORT]
    assert "no smoke" in lines[SCRAPERS]
    assert f"1 service is not working\n  next:  nbactl logs first-error {COORDINATOR}" in done.stderr
    pushed = [body for name, method, _, _, body in deployed.routes.calls if (name, method) == (EXPORT, "POST")]
    assert pushed[0]["message"]["data"] == "eyJ0YXJnZXRfZGF0ZSI6ICJ4In0="
    assert deployed.nbactl("smoke", EXPORT).returncode == 0
    ids = [body["message"]["messageId"] for *_, body in deployed.routes.calls if body]
    assert len(set(ids)) == len(ids)


def test_a_smoke_of_services_that_declare_none_is_no_success(deployed: Deployed) -> None:
    done = deployed.nbactl("smoke", SCRAPERS)
    assert done.returncode == 1
    assert "none of them declares a route" in done.stderr


def test_incident_9_a_deployment_that_resets_what_was_mended_is_named(deployed: Deployed) -> None:
    deployed.declared = {COORDINATOR: {"min_instances": 1}}
    for by, least in ((CI, 0), ("ana@example.com", 1), (CI, 0), ("ana@example.com", 1), (CI, 0)):
        deployed.cloud.redeploy(COORDINATOR, by=by, scaling={"minInstanceCount": least, "maxInstanceCount": 20})
    assert deployed.nbactl("diff").returncode == 0
    done = deployed.nbactl("diff", "--detailed-exitcode")
    assert done.returncode == 3
    first, cause, fix = done.stdout.splitlines()
    assert first == f"{COORDINATOR}: min_instances is 0, declared 1"
    assert cause.strip() == (
        f"So since {COORDINATOR}-00006-oth by {CI}. It came back twice after it was mended; "
        f"brought by {CI} twice, deployer@nba-props-platform.iam.gserviceaccount.com."
    )
    assert fix.strip() == f"next: nbactl services apply {COORDINATOR}"
    assert "1 of 7 declared services differ." in done.stderr
    (found,) = deployed.json("diff", COORDINATOR)["data"]["differences"]
    assert (found["name"], found["wanted"], found["found"], found["returned"]) == ("min_instances", 1, 0, 2)
    assert deployed.nbactl("apply", COORDINATOR, "--yes").returncode == 0
    assert deployed.nbactl("diff", "--detailed-exitcode").returncode == 0


def test_a_drift_that_was_mended_with_nbactl_and_came_back_names_the_change(deployed: Deployed) -> None:
    deployed.declared = {COORDINATOR: {"max_instances": 5}}
    done = deployed.nbactl("apply", COORDINATOR, "--yes")
    assert done.returncode == 0, done.stderr
    assert deployed.json("diff", COORDINATOR)["data"]["problems"] == []
    deployed.cloud.redeploy(COORDINATOR, by=CI, scaling={"maxInstanceCount": 20})
    (found,) = deployed.json("diff", COORDINATOR)["data"]["differences"]
    assert (found["returned"], found["brought_by"][CI]) == (1, 1)
    assert found["mended_with"] in done.stderr
    (problem,) = deployed.json("diff", COORDINATOR)["data"]["problems"]
    assert f"({found['mended_with']})" in problem["cause"]


def test_incident_8_variables_that_a_deployment_dropped_are_found_without_a_declaration(deployed: Deployed) -> None:
    container = deployed.cloud.services[EXPORT]["template"]["containers"][0]
    deployed.cloud.redeploy(EXPORT, by=CI, containers=[{**container, "env": [{"name": "MODE", "value": "slow"}]}])
    deployed.cloud.redeploy(EXPORT, by=CI)
    (problem,) = deployed.json("diff")["data"]["problems"]
    assert problem["message"] == "lost 3 variables: API_KEY, GCP_PROJECT, TOPIC"
    assert problem["cause"].startswith(f"{CI} deployed {EXPORT}-00002-oth without them")
    assert problem["fix"] == f"nbactl services rollback {EXPORT} --revision {EXPORT}-00001-abc"
    assert problem["grave"]
    assert deployed.nbactl(*problem["fix"].split()[2:], "--yes").returncode == 0
    assert deployed.cloud.services[EXPORT]["trafficStatuses"][0]["revision"] == f"{EXPORT}-00001-abc"


def test_plain_variables_that_were_dropped_are_brought_back(deployed: Deployed) -> None:
    container = deployed.cloud.services[EXPORT]["template"]["containers"][0]
    key = next(entry for entry in container["env"] if entry["name"] == "API_KEY")
    deployed.cloud.redeploy(EXPORT, by=CI, containers=[{**container, "env": [key]}])
    (problem,) = deployed.json("diff")["data"]["problems"]
    assert problem["fix"] == f"nbactl services env set {EXPORT} --from {EXPORT}-00001-abc"
    assert deployed.nbactl(*problem["fix"].split()[2:], "--yes").returncode == 0
    assert deployed.json("diff")["data"]["problems"] == []


def test_incident_10_a_pinned_service_is_found_before_and_after_the_next_deployment(deployed: Deployed) -> None:
    old = deployed.cloud.pin(EXPORT)
    (before,) = deployed.json("diff")["data"]["problems"]
    assert (before["kind"], before["message"]) == ("pinned", "a new revision will get 0 %")
    deployed.cloud.redeploy(EXPORT)
    (after,) = deployed.json("diff")["data"]["problems"]
    assert (after["kind"], after["cause"]) == ("no_traffic", f"All requests go to {old}.")
    assert after["fix"] == f"nbactl services traffic {EXPORT} --to-latest"
    assert deployed.nbactl(*after["fix"].split()[2:], "--yes").returncode == 0
    assert deployed.json("diff")["data"]["problems"] == []


def test_what_is_not_deployed_differs_and_other_teams_services_are_named(deployed: Deployed) -> None:
    deployed.cloud.deploy(OTHERS)
    del deployed.cloud.services[EXPORT]
    data = deployed.json("diff")["data"]
    assert [(problem["service"], problem["kind"]) for problem in data["problems"]] == [(EXPORT, "missing")]
    assert data["undeclared"] == [OTHERS]
    assert "as declared" in deployed.nbactl("diff", SCRAPERS).stderr


def test_a_value_that_looks_like_a_secret_is_in_no_output(deployed: Deployed) -> None:
    deployed.declared = {COORDINATOR: {"env": {"API_PASSWORD": "hunter22-declared"}}}
    deployed.cloud.set_env(COORDINATOR, API_PASSWORD="hunter22-deployed")  # noqa: S106
    for words in (["diff"], ["diff", "-o", "json"], ["show", COORDINATOR], ["show", COORDINATOR, "-o", "json"]):
        done = deployed.nbactl(*words)
        assert "API_PASSWORD" in done.stdout
        assert "hunter22" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["..", "nba-scrapers?x=1", "nba-scrapers#x", "nba-scrapers/revisions/nba-scrapers-00001-abc"]
)
def test_a_name_that_is_a_path_of_the_api_is_no_service(deployed: Deployed, name: str) -> None:
    error = deployed.json("show", name)["error"]
    assert (error["code"], error["message"]) == ("not_found", f"there is no service {name}")
    assert error["next"].endswith("nbactl services list")

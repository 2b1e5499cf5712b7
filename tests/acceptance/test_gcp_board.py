"""What services did without nbactl is on its board, whatever shape their documents and tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.ports.documents import Set
from nbactl.ports.warehouse import Column, TableSchema
from tests.acceptance.gcp_night import night
from tests.kit import production

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.gcp_night import Night

DAY = "2025-01-14"
ANALYTICS, PRECOMPUTE = "nba-phase3-analytics-processors", "nba-phase4-precompute-processors"
SUMMARY = "nba_analytics.team_offense_game_summary"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, firestore_address: str) -> Iterator[Night]:
    """A project in which the orchestrators did a night; its services say that they wrote seven rows."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "source").mkdir()
    with night(folder, firestore_address, folder / "source", lambda *_: 7) as opened:
        opened.documents.commit(
            [Set(f"phase2_completion/{DAY}", production.phase_document(production.PHASE2, **production.triggered()))]
        )
        dates = {"start_date": DAY, "end_date": DAY}
        post(opened, ANALYTICS, "/process-date-range", {**dates, "processors": [camel(n) for n in production.PHASE3]})
        post(opened, PRECOMPUTE, "/process-date", {"analysis_date": DAY, "processors": names4()})
        yield opened


def names4() -> list[str]:
    return [camel(name) for name in production.PHASE4 if name != "ml_feature_store"] + ["MLFeatureStoreProcessor"]


def camel(name: str) -> str:
    """Return the name of a processor's class."""
    return "".join(map(str.capitalize, name.split("_"))) + "Processor"


def post(project: Night, service: str, path: str, body: dict[str, Any]) -> None:
    """Call a service as an orchestrator does."""
    headers = {"Content-Type": "application/json", "x-correlation-id": "orchestrator-1"}
    url = project.services.urls[service] + path
    requests = pytest.importorskip("requests")
    with requests.post(url, json=body, headers=headers, timeout=60) as answer:
        assert answer.json()["status"] == "success"


def test_inv_29_what_services_did_without_nbactl_is_not_missing(project: Night) -> None:
    document = project("status", "--date", DAY)
    phases = {phase["name"]: phase for phase in document["data"]["phases"]}
    for name in ("phase2", "phase3", "phase4"):
        phase = phases[name]
        assert (phase["state"], phase["by"]) == ("succeeded", "orchestrator"), name
        assert (phase["missing"], phase["failed"], len(phase["done"])) == ([], [], 5)


def test_inv_29_runs_list_has_the_runs_of_production(project: Night) -> None:
    runs = project("runs", "list", "--date", DAY)["data"]["runs"]
    assert sorted(run["name"] for run in runs) == sorted([*map(camel, production.PHASE3), *names4()])
    assert {(run["status"], run["origin"], run["tasks"][0]["rows"]) for run in runs} == {("succeeded", "production", 7)}


def test_a_phase_document_of_another_shape_is_shown_as_far_as_it_can_be_read(project: Night) -> None:
    day = "2025-01-13"
    strange = {
        "player_game_summary": production.report(),
        "team_offense_game_summary": "done",
        "team_defense_game_summary": {"status": 7, "completed_at": "yesterday", "record_count": "many"},
        "upcoming_team_game_context": production.report(completed_at="2025-01-14T11:00:00Z", record_count=12.0),
        "SomethingNewProcessor": production.report(),
        "_completed_count": "four",
        "_mode": ["overnight"],
        "_new_field": {"deep": [1, {"er": None}]},
    }
    project.documents.commit([Set(f"phase3_completion/{day}", strange)])
    document = project("status", "--date", day, code=3)
    phase = next(phase for phase in document["data"]["phases"] if phase["name"] == "phase3")
    assert phase["done"] == ["player_game_summary", "upcoming_team_game_context"]
    assert phase["state"] == "incomplete"
    assert [unknown["name"] for unknown in phase["production"]["unknown"]] == ["SomethingNewProcessor"]
    assert {entry["field"] for entry in phase["production"]["malformed"]} == {
        "team_offense_game_summary",
        "team_defense_game_summary.status",
        "team_defense_game_summary.completed_at",
        "team_defense_game_summary.record_count",
        "upcoming_team_game_context.completed_at",
        "_completed_count",
        "_mode",
    }


def test_a_run_history_that_is_gone_leaves_the_rest_of_the_board(project: Night) -> None:
    day = "2025-01-12"
    project.documents.commit([Set(f"phase4_completion/{day}", production.phase_document(production.PHASE4[:2]))])
    project.bigquery.fail("processor_run_history", 404, "notFound")
    document = project("status", "--date", day, code=1)
    (warning,) = document["warnings"]
    assert warning.startswith("the run history was not read: ")
    phase = next(phase for phase in document["data"]["phases"] if phase["name"] == "phase4")
    assert phase["done"] == list(production.PHASE4[:2])


def test_a_table_of_another_shape_is_named_and_not_written(project: Night) -> None:
    project.warehouse.create_table(TableSchema(SUMMARY, (Column("game_date", "STRING"), Column("points", "STRING"))))
    arguments = ("run", "team_offense_game_summary", "--date", "2025-01-11", "--in-process", "--upstream", "skip")
    (run,) = project(*arguments, "--source", "sample", code=1)["data"]["runs"]
    assert run["tasks"][0]["error"]["message"] == f"{SUMMARY} is not what tables.yaml declares"
    assert [column.name for column in project.warehouse.table(SUMMARY).schema.columns] == ["game_date", "points"]

"""What an operator meets on a bad night on Google Cloud: services, networks, credentials and data that misbehave."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from nbactl.testing import FaultProxy
from tests.acceptance.gcp_night import night
from tests.kit.pipeline_services import names_of_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.gcp_night import Night
    from tests.kit.pipeline_services import Mode

ANALYTICS = "nba-phase3-analytics-processors"
SCRAPERS = "nba-scrapers"
OFFENSE, DEFENSE = "team_offense_game_summary", "team_defense_game_summary"
PLAYERS, TEAMS = "upcoming_player_game_context", "upcoming_team_game_context"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, firestore_address: str) -> Iterator[Night]:
    """A project whose services say that they wrote seven rows. Each test has a date of its own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "source").mkdir()
    with night(folder, firestore_address, folder / "source", lambda *_: 7) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _recovered(project: Night) -> Iterator[None]:
    urls = {name: service["uri"] for name, service in project.cloud.services.items()}
    yield
    project.services.recover()
    project.bigquery.allow()
    project.bigquery.require_token(None)
    for name, url in urls.items():
        project.cloud.services[name]["uri"] = url


def run(project: Night, day: str, *arguments: str, code: int = 0, **env: str) -> dict[str, dict[str, Any]]:
    """Run a phase by services; return its tasks."""
    document = project("run", *arguments, "--date", day, "--upstream", "skip", code=code, env=env)
    return {task["name"]: task for task in document["data"]["runs"][-1]["tasks"]}


def asked(project: Night, day: str) -> list[str]:
    """Return the tasks that services were asked for."""
    return names_of_tasks(
        name for seen in project.services.requests if day in seen.body.values() for name in seen.processors
    )


def test_a_phase_with_a_slow_a_half_failing_a_repeating_and_a_dead_service(project: Night) -> None:
    day = "2024-02-01"
    for name, mode, how in (
        ("TeamOffenseGameSummaryProcessor", "slow", {"seconds": 0.5}),
        ("TeamDefenseGameSummaryProcessor", "failing", {}),
        ("UpcomingTeamGameContextProcessor", "duplicate", {}),
        ("UpcomingPlayerGameContextProcessor", "dead", {}),
    ):
        project.services.behave(ANALYTICS, mode, processor=name, **how)  # type: ignore[arg-type]
    began = time.monotonic()
    tasks = run(project, day, "phase3", code=1, NBACTL_TIMEOUT_TASK_ANALYTICS="3s", NBACTL_TIMEOUT_WAREHOUSE_QUERY="2s",
                NBACTL_TIMEOUT_WAREHOUSE_QUERY_LARGE="2s", NBACTL_TIMEOUT_SERVICE_SILENCE="2s")  # fmt: skip
    assert time.monotonic() - began < 60
    states = {name: task["status"] for name, task in tasks.items()}
    assert states[OFFENSE] == states[TEAMS] == states["player_game_summary"] == "succeeded"
    assert tasks[TEAMS]["rows"] == 7
    assert states[DEFENSE] == "failed"
    assert "column points is missing" in tasks[DEFENSE]["error"]["message"]
    assert states[PLAYERS] in ("failed", "timed_out")
    project.services.recover()
    run(project, day, "phase3", NBACTL_TIMEOUT_SERVICE_SILENCE="2s")
    assert asked(project, day).count(OFFENSE) == asked(project, day).count(TEAMS) == 1


@pytest.mark.parametrize(
    ("mode", "processor", "name", "code", "said"),
    [
        ("failing", "nbac_injury_report", "phase1", 3, "injuries failed: column points is missing"),
        ("failing", "nbac_schedule_api", "phase1", 1, "schedule failed: column points is missing"),
        ("forbidden", "TeamOffenseGameSummaryProcessor", OFFENSE, 1, "the role roles/run.invoker is missing"),
        ("html", "TeamOffenseGameSummaryProcessor", OFFENSE, 1, "answered with a web page instead of JSON"),
    ],
)  # fmt: skip
def test_a_task_that_fails_says_why_and_an_optional_one_is_3(  # noqa: PLR0917 - one for each column
    project: Night, mode: Mode, processor: str, name: str, code: int, said: str
) -> None:
    service = SCRAPERS if name == "phase1" else ANALYTICS
    project.services.behave(service, mode, processor=processor)
    tasks = run(project, f"2024-03-{10 + code + len(mode):02}", name, code=code)
    errors = [task["error"]["message"] for task in tasks.values() if task["error"]]
    assert len(errors) == 1
    assert said in errors[0]


@pytest.mark.parametrize("fault", ["cut", "freeze"])
def test_a_network_that_fails_before_a_service(project: Night, fault: str) -> None:
    day = {"cut": "2024-04-01", "freeze": "2024-04-02"}[fault]
    project.services.behave(ANALYTICS, "slow", seconds=1.0)
    with FaultProxy(project.services.urls[ANALYTICS].removeprefix("http://")) as proxy:
        project.cloud.services[ANALYTICS]["uri"] = f"http://{proxy.address}"

        def disturb() -> None:
            project.services.wait_for(number)
            if fault == "cut":
                proxy.reset()
            else:
                proxy.delay = 60.0

        number = len(project.services.requests) + 1
        thread = Thread(target=disturb)
        thread.start()
        began = time.monotonic()
        tasks = run(project, day, OFFENSE, NBACTL_TIMEOUT_TASK_ANALYTICS="4s", NBACTL_TIMEOUT_WAREHOUSE_QUERY="2s",
                    NBACTL_TIMEOUT_WAREHOUSE_QUERY_LARGE="2s")  # fmt: skip
        thread.join()
    assert tasks[OFFENSE]["status"] == "succeeded"
    assert asked(project, day) == [OFFENSE]
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("fault", ["refuse", "freeze"])
@pytest.mark.parametrize(
    ("name", "variable", "arguments"),
    [
        ("BigQuery", "BIGQUERY_EMULATOR_HOST", ("query", "SELECT 1")),
        ("Firestore", "FIRESTORE_EMULATOR_HOST", ("runs", "list")),
        ("Cloud Run", "CLOUD_RUN_EMULATOR_HOST", ("run", "schedule", "--date", "2024-04-05", "--upstream", "skip")),
    ],
)
def test_a_backend_that_does_not_answer_ends_a_command_in_bounded_time(
    project: Night, fault: str, name: str, variable: str, arguments: tuple[str, ...]
) -> None:
    with FaultProxy(project.env[variable].removeprefix("http://")) as proxy:
        proxy.refusing, proxy.delay = fault == "refuse", 60.0
        began = time.monotonic()
        where = f"http://{proxy.address}" if variable.startswith("BIGQUERY") else proxy.address
        limits = {
            f"NBACTL_TIMEOUT_{name}": "1s"
            for name in ("DOCUMENTS_READ", "DOCUMENTS_WRITE", "SERVICE_ADMIN", "WAREHOUSE_QUERY")
        }
        error = project(*arguments, code=1 if "run" in arguments else 7, env={**limits, variable: where})["error"]
    assert time.monotonic() - began < 60
    assert name in error["message"] + error["cause"]


def test_a_project_that_is_not_ours_is_refused_with_5(project: Night) -> None:
    error = project("query", "SELECT 1", "--project", "another-one", code=5)["error"]
    assert "another-one" in error["message"] + error["cause"]


@contextmanager
def refusing_token_server() -> Iterator[str]:
    """Serve what Google's token endpoint says of a key that was deleted or has expired."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps(
                {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            ).encode()
            self.send_response(400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("BIGQUERY_EMULATOR_HOST", ("query", "SELECT 1")),
        ("CLOUD_RUN_EMULATOR_HOST", ("run", OFFENSE, "--date", "2024-04-06", "--upstream", "skip")),
    ],
)
def test_expired_credentials_are_refused_with_5(project: Night, variable: str, arguments: tuple[str, ...]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with refusing_token_server() as address:
        file = project.folder / "key.json"
        account = {
            "type": "service_account",
            "client_email": "night@test.iam.gserviceaccount.com",
            "token_uri": address,
        }
        file.write_text(
            json.dumps({**account, "private_key": key.decode(), "private_key_id": "1", "project_id": "test"})
        )
        env = {variable: "", "GOOGLE_APPLICATION_CREDENTIALS": str(file)}
        error = project(*arguments, code=1 if "run" in arguments else 5, env=env)["error"]
    assert "invalid_grant" in error["cause"]
    assert "gcloud auth application-default login" in error["next"]

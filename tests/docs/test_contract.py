"""docs/contract.md against the command tree, the JSON output and the exit codes."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.main import main
from nbactl.config.settings import SETTINGS, load_settings
from nbactl.errors import EXIT_CODES, NbactlError
from nbactl.ports.warehouse import Rows
from nbactl.warehouse.tables import ensure_tables
from tests.integration.cli.services.change.kit import WORKER, write_config
from tests.kit.bigquery import LOCATION
from tests.kit.cli_tree import LEAVES, TREE
from tests.kit.cloud_run_server import PROJECT, cloud_run_server
from tests.kit.job_days import GIB, job_days
from tests.kit.monitoring_server import monitoring_server
from tests.kit.service_routes import service_routes

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
FORMS = next(setting.choices for setting in SETTINGS if setting.name == "output") or ()


def rows(section: str) -> list[list[str]]:
    """Return the cells of the table in a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [re.split(r" ?(?<!\\)\| ?", line) for line in lines[1:]]


def names(cell: str) -> list[str]:
    """Return what is in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def options_of(path: str) -> set[str]:
    """Return every option of a command."""
    return {name for parameter in LEAVES[path].params for name in (*parameter.opts, *parameter.secondary_opts)}


COMMANDS = {
    re.sub(r" [A-Z\[].*", "", names(cell)[0]): (names(options), keys) for cell, options, keys in rows("Commands")
}


def test_every_command_is_on_the_page_and_every_command_of_the_page_exists() -> None:
    assert set(COMMANDS) == set(LEAVES)


@pytest.mark.parametrize("path", COMMANDS)
def test_the_options_of_the_page_exist(path: str) -> None:
    options, _ = COMMANDS[path]
    shared = [name for cell, _ in rows("Every command") for name in names(cell)]
    assert set(options) | set(shared) - {"--help"} <= options_of(path)


def test_what_is_planned_does_not_exist_yet() -> None:
    for cell, _ in rows("Planned"):
        for name in names(cell):
            path, _, option = name.partition(" -") if name.startswith("nbactl") else ("nbactl run", "", name[1:])
            if form := name.removeprefix("-o ") if name.startswith("-o ") else "":
                exists = form in FORMS
            else:
                exists = path in TREE if not option else f"-{option}" in options_of(path)
            assert not exists, f"{name} exists: move it from 'Planned' to 'Commands' or 'Every command'"


def test_the_exit_codes_are_those_of_the_errors() -> None:
    assert {int(code): meaning for code, meaning in rows("Exit codes")} == EXIT_CODES


def test_every_error_has_an_exit_code_of_the_page() -> None:
    kinds = [NbactlError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    assert len(kinds) > 20
    assert {kind.exit_code for kind in kinds} <= set(EXIT_CODES)


READ = {
    "nbactl run": "run phase1 --dry-run",
    "nbactl runs list": "runs list",
    "nbactl expect": "expect",
    "nbactl status": "status",
    "nbactl schedule show": "schedule show",
    "nbactl schedule tick": "schedule tick --dry-run",
    "nbactl schedule due": "schedule due",
    "nbactl schedule decisions": "schedule decisions",
    "nbactl season show": "season show",
    "nbactl season halt": "season halt --open-ended --reason strike --dry-run",
    "nbactl season resume": "season resume --dry-run",
    "nbactl validate overnight": "validate overnight",
    "nbactl flags eval": "flags eval query_caching",
    "nbactl flags list": "flags list",
    "nbactl flags history": "flags history query_caching",
    "nbactl flags rollout status": "flags rollout status",
    "nbactl migrate list": "migrate list",
    "nbactl migrate completions": "migrate completions --validate",
    "nbactl batches list": "batches list",
    "nbactl prune": "prune --dry-run",
    "nbactl leases list": "leases list",
    "nbactl breakers list": "breakers list",
    "nbactl outbox list": "outbox list",
    "nbactl alerts list": "alerts list",
    "nbactl alerts test": "alerts test --dry-run",
    "nbactl publish": "publish nba-phase3-trigger --game-date latest --dry-run",
    "nbactl subscriptions list": "subscriptions list",
    "nbactl dlq list": "dlq list",
    "nbactl audit list": "audit list",
    "nbactl heal": "heal --dry-run",
    "nbactl jobs list": "jobs list",
    "nbactl jobs diff": "jobs diff",
    "nbactl jobs apply": "jobs apply --dry-run",
    "nbactl jobs import": "jobs import --dry-run",
    "nbactl check code": f"check code {__file__}",
    "nbactl bq lint": f"bq lint {__file__}",
    "nbactl check explain": "check explain",
    "nbactl config show": "config show",
    "nbactl config init": "config init --dry-run",
    "nbactl doctor": "doctor",
    "nbactl demo": "demo",
}
SHOWN = {
    "nbactl query": ["query", "SELECT 1"],
    "nbactl bq plan": ["bq", "plan"],
    "nbactl bq apply": ["bq", "apply", "--table", "nba_raw.games", "--dry-run"],
    "nbactl tables list": ["tables", "list"],
    "nbactl tables show": ["tables", "show", "nba_raw.games"],
    "nbactl tables counts": ["tables", "counts"],
    "nbactl quarantine list": ["quarantine", "list"],
    "nbactl quarantine show": ["quarantine", "show"],
}
"""What reads the warehouse."""
HISTORY = ("nbactl bq costs", "nbactl bq cache", "nbactl bq quotas")
"""What reads the history of jobs, which target local has not."""
DEPLOYED = ("nbactl services list", "nbactl services health", "nbactl services smoke", "nbactl services diff")
"""What looks at deployed services, which target local has only while `up` runs."""
CHANGING = {
    "nbactl services env set": "LOG_LEVEL=debug",
    "nbactl services scale": "--max-instances 7",
    "nbactl services traffic": "--to-latest",
    "nbactl services rollback": "",
    "nbactl services apply": "",
    "nbactl services undo": "last",
    "nbactl services changes": "",
    "nbactl services env diff": "",
}
"""What changes deployed services, in an order in which each has something to do."""
PARTS = {"runs": "run phase1", "runs[].tasks": "run phase1", "flags": "flags list"}


def data(line: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Run a command on the sample and return `data`."""
    main([*line.split(), "-o", "json", "--state-dir", str(folder / "state")])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(document) >= {"schema", "ok", "target", "run_id", "data", "warnings", "error"}
    found: dict[str, Any] = document["data"]
    return found


@pytest.mark.parametrize("path", READ)
def test_the_keys_of_the_page_are_in_the_data(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    promised = set(names(COMMANDS[path][1])) - {"--validate"}
    if path == "nbactl run":
        promised = set()  # a dry run has no runs; the next test has
    assert promised <= set(data(READ[path], tmp_path, capsys))


def test_every_command_with_promised_keys_is_read_here() -> None:
    promised = {path for path, (_, keys) in COMMANDS.items() if names(keys)}
    assert promised - set(READ) - set(SHOWN) - set(HISTORY) - set(DEPLOYED) - set(CHANGING) == {
        "nbactl runs show",
        "nbactl runs dismiss",
        "nbactl report",
        "nbactl trace",
        "nbactl logs search",
        "nbactl logs errors",
        "nbactl logs first-error",
        "nbactl logs id",
        "nbactl services logs",
    }  # they need a run, or services that logged


def test_what_is_shown_of_the_warehouse_has_its_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "state"
    with Container(load_settings({"state_dir": str(folder)}, {}, tmp_path)) as app:
        ensure_tables(app.warehouse, ("nba_raw.games", "nba_raw.games_quarantine"))
        day = date(2024, 10, 22)
        game = ("g1", day, "2024-25", "BOS", "LAL", "final", "sample")
        names = ("game_id", "game_date", "season", "home_team_abbr", "away_team_abbr", "game_status", "source")
        app.warehouse.load("nba_raw.games", Rows(names, [game]), timeout=30)
        refused: tuple[Any, ...] = (day, "bad_value", "it is bad", "a.csv:1", "game_log", {})
        columns = ("game_date", "reason", "message", "origin", "shape", "payload")
        app.warehouse.load("nba_raw.games_quarantine", Rows(columns, [refused]), timeout=30)
    record = ""
    for path, words in SHOWN.items():
        line = [*words, record] if path == "nbactl quarantine show" else words
        assert main([*line, "-o", "json", "--state-dir", str(folder)]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]
        record = found["records"][0]["id"] if "records" in found else ""
        promised = re.findall(r"`([^`]+)`", COMMANDS[path][1])
        assert promised
        assert set(promised) <= set(found), path


def test_what_is_shown_of_deployed_services_has_its_keys(
    tmp_path: Path, firestore_address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    with cloud_run_server() as cloud, service_routes() as routes:
        monkeypatch.setenv("CLOUD_RUN_EMULATOR_HOST", cloud.address)
        cloud.deploy("prediction-worker")
        routes.serve(cloud, "prediction-worker")
        for path in DEPLOYED:
            main([*path.split()[1:], "-o", "json", "--target", "gcp", "--project", PROJECT])
            found = json.loads(capsys.readouterr().out)["data"]
            promised = set(names(COMMANDS[path][1]))
            assert promised
            assert promised <= set(found), path


def test_what_changes_deployed_services_has_its_keys(
    tmp_path: Path, firestore_address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    write_config(tmp_path)
    with cloud_run_server() as cloud, monitoring_server(PROJECT) as monitoring:
        for variable, value in {"CLOUD_RUN_EMULATOR_HOST": cloud.address, **monitoring.environ()}.items():
            monkeypatch.setenv(variable, value)
        cloud.deploy(WORKER)
        cloud.redeploy(WORKER)
        for path, words in CHANGING.items():
            service = () if path.endswith(("apply", "undo", "changes", "diff")) else (WORKER,)
            line = (*path.split()[1:], *service, *words.split(), "-o", "json", "--target", "gcp", "--project", PROJECT)
            main([*line, *(() if path.endswith(("changes", "diff")) else ("--yes",))])
            found = json.loads(capsys.readouterr().out)["data"]
            assert found is not None, path
            assert set(names(COMMANDS[path][1])) <= set(found), path


def test_what_is_shown_of_the_history_of_jobs_has_its_keys(
    tmp_path: Path, firestore_address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    with job_days(1) as days:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", days.server.address)
        days.read(GIB)
        for path in HISTORY:
            words = [
                *path.split()[1:],
                "-o",
                "json",
                "--target",
                "gcp",
                "--project",
                days.project,
                "--location",
                LOCATION,
            ]
            assert main(words) == 0
            found = json.loads(capsys.readouterr().out)["data"]
            promised = set(re.findall(r"`([^`]+)`", COMMANDS[path][1].partition("; with")[0]))
            assert promised
            assert promised <= set(found), path


@pytest.mark.parametrize("part", PARTS)
def test_the_keys_of_the_items_are_in_the_data(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = re.findall(rf"^- `data\.{re.escape(part)}\[\]`.*?: ([^.]*)\.", PAGE, re.MULTILINE)
    found: Any = data(PARTS[part], tmp_path, capsys)
    for key in part.split("[]."):
        found = found[key][0] if isinstance(found, dict) else found[0][key]
    assert set(names(text)) <= set(found)
    assert len(names(text)) > 5


def test_a_run_that_is_shown_has_the_keys_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [run] = data("run phase1", tmp_path, capsys)["runs"]
    assert data("runs show last", tmp_path, capsys)["run"] == run


def test_a_dismissal_has_its_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data("run phase1 --date 2024-01-15", tmp_path, capsys)
    assert set(names(COMMANDS["nbactl runs dismiss"][1])) <= set(data("runs dismiss last", tmp_path, capsys))

"""Every key of the YAML files is heeded: schedules, references, gcp services, flags (invariant 22)."""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.cloudrun.requests import make_request
from nbactl.bootstrap import Container
from nbactl.bootstrap.gcp import services_of
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.errors import NotFoundError
from nbactl.ports.compute import TaskCall, Work
from nbactl.schedule.occurrences import occurrences
from nbactl.testing import FakeClock
from nbactl.workflows.freshness import NoVersions
from nbactl.workflows.model import RunRequest
from nbactl.workflows.planner import NoHistory, Planner
from nbactl.workflows.settling import Settling
from nbactl.workflows.works import work_of
from tests.integration.config.keys import PROVED, all_keys, proves
from tests.integration.config.project import Project
from tests.kit.cloud_run_server import cloud_run_server

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = date(2024, 1, 15)
TIP_OFF = datetime(2024, 1, 15, 19, tzinfo=EASTERN)


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    return Project(tmp_path, capsys)


def due(project: Project, **keys: Any) -> list[str]:
    project.workflows["workflows"]["often"]["schedule"] = keys
    schedule = project.load().workflows.workflows["often"].schedule
    assert schedule is not None
    return [f"{each.due_at.astimezone(EASTERN):%H:%M}" for each in occurrences(schedule, DAY, TIP_OFF)]


PREFIX = "workflows.yaml: workflows.*.schedule."


@proves(PREFIX + "at", PREFIX + "every", PREFIX + "between.start", PREFIX + "between.end", PREFIX + "max_per_day")
@proves(PREFIX + "before_first_game")
def test_inv_22_schedule(project: Project) -> None:
    assert due(project, at="13:30") == ["13:30"]
    window = {"start": "10:00", "end": "16:00"}
    assert due(project, every="3h", between=window) == ["10:00", "13:00", "16:00"]
    assert due(project, every="2h", between={"start": "09:00", "end": "12:00"}) == ["09:00", "11:00"]
    assert due(project, every="3h", between=window, max_per_day=2) == ["10:00", "13:00"]
    assert due(project, every="3h", between=window, before_first_game="6h") == ["13:00", "16:00"]


@proves(PREFIX + "once_between.start", PREFIX + "once_between.end", PREFIX + "game_date")
def test_inv_22_schedule_windows_and_game_dates(project: Project) -> None:
    flow = project.workflows["workflows"]["often"]
    flow["schedule"] = {"once_between": {"start": "07:15", "end": "08:45"}, "game_date": "yesterday"}
    schedule = project.load().workflows.workflows["often"].schedule
    assert schedule is not None
    [once] = occurrences(schedule, DAY)
    assert once.until is not None
    assert (f"{once.due_at.astimezone(EASTERN):%H:%M}", f"{once.until.astimezone(EASTERN):%H:%M}") == ("07:15", "08:45")
    assert once.game_date == GameDate(date(2024, 1, 14))


@proves("workflows.yaml: workflows.*.description")
def test_inv_22_description_of_a_workflow(project: Project) -> None:
    project.workflows["workflows"]["often"]["description"] = "Said in its own words"
    listed = project.command("schedule", "show", "--date", "2024-01-15")["data"]["workflows"]
    assert {flow["description"] for flow in listed if flow["name"] == "often"} == {"Said in its own words"}


@proves("workflows.yaml: tasks.*.service.name", "workflows.yaml: tasks.*.service.path")
def test_inv_22_services_of_tasks_on_gcp(project: Project) -> None:
    project.workflows["tasks"]["predict"]["service"] = {"name": "oracle", "path": "/ask"}
    config = project.load()
    settling = Settling(FakeClock(), config.timeouts["run.date_settled"])
    planner = Planner(
        config.workflows, config.timeouts, NoHistory(), "sample", "gcp", lambda *_: [], settling, NoVersions
    )
    [plan] = planner.plan(RunRequest(("predict",), (GameDate(DAY),), upstream="skip"))
    assert plan.tasks[0].work == Work("service", "oracle", {"path": "/ask"})


SERVICE = "workflows.yaml: tasks.*.service."


@proves(SERVICE + "body", SERVICE + "for_each", SERVICE + "processor", SERVICE + "push")
def test_inv_22_calls_of_services(project: Project) -> None:
    body = {"day": "{game_date}", "ids": ["{game_id}", 7]}
    call = {"for_each": "game", "processor": "OracleProcessor", "push": True, "body": body}
    project.workflows["tasks"]["predict"]["service"] = {"name": "oracle", **call}
    task = project.load().workflows.tasks["predict"]
    work = work_of(task, "services")
    assert work is not None
    attempt = TaskCall("run-1", "predict", "predict", DAY, 1, 60.0, work, "corr-1", "sample")
    request = make_request(attempt, {"game_id": "001"}, url="http://oracle", region="r", project="p")
    envelope = json.loads(request.body)
    assert json.loads(base64.b64decode(envelope["message"]["data"])) == {"day": "2024-01-15", "ids": ["001", 7]}
    assert (request.item, request.processor) == ("001", "OracleProcessor")


@proves("workflows.yaml: services.*.region")
def test_inv_22_regions_of_services(project: Project, tmp_path: Path) -> None:
    project.workflows["tasks"]["predict"]["service"] = {"name": "oracle"}
    project.workflows["services"] = {"oracle": {"region": "us-west1"}}
    project.load()
    with cloud_run_server() as cloud:
        environ = {"CLOUD_RUN_EMULATOR_HOST": cloud.address, "FIRESTORE_EMULATOR_HOST": "127.0.0.1:9"}
        settings = load_settings(
            {"target": "gcp", "project": "nba", "config_dir": project.folder}, environ={}, directory=tmp_path
        )
        with Container(settings, environ=environ) as app, pytest.raises(NotFoundError):
            services_of(app).get("oracle")
        assert [seen.path for seen in cloud.requests[:1]] == ["/v2/projects/nba/locations/us-west1/services/oracle"]


def test_inv_21_wrong_calls_of_services_are_refused(project: Project) -> None:
    service = project.workflows["tasks"]["predict"]["service"] = {"name": "oracle", "body": {"day": "{game_dat}"}}
    assert project.problems() == ["'game_dat' is not a placeholder. Did you mean 'game_date'?"]
    service["body"] = {"ids": [{"id": "{game_id}"}]}
    assert project.problems() == ["{game_id} is only known with `for_each: game`."]
    service |= {"for_each": "game", "body": {"day": "{game_date}"}}
    assert project.problems() == ["every call of `for_each: game` would be the same: the body lacks {game_id}."]
    project.workflows["tasks"]["predict"]["service"] = {"name": "oracle", "path": "ask"}
    assert project.problems() == ["'ask' is not a path: it must begin with /."]
    project.workflows["tasks"]["predict"]["service"] = {"name": "oracle"}
    project.workflows["services"] = {"orcle": {"region": "us-west1"}}
    assert project.problems() == ["'orcle' is not the service of any task or phase. Did you mean 'oracle'?"]


@pytest.mark.parametrize("file", ["workflows", "timeouts", "flags"])
@proves("workflows.yaml: version", "timeouts.yaml: version", "flags.yaml: version")
def test_inv_22_version(project: Project, file: str) -> None:
    getattr(project, file)["version"] = 2
    assert project.problems() == ["version is 2: must be 1."]


@proves("workflows.yaml: timezone")
def test_inv_22_timezone(project: Project) -> None:
    project.workflows["timezone"] = "UTC"
    assert project.problems() == ["timezone is 'UTC': must be 'America/New_York'."]


@proves("timeouts.yaml: timeouts.*.calls")
def test_inv_22_calls(project: Project) -> None:
    project.timeouts["timeouts"]["connect"]["calls"] = ["task.fetch"]
    [problem] = project.problems()
    assert problem.startswith("a caller must wait longer than what it calls: connect waits 5.0s, task.fetch up to")


REASONS = ("timeouts.*", "retry_policies.*", "deadlines.*", "breakers.*", "call_policies.*", "leases.*", "retention.*")


@pytest.mark.parametrize("section", [each.removesuffix(".*") for each in REASONS])
@proves(*(f"timeouts.yaml: {each}.why" for each in REASONS))
def test_inv_22_why(project: Project, section: str) -> None:
    entry = next(iter(project.timeouts[section].values()))
    del entry["why"]
    [problem] = project.problems()
    assert problem.endswith("lacks 'why'.")
    entry["why"] = "because"
    [problem] = project.problems()
    assert problem.endswith(".why is 'because': must have at least 10 characters.")


# Keys that only the model has so far: what the file says is what the code is given.
GIVEN: dict[str, tuple[str, Any, Callable[[Any], Any]]] = {
    "workflows.yaml: tasks.*.description": ("tasks.fetch.description", "Other", lambda c: c.workflows.tasks["fetch"]),
    "workflows.yaml: phases.*.description": ("phases.first.description", "New", lambda c: c.workflows.phases["first"]),
    "workflows.yaml: phases.*.service": ("phases.first.service", "other", lambda c: c.workflows.phases["first"]),
    "workflows.yaml: phases.*.topic": ("phases.first.topic", "other", lambda c: c.workflows.phases["first"]),
    "workflows.yaml: phases.*.trigger_topic": (
        "phases.first.trigger_topic", "start", lambda c: c.workflows.phases["first"]
    ),
    **{
        f"workflows.yaml: phases.*.fan_out.{key}": (
            f"phases.first.fan_out.{key}", "other", lambda c: c.workflows.phases["first"].fan_out
        )
        for key in ("request_topic", "ready_topic")
    },
    **{
        f"flags.yaml: flags.*.{key}": (f"flags.model.{key}", value, lambda c: c.flags.flags["model"])
        for key, value in {
            "description": "Described otherwise",
            "default": "ensemble",
            "treatment": "average",
            "variants": (["average", "ensemble", "third"], ("average", "ensemble", "third")),
            "salt": "pepper",
            "owner": "somebody",
            "expires": ("2031-01-02", date(2031, 1, 2)),
            "env": "OTHER",
            "entity": "request",
            "prerequisites": ([], ()),
            "parameters": {"A": 1},
            "rollout": "quick",
        }.items()
    },
    **{
        f"flags.yaml: flags.*.targeting.{key}": (
            f"flags.model.targeting.{key.replace('[]', '.0')}", value, of
        )
        for key, value, of in (
            ("deny", (["x"], ("x",)), lambda c: c.flags.flags["model"].targeting),
            ("allow", (["y"], ("y",)), lambda c: c.flags.flags["model"].targeting),
            ("rules[].attribute", "position", lambda c: c.flags.flags["model"].targeting.rules[0]),
            ("rules[].serve", "average", lambda c: c.flags.flags["model"].targeting.rules[0]),
        )
    },
    "flags.yaml: rollout.active": ("rollout.active", (["model"], ("model",)), lambda c: c.flags.rollout),
    "flags.yaml: rollout.plans.*.guards": (
        "rollout.plans.quick.guards", (["more"], ("more",)), lambda c: c.flags.rollout.plans["quick"]
    ),
    "flags.yaml: rollout.plans.*.stages[].percent": (
        "rollout.plans.quick.stages.0.percent", 33, lambda c: c.flags.rollout.plans["quick"].stages[0]
    ),
    "flags.yaml: rollout.plans.*.stages[].bake": (
        "rollout.plans.quick.stages.0.bake", ("33s", 33.0), lambda c: c.flags.rollout.plans["quick"].stages[0]
    ),
    **{
        f"flags.yaml: rollout.guards.*.{key}": (
            f"rollout.guards.failures.{key}", value, lambda c: c.flags.rollout.guards["failures"]
        )
        for key, value in {
            "metric": "p95_increase", "above": 0.5, "window": ("9s", 9.0), "minimum_sample": 7
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("key", GIVEN)
@proves(*GIVEN)
def test_inv_22_what_the_file_says_is_what_the_code_is_given(project: Project, key: str) -> None:
    rollout = project.flags["rollout"]
    project.workflows["phases"]["first"]["fan_out"] = {"request_topic": "asked", "ready_topic": "answered"}
    rollout["plans"]["quick"] = {"stages": [{"percent": 1, "bake": "1s"}], "guards": ["failures"]}
    rollout["guards"]["more"] = rollout["guards"]["failures"]
    path, value, of = GIVEN[key]
    written, read = value if isinstance(value, tuple) else (value, value)
    *parents, last = path.split(".")
    place = getattr(project, key.partition(".yaml")[0])
    for step in parents:
        place = place[int(step) if isinstance(place, list) else step]
    assert getattr(of(project.load()), last) != read
    place[last] = written
    assert getattr(of(project.load()), last) == read


@proves("flags.yaml: flags.*.type", "flags.yaml: flags.*.hash_version")
def test_inv_22_flag_types_and_hash_versions(project: Project) -> None:
    project.flags["flags"]["fast_path"] |= {"type": "int", "hash_version": 1}
    assert "a flag of type int serves a whole number, not false." in project.problems()
    project.flags["flags"]["fast_path"] |= {"type": "bool", "hash_version": 2}
    assert project.problems() == ["flags.fast_path.hash_version is 2: must be 1."]


@proves("flags.yaml: flags.*.targeting.rules[].in")
def test_inv_22_values_of_a_targeting_rule(project: Project) -> None:
    assert project.load().flags.definitions()["model"].rules[0].values == ("BOS",)
    project.flags["flags"]["model"]["targeting"]["rules"][0]["in"] = ["LAL", "NYK"]
    assert project.load().flags.definitions()["model"].rules[0].values == ("LAL", "NYK")


def test_inv_22_targeting_is_checked_like_everything_that_is_served(project: Project) -> None:
    targeting = project.flags["flags"]["model"]["targeting"]
    targeting["allow"].append("nobody")
    targeting["rules"][0]["serve"] = "guess"
    assert project.problems() == [
        "'nobody' is also under deny, which is checked first.",
        "'guess' is not among the variants of model.",
    ]


def test_inv_22_every_key_has_a_test() -> None:
    folder = Path(__file__).parent
    for module in pkgutil.iter_modules([str(folder)]):
        importlib.import_module(f"tests.integration.config.{module.name}")
    assert all_keys() == PROVED

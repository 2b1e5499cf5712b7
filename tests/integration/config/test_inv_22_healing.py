"""Every key that says what is healed, how often and when to stop is heeded (invariant 22)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.config.keys import proves
from tests.integration.config.project import Project
from tests.kit.engines import Engine
from tests.kit.handoffs import PHASE3_TOPIC
from tests.kit.healing import healing_lab

if TYPE_CHECKING:
    from pathlib import Path

KIND = "workflows.yaml: healing.kinds.*."
SPEC = {"after": "1m", "attempts": 5, "per_day": 9, "backoff": "1m", "why": "A reason of ten letters"}


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    return Project(tmp_path, capsys)


def healed(project: Project, minutes: list[float], *, down: bool = True, **keys: Any) -> list[str]:
    """Return the states of a message that waits, after each of these pauses; the bus is down."""
    project.workflows["healing"] = {"kinds": {"outbox_pending": {**SPEC, **keys}}}
    project.load()
    states: list[str] = []
    folder = project.folder / f"lab-{len(list(project.folder.iterdir()))}"
    with healing_lab(Engine("sqlite", str(folder)), folder, config_dir=str(project.folder)) as lab:
        lab.store.commit([lab.app.outbox.message("message", PHASE3_TOPIC, {})])
        lab.bus.down = down
        for pause in minutes:
            lab.later(minutes=pause)
            found = [case.state for case in lab.round()]
            states.append(found[0] if found else "-")
    return states


@proves(KIND + "after")
def test_inv_22_after(project: Project) -> None:
    assert healed(project, [1], after="1m") == ["failed"]
    assert healed(project, [1], after="2m") == ["-"]


@proves(KIND + "attempts")
def test_inv_22_attempts(project: Project) -> None:
    assert healed(project, [1, 60, 60], attempts=1) == ["failed", "stopped", "stopped"]
    assert healed(project, [1, 60, 60], attempts=2) == ["failed", "failed", "stopped"]


@proves(KIND + "backoff")
def test_inv_22_backoff(project: Project) -> None:
    assert healed(project, [1, 1, 1, 1], backoff="1m") == ["failed", "failed", "waiting", "failed"]
    assert healed(project, [1, 1, 1, 1], backoff="2m") == ["failed", "waiting", "failed", "waiting"]


@proves(KIND + "per_day")
def test_inv_22_per_day(project: Project) -> None:
    assert healed(project, [1, 10, 10, 1440], per_day=1) == ["failed", "waiting", "waiting", "failed"]
    assert healed(project, [1, 10, 10, 1440], per_day=2) == ["failed", "failed", "waiting", "failed"]


@proves(KIND + "auto")
def test_inv_22_auto(project: Project) -> None:
    assert healed(project, [1], down=False, auto=True) == ["healed"]
    assert healed(project, [1], down=False, auto=False) == ["waiting"]


@proves(KIND + "why")
def test_inv_22_why_of_a_kind(project: Project) -> None:
    project.workflows["healing"] = {"kinds": {"outbox_pending": {**SPEC, "why": "because"}}}
    [problem] = project.problems()
    assert problem.endswith("must have at least 10 characters.")


@proves("workflows.yaml: healing.days")
def test_inv_22_days(project: Project) -> None:
    def dates(days: int) -> list[str]:
        project.workflows["healing"] = {"days": days, "kinds": {"outbox_pending": SPEC}}
        project.load()
        folder = project.folder / f"days-{days}"
        with healing_lab(Engine("sqlite", str(folder)), folder, config_dir=str(project.folder)) as lab:
            return [str(day) for day in lab.look().scope.days]

    assert dates(1) == ["2025-01-16"]
    assert dates(2) == ["2025-01-15", "2025-01-16"]


def test_inv_21_a_kind_that_there_is_not_is_refused_with_a_suggestion(project: Project) -> None:
    project.workflows["healing"] = {"kinds": {"outbox_pendig": SPEC}}
    [problem] = project.problems()
    assert problem.startswith("'outbox_pendig' is not a kind of fault")
    assert "Did you mean 'outbox_pending'?" in problem

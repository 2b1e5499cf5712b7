"""`nbactl services rollback --gradual`: in steps, watched, back when it is worse, continued after an interruption."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.services.change.command import UndoRequest, undo_change
from nbactl.cli.services.change.traffic.command import RevisionRollbackRequest, rollback_service
from nbactl.cli.signals import SignalledError
from nbactl.errors import PreconditionError
from nbactl.ports.documents import Set
from nbactl.testing.clock import FakeClock
from tests.integration.cli.services.change.kit import WORKER, Project, write_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.bootstrap import Container
    from nbactl.cli.services.change.command import ServicesChanged

OLD, NEW = f"{WORKER}-00001-abc", f"{WORKER}-00002-oth"
"""The revision to go back to, and the one that serves."""
REQUEST = RevisionRollbackRequest(WORKER, gradual=True)
GOOD, BROKEN, SLOW = (100.0, 200), (100.0, 500), (400.0, 200)
"""Milliseconds and code of an answer."""


class Evening(FakeClock):
    """Time in which both revisions answer requests while a step is watched; `answers` are those of each step."""

    def __init__(self, project: Project, *answers: tuple[tuple[float, int], tuple[float, int]] | None) -> None:
        super().__init__(datetime(2026, 1, 16, 1, tzinfo=UTC))
        self._project = project
        self._answers = list(answers)
        self.watched: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        if seconds < 60:
            return super().sleep(seconds)
        self.watched()
        answers = self._answers.pop(0)
        for revision, answer in zip((NEW, OLD), answers or (), strict=False):
            at = self.now() + timedelta(minutes=5)
            self._project.monitoring.answered(WORKER, revision, at, [answer[0]] * 30, code=answer[1])
        return super().sleep(seconds)


@pytest.fixture
def world(project: Project) -> Project:
    write_config(project.folder, **{"service.bake": "10m", "measurements.lag": "4m"})
    project.cloud.redeploy(WORKER)
    return project


@contextmanager
def at_night(project: Project, clock: Evening) -> Iterator[Container]:
    with project.app(clock) as app:
        yield app


def moves(project: Project) -> list[dict[str, int]]:
    """Return where requests were sent, change by change."""
    return [
        {share.get("revision", "latest"): share["percent"] for share in each.body["traffic"]}
        for each in project.cloud.patches()
    ]


def codes(done: ServicesChanged) -> tuple[int, list[str | None]]:
    return done.result.exit_code, [None if one.error is None else one.error.code for one in done.result.outcomes]


def test_it_goes_in_steps_with_a_look_at_both_revisions_and_is_undone_as_a_whole(world: Project) -> None:
    before, notes = world.state(), list[str]()
    with at_night(world, Evening(world, (GOOD, GOOD), (GOOD, GOOD))) as app:
        done = rollback_service(app, REQUEST, note=notes.append)
        assert codes(done) == (0, [None])
        assert moves(world) == [{"latest": 90, OLD: 10}, {"latest": 50, OLD: 50}, {OLD: 100}]
        assert notes == [
            f"10 % go to {OLD}; watched 10m00s",
            f"10 %: {OLD} 30 requests, 0.0% errors, p95 0.1 s; {NEW} 30 requests, 0.0% errors, p95 0.1 s: not worse",
            f"50 % go to {OLD}; watched 10m00s",
            f"50 %: {OLD} 30 requests, 0.0% errors, p95 0.1 s; {NEW} 30 requests, 0.0% errors, p95 0.1 s: not worse",
        ]
        undo_change(app, UndoRequest("last"))
    assert world.state() == before


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(GOOD, BROKEN)], "100.0% errors, the other 0.0%, at 10 % of the requests."),
        ([(GOOD, GOOD), (GOOD, SLOW)], "within 0.4 s, those of the other within 0.1 s, at 50 % of the requests."),
    ],
    ids=["errors", "latency"],
)
def test_it_goes_back_when_the_other_revision_is_worse(world: Project, answers: list[Any], said: str) -> None:
    before = world.state()
    with at_night(world, Evening(world, *answers)) as app:
        done = rollback_service(app, REQUEST)
        assert codes(done) == (1, ["check_failed"])
        error = done.result.outcomes[0].error
        assert error is not None
        assert (error.cause or "").endswith(said)
        assert world.state() == before
        (record,) = world.records()
        assert (record["services"][0]["outcome"], record["finished_at"] is not None) == ("check_failed", True)


def test_with_too_few_requests_it_stays_and_the_same_command_watches_on(world: Project) -> None:
    before = world.state()
    with at_night(world, Evening(world, None, (GOOD, GOOD), (GOOD, GOOD))) as app:
        first = rollback_service(app, REQUEST)
        assert codes(first) == (3, ["run_partial"])
        assert moves(world) == [{"latest": 90, OLD: 10}]
        assert codes(rollback_service(app, REQUEST)) == (0, [None])
        assert moves(world)[1:] == [{"latest": 50, OLD: 50}, {OLD: 100}]
        assert first.result.change is not None
        undo_change(app, UndoRequest(first.result.change.id))
    assert world.state() == before
    assert len(world.records()) == 2, "one change and its undo"


def test_it_is_continued_after_measurements_could_not_be_read(world: Project) -> None:
    before = world.state()
    clock = Evening(world, (GOOD, GOOD), (GOOD, GOOD), (GOOD, GOOD))

    def refuse() -> None:
        clock.watched = lambda: None
        world.monitoring.refusals += [(503, "away")] * 50

    with at_night(world, clock) as app:
        clock.watched = refuse
        done = rollback_service(app, REQUEST)
        assert codes(done) == (7, ["unavailable"])
        error = done.result.outcomes[0].error
        assert error is not None
        assert (error.next_step or "").startswith(f"10 % of the requests of {WORKER} go to {OLD}.")
        world.monitoring.refusals.clear()
        assert codes(rollback_service(app, REQUEST)) == (0, [None])
        assert moves(world) == [{"latest": 90, OLD: 10}, {"latest": 50, OLD: 50}, {OLD: 100}]
        undo_change(app, UndoRequest("last"))
    assert world.state() == before


def test_inv_20_after_ctrl_c_requests_stay_and_the_same_command_continues(world: Project) -> None:
    before = world.state()
    clock = Evening(world, (GOOD, GOOD), (GOOD, GOOD))

    def stop() -> None:
        clock.watched = lambda: None
        raise SignalledError(2)

    with at_night(world, clock) as app:
        clock.watched = stop
        with pytest.raises(SignalledError) as stopped:
            rollback_service(app, REQUEST)
        assert stopped.value.__notes__ == [
            f"10 % of the requests of {WORKER} go to {OLD}. Run the same command again to continue."
        ]
        assert moves(world) == [{"latest": 90, OLD: 10}]
        assert codes(rollback_service(app, REQUEST)) == (0, [None])
        assert moves(world)[1:] == [{"latest": 50, OLD: 50}, {OLD: 100}]
        undo_change(app, UndoRequest("last"))
    assert world.state() == before


def test_a_step_that_someone_else_takes_is_named_and_not_taken_twice(world: Project) -> None:
    with at_night(world, Evening(world, None)) as app:
        rollback_service(app, REQUEST)
        (record,) = world.records()
        other = {**record, "process": "elsewhere:boot:1:1:services"}
        app.documents.commit([Set(f"service_env_changes/{record['id']}", other)])
        with pytest.raises(PreconditionError, match="are being moved already") as refused:
            rollback_service(app, REQUEST)
    assert record["id"] in (refused.value.cause or "")
    assert len(moves(world)) == 1


def test_inv_20_a_killed_gradual_rollback_is_undone_from_where_it_is(project: Project) -> None:
    project.cloud.redeploy(WORKER)
    before = project.state()
    project.kill("service_traffic.stepped", "rollback", WORKER, "--gradual")
    assert moves(project) == [{"latest": 90, OLD: 10}]
    data = project("rollback", WORKER, "--gradual", code=3)
    assert "stays at 10 % to" in data["services"][0]["error"]["message"]
    project("undo", data["id"])
    assert project.state() == before

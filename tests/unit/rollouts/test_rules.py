"""The rules of starting a rollout hold for every caller, not only for the command line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from nbactl.core.flags.moves import Position, move
from nbactl.core.flags.store import FlagStore
from nbactl.errors import NotFoundError, PreconditionError
from nbactl.rollouts.health import ServiceHealth
from nbactl.rollouts.model import Rollout, RolloutAction, RolloutStatus
from nbactl.rollouts.rules import RolloutRules
from nbactl.rollouts.store import RolloutStore
from nbactl.testing import FakeClock, memory_documents
from tests.kit.rollouts import rollout_file, rollout_flag

ILL = [ServiceHealth("worker", green=False, detail="documents: down")]


class Place:
    """A store of rollouts, with `fast` to be started beside other flags."""

    def __init__(self, **flags: dict[str, Any]) -> None:
        self.clock = FakeClock()
        documents = memory_documents(self.clock)
        self.flags = FlagStore(documents, self.clock)
        self.health: list[ServiceHealth] | None = []
        rules = RolloutRules(rollout_file("fast", **flags), lambda: self.health)
        self.rollouts = RolloutStore(documents, self.flags, self.clock.now, rules)

    def start(self, key: str = "fast", *, force: bool = False) -> Rollout:
        return self.rollouts.start(key, by="ann", why="", force=force)

    def set(self, key: str, percent: float) -> None:
        to = Position(percent, enabled=True)
        change = move(key, self.flags.get(key), to, salt="salt", stages=[]).change
        self.flags.change([change], by="bob", reason=None)

    def percent(self, key: str = "fast") -> float:
        state = self.flags.get(key)
        return 0.0 if state is None else state.percent


def expired() -> Place:
    day = (FakeClock().now() - timedelta(days=2)).date().isoformat()
    return Place(fast=rollout_flag("fast", expires=day))


def beside_another() -> Place:
    place = Place(other=rollout_flag("other"))
    place.start("other")
    return place


def beside_a_paused_one() -> Place:
    place = beside_another()
    place.rollouts.take(place.rollouts.get_open("other"), RolloutAction.PAUSE, by="ann", why="")
    return place


def before_its_prerequisite() -> Place:
    place = Place(base=rollout_flag("base"), fast=rollout_flag("fast", prerequisites=("base",)))
    place.set("base", 9.0)
    return place


def counting_otherwise() -> Place:
    place = Place(base=rollout_flag("base", entity="player"), fast=rollout_flag("fast", prerequisites=("base",)))
    place.set("base", 100.0)
    return place


def with_an_unhealthy_service() -> Place:
    place = Place()
    place.health = ILL
    return place


def without_declared_services() -> Place:
    place = Place()
    place.health = None
    return place


REFUSED = [
    (expired, "fast expired on"),
    (beside_another, "other is being rolled out over request at the same time"),
    (beside_a_paused_one, "other is being rolled out over request at the same time"),
    (before_its_prerequisite, "fast is at 10 %, but needs base, which is at 9 %"),
    (counting_otherwise, "fast is per request, but needs base, which is per player"),
    (with_an_unhealthy_service, "not every service is healthy"),
    (without_declared_services, "no service is declared"),
]


@pytest.mark.parametrize(("arrange", "message"), REFUSED)
def test_a_start_that_the_command_refuses_is_refused_from_python_too(arrange: Any, message: str) -> None:
    place = arrange()
    with pytest.raises(PreconditionError, match=message) as refused:
        place.rollouts.plan_start(["fast"])
    assert refused.value.next_step
    with pytest.raises(PreconditionError, match=message):
        place.start()
    assert (place.percent(), place.rollouts.get("fast")) == (0.0, None)
    assert place.start(force=True).percent == 10.0


def test_a_prerequisite_that_is_as_far_does_not_hold_a_start_back() -> None:
    place = before_its_prerequisite()
    place.set("base", 10.0)
    assert place.start().percent == 10.0


def test_another_entity_and_an_ended_rollout_do_not_hold_a_start_back() -> None:
    place = Place(other=rollout_flag("other"), third=rollout_flag("third", entity="player"))
    place.start("third")
    place.rollouts.take(place.start("other"), RolloutAction.ABORT, by="ann", why="")
    assert place.start().percent == 10.0


def test_two_flags_over_one_entity_are_not_started_by_one_call() -> None:
    place = Place(other=rollout_flag("other"))
    with pytest.raises(PreconditionError, match="fast is being rolled out over request at the same time"):
        place.rollouts.plan_start(["fast", "other"])
    assert [start.percent for start in place.rollouts.plan_start(["fast", "other"], force=True)] == [10.0, 10.0]


def test_a_paused_rollout_is_resumed_only_while_every_service_is_healthy() -> None:
    place = Place()
    place.rollouts.take(place.start(), RolloutAction.PAUSE, by="ann", why="")
    place.health = ILL
    with pytest.raises(PreconditionError, match="not every service is healthy"):
        place.start()
    with pytest.raises(ValueError, match="resume is not a step"):
        place.rollouts.take(place.rollouts.get_open("fast"), RolloutAction.RESUME, by="ann", why="")
    assert place.rollouts.get_open("fast").status is RolloutStatus.PAUSED
    place.health = []
    assert place.start().status is RolloutStatus.RUNNING


def test_a_flag_that_is_not_declared_is_not_started() -> None:
    with pytest.raises(NotFoundError, match="there is no flag 'fats'") as refused:
        Place().start("fats", force=True)
    assert refused.value.next_step == "Did you mean 'fast'?"

"""What must hold before a stage of a rollout begins, and the plan that flags.yaml gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import EASTERN
from nbactl.core.flags.moves import Position, expected, move, position_of
from nbactl.core.flags.prerequisites import unmet_prerequisites
from nbactl.errors import PreconditionError
from nbactl.rollouts.model import RolloutGuard, RolloutStage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date, datetime

    from nbactl.config.flags import FlagsFile
    from nbactl.core.flags.model import Definition, State
    from nbactl.core.flags.store import Stored
    from nbactl.rollouts.health import ServiceHealth


@dataclass(frozen=True, slots=True)
class RolloutRules:
    """The rules of starting a rollout. `health` returns None where no service is declared."""

    file: FlagsFile
    health: Callable[[], Sequence[ServiceHealth] | None]

    def salt(self, key: str) -> str:
        """Return the salt of a flag; a flag that is no longer declared has its key."""
        return self.file.flags[key].salt if key in self.file.flags else key

    def definition(self, key: str) -> Definition:
        """Return the definition of a flag. Raises NotFoundError if it is not declared."""
        return self.file.flag(key).definition(key)

    def plan(self, key: str) -> tuple[tuple[RolloutStage, ...], tuple[RolloutGuard, ...]]:
        """Return the stages and guards of a flag. Raises NotFoundError if it is not declared."""
        plan = self.file.rollout.plans[self.file.flag(key).rollout]
        guards = ((name, self.file.rollout.guards[name]) for name in plan.guards)
        return (
            tuple(RolloutStage(stage.percent, stage.bake) for stage in plan.stages),
            tuple(
                RolloutGuard(name, guard.metric, guard.above, guard.window, guard.minimum_sample)
                for name, guard in guards
            ),
        )

    def check_start(self, key: str, percent: float, stored: Stored, under_way: Iterable[str], now: datetime) -> None:
        """Refuse a rollout whose guards could not tell what it does. Raises PreconditionError.

        `percent` is its first stage; `under_way` are the flags with a rollout that is running or paused.
        """
        self._check_expiry(key, now.astimezone(EASTERN).date())
        entity = self.file.flag(key).entity
        for other in under_way:
            if other != key and other in self.file.flags and self.file.flags[other].entity == entity:
                raise PreconditionError(
                    f"{other} is being rolled out over {entity} at the same time",
                    cause="A guard cannot tell which of the two it measures.",
                    next_step=f"Finish it first (nbactl flags rollout status {other}), or give --force.",
                )
        definitions = self.file.definitions()
        to = Position(percent, enabled=True)
        change = move(key, stored.states.get(key), to, salt=self.salt(key), stages=()).change
        for unmet in unmet_prerequisites(key, definitions, {**stored.states, key: expected(change, now)}):
            raise PreconditionError(unmet.message, next_step=f"{unmet.fix} Or give --force.")

    def check_health(self) -> None:
        """Refuse to begin a stage while a service is unhealthy. Raises PreconditionError."""
        if unhealthy := why_unhealthy(self.health()):
            raise PreconditionError(
                f"no stage begins now: {unhealthy}",
                cause="A stage begins only while every service is healthy.",
                next_step="Repair that first, or give --force.",
            )

    def _check_expiry(self, key: str, today: date) -> None:
        flag = self.file.flag(key)
        if flag.expires < today:
            raise PreconditionError(
                f"{key} expired on {flag.expires}: it was to be removed from the code",
                next_step="Set a later `expires` in flags.yaml, or give --force.",
            )


def first_stage(
    key: str, stages: Sequence[RolloutStage], state: State | None, definition: Definition | None = None
) -> int:
    """Return the number of the stage that a rollout begins with, from 1: where the flag is, else the first above it.

    Raises PreconditionError if no stage is left.
    """
    here = position_of(state, definition)
    for number, stage in enumerate(stages, start=1):
        if stage.percent > here.percent or (0 < here.percent == stage.percent and number < len(stages)):
            return number
    raise PreconditionError(
        f"{key} is {here.place} already, and its plan ends there", next_step=f"nbactl flags show {key}"
    )


def why_unhealthy(services: Sequence[ServiceHealth] | None) -> str | None:
    """Return why no stage may begin now, None if every service is healthy. `services` is None if none is declared."""
    if services is None:
        return "no service is declared whose health could be asked for (NBACTL_HEALTH_URLS)"
    unhealthy = [f"{service.name} ({service.detail})" for service in services if not service.green]
    return f"not every service is healthy: {', '.join(unhealthy)}" if unhealthy else None

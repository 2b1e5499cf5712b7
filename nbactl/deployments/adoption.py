"""Adoption: what deployed services say of flags becomes the state in the store, so that a sync changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from nbactl.config.flag_variables import everybody_gets
from nbactl.core.flags.moves import ALL, OFF, UNSET, Position, expected, move, position_of
from nbactl.core.flags.snapshot import as_text, override_of
from nbactl.core.flags.store import Stored
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from nbactl.config.flags import FlagsFile
    from nbactl.core.flags.model import Definition, FlagValue, State
    from nbactl.core.flags.moves import Move
    from nbactl.ports.services import DeployedService

AdoptionOutcome = Literal["adopted", "kept", "not_deployed", "disagreement", "left"]
"""`kept`: the store has it already; `not_deployed`: no service has its variable; `disagreement`: services differ;
`left`: its value cannot be taken over, and the flag stays as if never set."""


@frozen
class DeployedFlag:
    """A flag as services have it. `deployed` are its texts by service; `after` is where the store puts it."""

    key: str
    variable: str
    outcome: AdoptionOutcome
    deployed: Mapping[str, str]
    before: Position | None
    after: Position | None
    why: str = ""
    move: Move | None = None


@frozen
class AdoptionPlan:
    """What is deployed, and what becomes of it. `parameters` are texts by service and variable."""

    flags: tuple[DeployedFlag, ...]
    parameters: Mapping[str, Mapping[str, str]]
    stored: Stored
    """The states as they would be."""
    warnings: tuple[str, ...]
    unread: tuple[str, ...]
    """Services whose variables could not be read."""

    @property
    def moves(self) -> list[Move]:
        """The moves that take flags over."""
        return [flag.move for flag in self.flags if flag.move is not None]

    def of(self, outcome: AdoptionOutcome) -> list[DeployedFlag]:
        """Return the flags with an outcome."""
        return [flag for flag in self.flags if flag.outcome == outcome]


def plan_adoption(
    file: FlagsFile, stored: Stored, services: Sequence[DeployedService], keys: Iterable[str], now: datetime
) -> AdoptionPlan:
    """Return what taking over would do. A flag that is in the store already stays as it is there."""
    readable = [service for service in services if not service.unreadable]
    planning = _Planning(file, stored, readable, now)
    wanted = set(keys) or set(file.flags)
    found = {key: planning.look(key) for key in _needed_first(file) if key in wanted}
    flags = tuple(found[key] for key in file.flags if key in found)
    parameters = {
        service.name: {
            name: service.env[name]
            for key in found
            for name in file.flags[key].parameters
            if service.env.get(name) and name not in service.secrets
        }
        for service in readable
    }
    return AdoptionPlan(
        flags,
        {name: texts for name, texts in parameters.items() if texts},
        planning.stored,
        tuple(_warnings(flags, readable, services)),
        tuple(service.name for service in services if service.unreadable),
    )


def _needed_first(file: FlagsFile) -> list[str]:
    """Return the flags, each after those that it needs: what these give decides what it gives."""
    order: dict[str, None] = {}

    def add(key: str) -> None:
        for other in file.flags[key].prerequisites:
            add(other)
        order.setdefault(key)

    for key in file.flags:
        add(key)
    return list(order)


class _Planning:
    def __init__(self, file: FlagsFile, stored: Stored, services: Sequence[DeployedService], now: datetime) -> None:
        self._file = file
        self.stored = stored
        self._services = services
        self._now = now

    def look(self, key: str) -> DeployedFlag:
        """Return what becomes of a flag, and put it into `stored` if it is taken over."""
        flag, state = self._file.flags[key].definition(key), self.stored.states.get(key)
        deployed = {service.name: text for service in self._services if (text := service.env.get(flag.env))}
        before = None if state is None else position_of(state)
        found = DeployedFlag(key, flag.env, "not_deployed", deployed, before, before)
        if state is not None or key in self.stored.unreadable:
            return replace(found, outcome="kept", why=self._kept(flag, state, deployed))
        secret = [service.name for service in self._services if flag.env in service.secrets]
        if secret:
            return replace(found, outcome="left", why=f"it comes from a secret on {', '.join(secret)}")
        if not deployed:
            return found
        try:
            values = {name: override_of(flag, {flag.env: text}) for name, text in deployed.items()}
        except ValueError as error:
            return replace(found, outcome="left", why=str(error))
        value = next(iter(values.values()))
        if value is None or any(other != value for other in values.values()):
            return replace(found, outcome="disagreement", why=_by_value(deployed))
        return self._taken_over(found, flag, value)

    def _taken_over(self, found: DeployedFlag, flag: Definition, value: FlagValue) -> DeployedFlag:
        """Put a flag where everybody gets `value`, if there is such a place."""
        places = (UNSET, OFF) if value == flag.off else (Position(ALL, enabled=True),)
        for place in places:
            planned = move(
                found.key, None, place, salt=flag.salt, stages=self._file.stages_of(found.key), definition=flag
            )
            state = replace(expected(planned.change, self._now), version=1)
            trial = Stored({**self.stored.states, found.key: state}, self.stored.unreadable)
            if everybody_gets(found.key, self._file, trial) == value:
                self.stored = trial
                return replace(found, outcome="adopted", after=place, move=planned)
        return replace(found, outcome="left", why=f"no setting of the flag gives {as_text(value)} to everybody")

    def _kept(self, flag: Definition, state: State | None, deployed: Mapping[str, str]) -> str:
        if state is None:
            return "its state in the store cannot be read"
        given = everybody_gets(flag.key, self._file, self.stored)
        differing = [name for name, text in deployed.items() if _value_or_none(flag, text) != given]
        why = f"{state.updated_by} set it in the store"
        return f"{why}; {_by_value({name: deployed[name] for name in differing})}" if differing else why


def _value_or_none(flag: Definition, text: str) -> FlagValue | None:
    try:
        return override_of(flag, {flag.env: text})
    except ValueError:
        return None


def _by_value(deployed: Mapping[str, str]) -> str:
    """Return `true on a, b; false on c`."""
    by_text: dict[str, list[str]] = {}
    for name, text in deployed.items():
        by_text.setdefault(text, []).append(name)
    return "; ".join(f"{text} on {', '.join(names)}" for text, names in by_text.items())


def _warnings(
    flags: Iterable[DeployedFlag], readable: Sequence[DeployedService], services: Sequence[DeployedService]
) -> Iterable[str]:
    for service in services:
        if service.unreadable:
            yield f"{service.name} was not looked at: {service.unreadable}"
    for flag in flags:
        if flag.outcome == "left":
            yield f"{flag.key} is not taken over: {flag.variable}: {flag.why}"
        without = [service.name for service in readable if service.name not in flag.deployed]
        if flag.outcome == "adopted" and without and flag.move is not None and flag.move.before != flag.after:
            on = ", ".join(flag.deployed)
            yield f"{flag.variable} is set on {on} only; {', '.join(without)} would follow the store: {flag.after}"

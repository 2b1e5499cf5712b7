"""What the variables of a deployed service should be, according to the store and flags.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from nbactl.core.flags.moves import ALL, position_of
from nbactl.core.flags.snapshot import as_text, override_of, parse_value
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbactl.config.flags import FlagsFile
    from nbactl.core.flags import State, Stored
    from nbactl.core.flags.model import Definition, FlagValue
    from nbactl.ports.services import DeployedService

VariableStanding = Literal["unset", "in_line", "differs", "invalid", "secret", "unknown", "no_opinion"]
"""`differs`: it decides otherwise than the store, or a parameter than flags.yaml; `invalid`: services ignore it;
`secret`: its value is not known here; `unknown`: the flag's state cannot be read; `no_opinion`: the flag was never set
in the store, or a parameter was adopted with another value than that of flags.yaml, so nothing is wanted."""


@frozen
class FlagVariable:
    """A variable of one service that a flag reads.

    `wanted` is what it has to become to be in line, None to be removed; where it is in line it is `value` itself.
    `why` says what is wrong, as the second half of a sentence.
    """

    service: str
    name: str
    key: str
    standing: VariableStanding
    value: str | None
    wanted: str | None
    why: str = ""

    @property
    def contradicts(self) -> bool:
        """Whether it has to be changed."""
        return self.standing in ("differs", "invalid")


def everybody_gets(key: str, file: FlagsFile, stored: Stored) -> FlagValue | None:
    """Return the value that the store gives to every entity; None where that differs from one to the next.

    A variable decides for everybody, so beside a percentage, a targeting rule or a prerequisite that is itself rolled
    out in part no variable can stand.
    """
    flag, state = file.flags[key].definition(key), stored.states.get(key)
    if state is not None and not state.enabled:
        return flag.off
    below = {other: everybody_gets(other, file, stored) for other in flag.prerequisites}
    is_on = {other: file.flags[other].definition(other).is_on(value) for other, value in below.items()}
    if any(value is not None and not is_on[other] for other, value in below.items()):
        return flag.default
    served = _served(flag, state)
    if not all(is_on.values()):
        served.add(flag.default)
    return served.pop() if len(served) == 1 and not flag.rules else None


def _served(flag: Definition, state: State | None) -> set[FlagValue]:
    """Return the values that entities get by the percentage and by the lists of names."""
    percent = position_of(state, flag).percent
    served = {flag.default} if state is None else {flag.treatment} if percent >= ALL else {flag.off}
    if percent > 0 or flag.allow:
        served.add(flag.treatment)
    if flag.deny:
        served.add(flag.off)
    return served


def variables_of(
    service: DeployedService, file: FlagsFile, stored: Stored, adopted: Mapping[str, str] | None = None
) -> Iterator[FlagVariable]:
    """Yield the variables that the flags read, set or not. `adopted` are the parameters that were adopted as they are.

    A flag that was never set in the store is not an opinion about any of its variables (invariant 23).
    """
    for key, flag in file.flags.items():
        never_set = key not in stored.states and key not in stored.unreadable
        why = f"{key} was never set in the store"
        switch = _found(service, key, flag.env) if never_set else _switch(service, key, file, stored)
        yield _without_opinion(switch, why) if never_set else switch
        for name, declared in flag.parameters.items():
            parameter = _parameter(service, key, name, declared)
            if never_set:
                parameter = _without_opinion(parameter, why)
            elif parameter.contradicts and parameter.value == (adopted or {}).get(name):
                parameter = _without_opinion(parameter, f"it was adopted as it is; {parameter.why}")
            yield parameter


def _without_opinion(variable: FlagVariable, why: str) -> FlagVariable:
    if variable.standing == "unset":
        return variable
    return replace(variable, standing="no_opinion", wanted=variable.value, why=why)


def _switch(service: DeployedService, key: str, file: FlagsFile, stored: Stored) -> FlagVariable:
    flag = file.flags[key].definition(key)
    variable = _found(service, key, flag.env)
    if variable.standing != "in_line":
        return variable
    if key in stored.unreadable:
        return replace(variable, standing="unknown", why=f"the state of {key} cannot be read")
    place, settled = position_of(stored.states.get(key)).place, everybody_gets(key, file, stored)
    wanted = None if settled is None else as_text(settled)
    try:
        value = override_of(flag, service.env)
    except ValueError as error:
        return replace(variable, standing="invalid", wanted=wanted, why=str(error))
    if value == settled:
        return variable
    why = f"{key} is {place}, not the same for everybody" if wanted is None else f"{key} is {place}"
    return replace(variable, standing="differs", wanted=wanted, why=why)


def _parameter(service: DeployedService, key: str, name: str, declared: FlagValue) -> FlagVariable:
    variable, wanted = _found(service, key, name), as_text(declared)
    if variable.standing != "in_line":
        return variable
    try:
        if parse_value(type(declared), variable.value or "") == declared:
            return variable
    except ValueError as error:
        return replace(variable, standing="invalid", wanted=wanted, why=str(error))
    return replace(variable, standing="differs", wanted=wanted, why=f"flags.yaml says {wanted}")


def _found(service: DeployedService, key: str, name: str) -> FlagVariable:
    """Return a variable as it is; one that is set is in line as far as the service alone shows."""
    text = service.env.get(name)
    if name in service.secrets:
        return FlagVariable(service.name, name, key, "secret", None, None, "its value comes from a secret")
    return FlagVariable(service.name, name, key, "in_line" if text else "unset", text, text)

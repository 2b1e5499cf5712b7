"""Checks of flags.yaml: values fit their type, names exist, prerequisites have no circle, stages only grow."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nbactl.config.cycles import find_cycles
from nbactl.config.problems import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.flags import Flag, FlagsFile, RolloutPlan
    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile

_TYPES = {"bool": (bool, "true or false"), "int": (int, "a whole number"), "string": (str, "text")}


def check_flags(file: ConfigFile[FlagsFile]) -> Iterator[Problem]:
    """Yield the problems."""
    flags, rollout, declared = file.model.flags, file.model.rollout, file.names("flags")
    for name, flag in flags.items():
        yield from _references(file, name, flag)
        if file.is_right("flags", name, "type") or "type" not in file.names("flags", name):  # it is not a wrong one
            yield from _values(file, name, flag)
    for index, name in enumerate(rollout.active):
        if name not in declared:
            yield file.unknown(("rollout", "active", index), name, declared, "not a flag")
        elif name in rollout.active[:index]:
            yield file.positions.problem(("rollout", "active", index), f"'{name}' is listed twice")
    for name, plan in rollout.plans.items():
        yield from _plan(file, name, plan)
    for circle in find_cycles({name: flag.prerequisites for name, flag in flags.items()}):
        message = f"circular prerequisites: {' → '.join(circle)}"
        yield file.positions.problem(("flags", circle[0], "prerequisites"), message)
    yield from _environment(file)


def _references(file: ConfigFile[FlagsFile], name: str, flag: Flag) -> Iterator[Problem]:
    declared, plans = file.names("flags"), file.names("rollout", "plans")
    for index, other in enumerate(flag.prerequisites):
        if other not in declared:
            yield file.unknown(("flags", name, "prerequisites", index), other, declared, "not a flag")
    if flag.rollout not in plans:
        yield file.unknown(("flags", name, "rollout"), flag.rollout, plans, "not under rollout.plans")


def _values(file: ConfigFile[FlagsFile], name: str, flag: Flag) -> Iterator[Problem]:
    kind, wanted = _TYPES[flag.type]
    path = ("flags", name)
    values: dict[tuple[str | int, ...], Any] = {("default",): flag.default, ("treatment",): flag.treatment}
    values |= {("variants", index): value for index, value in enumerate(flag.variants)}
    rules = flag.targeting.rules if flag.targeting else ()
    values |= {("targeting", "rules", i, "serve"): r.serve for i, r in enumerate(rules) if r.serve is not None}
    for key, value in values.items():
        if type(value) is not kind:
            yield file.positions.problem(
                (*path, *key), f"a flag of type {flag.type} serves {wanted}, not {shown(value)}"
            )
        elif flag.type != "bool" and value not in flag.variants:
            yield file.positions.problem((*path, *key), f"{shown(value)} is not among the variants of {name}")
    if flag.targeting:
        for index, entity in enumerate(flag.targeting.allow):
            if entity in flag.targeting.deny:
                message = f"'{entity}' is also under deny, which is checked first"
                yield file.positions.problem((*path, "targeting", "allow", index), message)
    if flag.type == "bool" and flag.variants:
        yield file.positions.problem((*path, "variants"), "a flag of type bool has no variants", key=True)


def _plan(file: ConfigFile[FlagsFile], name: str, plan: RolloutPlan) -> Iterator[Problem]:
    path, guards = ("rollout", "plans", name), file.names("rollout", "guards")
    for index, guard in enumerate(plan.guards):
        if guard not in guards:
            yield file.unknown((*path, "guards", index), guard, guards, "not under rollout.guards")
    for index, (before, after) in enumerate(pairwise(plan.stages), start=1):
        if after.percent <= before.percent:
            message = (
                f"a stage serves more than the one before it, but {after.percent:g} % follows {before.percent:g} %"
            )
            yield file.positions.problem((*path, "stages", index, "percent"), message)


def _environment(file: ConfigFile[FlagsFile]) -> Iterator[Problem]:
    """Yield a problem for each environment variable that two flags claim: one export would move both."""
    owner: dict[str, str] = {}
    for name, flag in file.model.flags.items():
        places = {("env",): flag.env} | {("parameters", key): key for key in flag.parameters}
        for key, variable in places.items():
            if variable in owner:
                message = f"the environment variable {variable} belongs to {owner[variable]} already"
                yield file.positions.problem(("flags", name, *key), message, key=key[0] == "parameters")
            owner.setdefault(variable, name)

"""Problems with feature flags: their life cycle, and where store, flags.yaml and environment differ."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from nbactl.config.flag_variables import everybody_gets
from nbactl.core.flags.moves import ALL, position_of
from nbactl.core.flags.prerequisites import unmet_prerequisites
from nbactl.core.flags.snapshot import as_text, override_of, parameters_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, datetime

    from nbactl.config.flags import Flag, FlagsFile
    from nbactl.core.flags import State, Stored

_WHOLE: Final = (0.0, ALL)


@dataclass(frozen=True, slots=True)
class FlagFinding:
    """One problem with a flag (or with several, joined by commas), and what to do about it."""

    key: str | None
    kind: str
    message: str
    fix: str
    service: str | None = None
    """The deployed service where it is so; `key` is None for what concerns a service and no flag."""


def is_stale(flag: Flag, state: State | None, now: datetime, today: date, after: float) -> str | None:
    """Say why a flag is no longer needed, None if it is. `after` is in seconds, `today` in Eastern time."""
    if flag.expires < today:
        return f"it should have been removed from the code by {flag.expires}"
    if state is None or not state.enabled or state.percent <= 0 or (now - state.updated_at).total_seconds() <= after:
        return None
    days = (now - state.updated_at).days
    message = "everyone has had it" if state.percent >= ALL else f"its rollout has been at {state.percent:g} %"
    return f"{message} for {days} days"


def life_cycle(
    file: FlagsFile, stored: Stored, *, now: datetime, today: date, stale_after: float
) -> Iterator[FlagFinding]:
    """Yield flags that are expired, stale, unknown, damaged, held back, or hard to tell apart."""
    yield from _not_declared(file, stored)
    definitions = file.definitions()
    for key, flag in file.flags.items():
        state = stored.states.get(key)
        if why := is_stale(flag, state, now, today, stale_after):
            kind = "expired" if flag.expires < today else "stale"
            fix = f"Finish its rollout, then take it out of the code and of flags.yaml; {flag.owner} owns it."
            yield FlagFinding(key, kind, f"{key} is no longer needed: {why}", fix)
        for unmet in unmet_prerequisites(key, definitions, stored.states):
            yield FlagFinding(key, "prerequisite", unmet.message, unmet.fix)
    yield from _overlaps(file, stored)
    for one, other in combinations(file.flags, 2):
        if file.flags[one].salt == file.flags[other].salt:
            message = f"{one} and {other} have the same salt, so both reach the same entities first"
            yield FlagFinding(f"{one},{other}", "same_salt", message, "Give each flag a salt of its own in flags.yaml.")


def drift(file: FlagsFile, stored: Stored, environ: Mapping[str, str]) -> Iterator[FlagFinding]:
    """Yield where the store, flags.yaml and the environment of this process differ."""
    yield from _not_declared(file, stored)
    for key, flag in file.flags.items():
        definition, state = flag.definition(key), stored.states.get(key)
        if state is not None and (state.salt, state.hash_version) != (flag.salt, flag.hash_version):
            message = f"{key} is bucketed by '{state.salt}' in the store, by '{flag.salt}' in flags.yaml"
            fix = "The store wins. The salt of the file applies when the flag next leaves 0 % or 100 %."
            yield FlagFinding(key, "salt", message, fix)
        try:
            value = override_of(definition, environ)
        except ValueError as error:
            message = f"the environment variable {flag.env} is ignored: {error}"
            yield FlagFinding(key, "environment", message, f"Correct or unset {flag.env}.")
            value = None
        here = position_of(state)
        if value is not None and value != everybody_gets(key, file, stored):
            wins = f"{flag.env}={as_text(value)} wins here" if here.enabled else f"the kill switch wins over {flag.env}"
            there = "was never set" if state is None else f"is {here.place}"
            message = f"{key} {there} in the store, and {as_text(value)} in the environment: {wins}"
            yield FlagFinding(key, "environment", message, f"Unset {flag.env}, or bring the store in line.")
        values, problems = parameters_of(definition, environ)
        for problem in problems:
            yield FlagFinding(key, "parameter", problem, "Correct or unset it.")
        for name, declared in flag.parameters.items():
            if values[name] != declared:
                message = f"{name} is {as_text(values[name])} in the environment, {as_text(declared)} in flags.yaml"
                yield FlagFinding(key, "parameter", message, f"Unset {name}, or change flags.yaml.")


def _not_declared(file: FlagsFile, stored: Stored) -> Iterator[FlagFinding]:
    for key, why in stored.unreadable.items():
        yield FlagFinding(key, "unreadable", why, f"Write it again: nbactl flags rollback {key}")
    for key, state in stored.states.items():
        if key not in file.flags:
            message = f"{key} is in the store ({position_of(state)}, set by {state.updated_by}), but not in flags.yaml"
            fix = f"If no code uses it any more, leave it switched off: nbactl flags rollback {key}"
            if state.enabled:
                yield FlagFinding(key, "unknown", message, fix)


def _overlaps(file: FlagsFile, stored: Stored) -> Iterator[FlagFinding]:
    partly: dict[str, list[str]] = defaultdict(list)
    for key, flag in file.flags.items():
        here = position_of(stored.states.get(key))
        if here.enabled and here.percent not in _WHOLE:
            partly[flag.entity].append(key)
    for entity, keys in partly.items():
        if len(keys) > 1:
            message = f"{', '.join(keys)} are being rolled out over {entity} at the same time"
            fix = "Finish one before the next: a guard cannot attribute what it sees to one of them."
            yield FlagFinding(",".join(keys), "overlapping", message, fix)

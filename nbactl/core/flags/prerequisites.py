"""Prerequisites that keep a flag from entities inside its percentage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.core.flags.moves import ALL, position_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbactl.core.flags.model import Definition, State


@dataclass(frozen=True, slots=True)
class UnmetPrerequisite:
    """A prerequisite that is not rolled out as far as the flag: what is wrong, and what to do about it."""

    message: str
    fix: str


def unmet_prerequisites(
    key: str, definitions: Mapping[str, Definition], states: Mapping[str, State]
) -> Iterator[UnmetPrerequisite]:
    """Yield the prerequisites that keep a flag from entities inside its percentage."""
    flag, here = definitions[key], position_of(states.get(key))
    if not here.enabled or here.percent <= 0 or (flag.is_on_by_default and here.percent >= ALL):
        return  # what is on by default is on without its prerequisite as well
    for name in flag.prerequisites:
        other, there = definitions[name], position_of(states.get(name))
        if other.entity != flag.entity:
            yield UnmetPrerequisite(
                f"{key} is per {flag.entity}, but needs {name}, which is per {other.entity}: "
                "for each entity both are asked with the same id",
                "Give both the same entity.",
            )
        elif not there.enabled or there.percent < here.percent:
            yield UnmetPrerequisite(
                f"{key} is {here.place}, but needs {name}, which is {there.place}: it is on only where both are",
                f"Roll {name} out first.",
            )

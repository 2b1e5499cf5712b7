"""What a comparison of array and subcollection found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class PlayerOf:
    """A player of a batch."""

    batch: str
    player: str


@dataclass(frozen=True, slots=True)
class Different:
    """A completion that both sides have, with other payloads."""

    batch: str
    player: str
    array: int
    subcollection: Any


@dataclass(frozen=True, slots=True)
class CounterDrift:
    """A counter that is not the number of completions. `counter` is as it stands there, None if there is none."""

    batch: str
    counter: Any
    actual: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that stands where a completion, an id or a number should: `value` is its text, cut short."""

    batch: str
    field: str
    value: str
    reason: str


@dataclass(slots=True)
class Findings:
    """All that is not as it should be. `missing` is missing in the subcollection, `extra` is missing in the array."""

    missing: list[PlayerOf] = field(default_factory=list)
    extra: list[PlayerOf] = field(default_factory=list)
    different: list[Different] = field(default_factory=list)
    counter_drift: list[CounterDrift] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(getattr(self, each.name)) for each in fields(self))

    def __bool__(self) -> bool:
        return len(self) > 0

    def add(self, other: Findings) -> None:
        """Take over what another comparison found."""
        for each in fields(self):
            getattr(self, each.name).extend(getattr(other, each.name))

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return the findings under the keys of the command's JSON."""
        return {each.name: [asdict(entry) for entry in getattr(self, each.name)] for each in fields(self)}

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        return {each.name: len(getattr(self, each.name)) for each in fields(self)}


def union(each: Iterable[Findings]) -> Findings:
    """Return all findings in one."""
    together = Findings()
    for findings in each:
        together.add(findings)
    return together

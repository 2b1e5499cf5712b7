"""A frozen class is what `@dataclass(frozen=True, slots=True)` makes, in every way that the code relies on."""

from __future__ import annotations

import copy
import pickle
import weakref
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest

from nbactl.frozen import frozen


@frozen
class Made:
    """A record."""

    name: str
    rows: int | None = None
    notes: dict[str, int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list, compare=False, repr=False, kw_only=True)

    @property
    def shout(self) -> str:
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class Standard:
    """A record."""

    name: str
    rows: int | None = None
    notes: dict[str, int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list, compare=False, repr=False, kw_only=True)

    @property
    def shout(self) -> str:
        return self.name.upper()


@frozen
class Hashed:
    number: int
    text: str = field(default="", compare=False)


@frozen
class Checked:
    percent: float

    def __post_init__(self) -> None:
        if self.percent > 100:
            raise ValueError(self.percent)


@dataclass(frozen=True, slots=True)
class Extended(Hashed):
    more: int = 0


BOTH: list[Any] = [Made, Standard]


@pytest.mark.parametrize("kind", BOTH)
def test_a_record_behaves_as_a_dataclass(kind: Any) -> None:
    one, same, other = kind("a", seen=["x"]), kind(name="a", rows=None), kind("a", 2)
    assert (one == same, one == other, one == "a", one.shout) == (True, False, False, "A")
    assert one.notes is not same.notes
    assert repr(one) == f"{kind.__name__}(name='a', rows=None, notes={{}})"
    assert asdict(other) == {"name": "a", "rows": 2, "notes": {}, "seen": []}
    assert replace(other, name="b").rows == 2
    assert is_dataclass(one)
    assert [item.name for item in fields(one)] == ["name", "rows", "notes", "seen"]
    assert kind.__doc__ == "A record."
    assert kind.__match_args__ == ("name", "rows", "notes")
    assert pickle.loads(pickle.dumps(other)) == copy.deepcopy(other) == other  # noqa: S301 - made here


@pytest.mark.parametrize("kind", BOTH)
def test_a_record_cannot_be_changed(kind: Any) -> None:
    one = kind("a")
    with pytest.raises(FrozenInstanceError):
        one.name = "b"
    with pytest.raises(FrozenInstanceError):
        del one.name
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        one.unknown = 1
    assert not hasattr(one, "__dict__")
    with pytest.raises(TypeError):
        weakref.ref(one)


@pytest.mark.parametrize("kind", BOTH)
def test_a_call_without_what_is_required_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        kind()
    with pytest.raises(TypeError):
        kind("a", None, {}, ["positional"])


def test_a_hash_follows_what_is_compared() -> None:
    assert hash(Hashed(1, "a")) == hash(Hashed(1, "b"))
    assert len({Hashed(1), Hashed(1), Hashed(2)}) == 2


def test_a_record_checks_itself_and_may_be_extended() -> None:
    with pytest.raises(ValueError, match="101"):
        Checked(101)
    assert Extended(1, "a", 2).more == 2
    assert Extended(1) != Hashed(1)

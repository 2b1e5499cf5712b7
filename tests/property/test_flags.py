"""Whatever is stored, set and asked: an answer, of the flag's values, the same every time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nbactl.core.flags import Reason, TargetingRule
from nbactl.core.flags.snapshot import bucket_of, limit_of
from tests.kit.flags import flag, snapshot, state

PERCENTS = st.integers(0, 100_000).map(lambda thousandths: thousandths / 1000)
ENTITIES = st.text(min_size=1).filter(lambda text: text.isprintable())
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.text(st.characters()),
    st.binary(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.integers()),
)


@given(ENTITIES, PERCENTS, PERCENTS)
def test_more_percent_never_takes_an_entity_out(entity: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    served = [snapshot(flag(), states={"fast": state(p)}).evaluate("fast", entity).value for p in (low, high)]
    assert served != [True, False]


@given(ENTITIES, PERCENTS)
def test_the_bucket_and_nothing_else_decides_inside_a_rollout(entity: str, percent: float) -> None:
    answer = snapshot(flag(), states={"fast": state(percent)}).evaluate("fast", entity)
    assert answer.value is (bucket_of("fast", entity) < limit_of(percent))
    assert answer.bucket in (None, bucket_of("fast", entity))


@given(
    key=st.one_of(st.sampled_from(["fast", "needs"]), ANYTHING),
    entity=ANYTHING,
    attributes=st.one_of(st.dictionaries(st.sampled_from(["team", "x"]), ANYTHING), ANYTHING),
    percent=PERCENTS,
    enabled=st.booleans(),
    text=st.text(),
)
def test_an_evaluation_never_raises_and_serves_only_what_is_declared(  # noqa: PLR0917
    key: Any, entity: Any, attributes: Any, percent: float, enabled: bool, text: str
) -> None:
    targeted = flag(
        deny=frozenset({"x"}), allow=frozenset({"y"}), rules=(TargetingRule("team", ("BOS", 1, True), serve=True),)
    )
    needs = flag("needs", prerequisites=("fast",))
    flags = snapshot(
        targeted,
        needs,
        states={"fast": state(percent, enabled=enabled), "needs": state(100, "needs")},
        environ={"ENABLE_NEEDS": text},
    )
    answer = flags.evaluate(key, entity, attributes)
    assert answer.value in (True, False, None)
    assert (answer.error is None) == (answer.reason is not Reason.ERROR)
    assert answer == flags.evaluate(key, entity, attributes)

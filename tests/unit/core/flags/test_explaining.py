"""An explanation names the step that decided, as the evaluation has it."""

from __future__ import annotations

from typing import Any

import pytest

from nbactl.core.flags import TargetingRule
from nbactl.core.flags.explaining import STEPS, explain
from nbactl.core.flags.snapshot import bucket_of
from tests.kit.flags import flag, snapshot, state

TARGETED = flag(
    prerequisites=("base",),
    deny=frozenset({"no"}),
    allow=frozenset({"yes"}),
    rules=(TargetingRule("team", ("BOS",), True),),  # noqa: FBT003
)


@pytest.mark.parametrize(
    ("given", "environ", "entity", "attributes", "step", "finding"),
    [
        (
            state(enabled=False, reason="too slow"),
            {},
            "a",
            None,
            "kill switch",
            "thrown by operator@host at 2024-01-15T12:00:00+00:00: too slow",
        ),
        (state(50), {"ENABLE_FAST": "1"}, "a", None, "environment", "ENABLE_FAST is true"),
        (state(50), {"ENABLE_BASE": "no"}, "a", None, "prerequisites", "base is not on (environment)"),
        (state(50), {}, "no", None, "targeting", "no is on the deny list"),
        (state(50), {}, "yes", None, "targeting", "yes is on the allow list"),
        (state(50), {}, "a", {"team": "BOS"}, "targeting", "a rule fits the attributes"),
        (state(50), {}, "b", None, "percent", "50 %, which are buckets 0 to 49,999; b has bucket 43,881"),
        (state(50), {}, None, None, "percent", "50 %, which are buckets 0 to 49,999; no player was named"),
        (state(100), {}, None, None, "percent", "100 %, so every entity is inside"),
        (None, {}, "b", None, "percent", "never set, so no entity is inside"),
    ],
)
def test_the_step_that_decided_is_named_with_what_it_found(  # noqa: PLR0917
    given: Any, environ: dict[str, str], entity: str | None, attributes: Any, step: str, finding: str
) -> None:
    states = {"base": state(100, "base"), **({} if given is None else {"fast": given})}
    flags = snapshot(TARGETED, flag("base"), states=states, environ=environ)
    explanation = explain(flags, "fast", entity, attributes)
    assert explanation.evaluation == flags.evaluate("fast", entity, attributes)
    assert [each.name for each in explanation.steps] == list(STEPS)
    assert [(each.name, each.finding) for each in explanation.steps if each.decided] == [(step, finding)]


def test_the_bucket_is_reported_even_where_it_did_not_matter() -> None:
    assert explain(snapshot(flag()), "fast", "b").bucket == bucket_of("fast", "b")


def test_an_error_was_decided_by_no_step() -> None:
    explanation = explain(snapshot(flag(), states={"fast": state(50)}), "fast", "\ud800")
    assert explanation.bucket is None
    assert not any(step.decided for step in explanation.steps)

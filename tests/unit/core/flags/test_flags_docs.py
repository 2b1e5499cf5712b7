from __future__ import annotations

import re

import pytest

from nbactl.core.flags import Reason
from tests.kit.paths import ROOT

TEXT = (ROOT / "docs" / "flags.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_of_the_documentation_hold(number: int) -> None:
    exec(compile(EXAMPLES[number], f"flags.md, example {number + 1}", "exec"), {})  # noqa: S102 - our own text


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3


def test_every_reason_is_explained() -> None:
    assert {reason for reason in Reason if f"`{reason}`" not in TEXT} == set()

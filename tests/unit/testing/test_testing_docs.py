from __future__ import annotations

import re

import pytest

from tests.kit.paths import ROOT

DOCUMENT = ROOT / "docs" / "testing.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_of_the_documentation_hold(number: int) -> None:
    exec(compile(EXAMPLES[number], f"{DOCUMENT.name}, example {number + 1}", "exec"), {})  # noqa: S102 - our own text


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6


def test_the_points_of_the_documentation_are_in_the_code() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", TEXT, re.MULTILINE)
    named = {point for row in rows for point in re.findall(r"`(?!server\.)(\w+\.\w+)`", row)}
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "nbactl").rglob("*.py"))
    assert named
    assert named <= set(re.findall(r'reach\("(.+?)"\)', code))

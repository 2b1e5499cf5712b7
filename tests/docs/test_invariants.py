"""docs/invariants.md and the tests that are named after its invariants."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
CODE = [file for folder in ("nbactl", "tests") for file in sorted((ROOT / folder).rglob("*.py"))]


def numbers_of_tests() -> set[int]:
    """Return the numbers in the names of tests."""
    names = (number for file in CODE for number in re.findall(r"def test_inv_(\d\d)_\w", file.read_text("utf-8")))
    return set(map(int, names))


def test_the_numbers_run_from_1_without_gaps() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= 30


def test_every_invariant_has_a_test_or_is_marked_as_planned() -> None:
    named = {int(number) for number, *_, tests in ROWS if f"`test_inv_{int(number):02}_…`" in tests}
    planned = {int(number) for number, *_, tests in ROWS if tests.startswith("planned: ")}
    assert named | planned == {int(number) for number, *_ in ROWS}
    assert not named & planned
    assert named - numbers_of_tests() == set(), "the page names tests that do not exist"
    assert planned & numbers_of_tests() == set(), "the page calls an invariant planned that has tests: name them"


def test_every_numbered_test_has_its_invariant_on_the_page() -> None:
    assert numbers_of_tests() - {int(number) for number, *_ in ROWS} == set()


def test_code_cites_invariants_that_exist() -> None:
    numbers = {int(number) for number, *_ in ROWS}
    for file in CODE:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"INVARIANTS \d", text), f"{file}: cite docs/invariants.md, as in 'invariant 4'"
        assert {int(number) for number in re.findall(r"\binvariants? (\d+)", text)} <= numbers, file

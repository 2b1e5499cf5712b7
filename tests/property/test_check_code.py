"""A fault is found whatever surrounds it, and what is right stays unreported."""

from __future__ import annotations

import ast
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbactl.checks.code.content import analyse
from nbactl.checks.code.engine import check_files
from nbactl.checks.code.fixing import fix_all
from nbactl.checks.code.rules import RULES
from tests.kit.budget import budget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

PYTHON_RULES = [name for name, rule in RULES.items() if rule.visits or rule.finish]
NEIGHBOURS = (
    "count = 0",
    "values = [item * 2 for item in range(10) if item]",
    "note = f'{count!r:>{width}} of {total}'",
    "if count > 3: count -= 1",
    "assert isinstance(count, int), 'no number'",
    "def helper(first, *rest, key=None, **more): return key or rest",
    "class Holder:\n    size: int = 3\n    def grow(self): self.size += 1",
    "try:\n    count = int(text)\nexcept ValueError:\n    count = -1",
    "with open(name) as file, lock:\n    text = file.read()",
    "lookup = {'a': 1, **others, 'b': {'c': [1, 2, (3,)]}}",
    "async def wait(queue):\n    async for item in queue:\n        await item.done()",
    "total = sum((lambda value: value + 1)(value) for value in values)",
    "match values:\n    case [first, *_] if first > 1: pass\n    case {'a': x, **rest}: pass\n    case _: pass",
    "del values[1:2], lookup['a']",
    "'''a text\n   of two lines'''",
    "@decorate(3)\ndef decorated(): yield from range(3)",
    "print(*values, sep='\\t')  # a comment",
)
AROUND = {
    "if": "if condition:\n{}",
    "else": "if condition:\n    pass\nelif another:\n    count = 2\nelse:\n{}",
    "with": "with context(1) as held:\n{}",
    "try": "try:\n{}\nexcept KeyError as error:\n    raise RuntimeError from error",
    "handler": "try:\n    count = 1\nexcept KeyError:\n{}",
    "finally": "try:\n    count = 1\nfinally:\n{}",
    "function": "def some_work(first, *, second=None):\n{}",
    "async": "async def some_work(first):\n{}",
    "method": "class Worker:\n    name = 'x'\n    def some_work(self):\n{}",
    "for": "for entry in entries:\n{}",
    "while": "while condition:\n{}",
    "match": "match kind:\n    case 'a' | 'b':\n{}",
}
LOOPS = frozenset({"for", "while"})
NO_LOOPS = frozenset({"http-no-retry", "single-row-load"})
"""Rules for which a loop around makes a difference."""


def imports_and_body(case: str) -> tuple[str, str]:
    """Return the imports at the top of a case, and the rest."""
    lines = case.splitlines()
    count = next((at for at, line in enumerate(lines) if not line.startswith(("import ", "from "))), 0)
    return "\n".join(lines[:count]), "\n".join(lines[count:])


def around(name: str) -> SearchStrategy[list[str]]:
    names = sorted(AROUND.keys() - LOOPS if name in NO_LOOPS else AROUND)
    return st.lists(st.sampled_from(names), max_size=5)


@st.composite
def programs(draw: st.DrawFn, name: str, *, bad: bool) -> str:
    """Return a case of a rule in surroundings that do not concern it."""
    neighbours = st.lists(st.sampled_from(NEIGHBOURS), max_size=3)
    imports, body = imports_and_body(draw(st.sampled_from(RULES[name].bad if bad else RULES[name].good)))
    for kind in draw(around(name)):
        before, after = draw(neighbours), draw(neighbours)
        inner = "\n".join([*before, body, *after])
        depth = AROUND[kind].partition("{}")[0].rpartition("\n")[0].rsplit("\n", 1)[-1]
        indent = len(depth) - len(depth.lstrip()) + 4
        body = AROUND[kind].format(textwrap.indent(inner, " " * indent))
    lines = [imports, *draw(neighbours), body, *draw(neighbours)]
    text = "\n".join(line for line in lines if line) + "\n"
    ast.parse(text)
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def found(text: str, name: str) -> int:
    hits = [located.hit.rule for located in analyse(text.encode(), "python").hits]
    assert "not-parsed" not in hits
    return hits.count(name)


@pytest.mark.parametrize("name", PYTHON_RULES)
@given(data=st.data())
@settings(budget(150))
def test_a_fault_is_found_whatever_surrounds_it(name: str, data: st.DataObject) -> None:
    text = data.draw(programs(name, bad=True))
    assert found(text, name) >= 1, text


@pytest.mark.parametrize("name", PYTHON_RULES)
@given(data=st.data())
@settings(budget(150))
def test_what_is_right_is_not_reported_whatever_surrounds_it(name: str, data: st.DataObject) -> None:
    text = data.draw(programs(name, bad=False))
    assert found(text, name) == 0, text


COMMENT = "# nbactl: ignore[utc-game-date] no longer"


@given(st.lists(st.tuples(st.sampled_from(NEIGHBOURS), st.sampled_from(["", "above", "beside", "both"])), max_size=6))
@settings(budget(100))
def test_a_fix_changes_no_program_and_a_second_one_changes_nothing(parts: list[tuple[str, str]]) -> None:
    lines = []
    for text, place in parts:
        if place in {"above", "both"}:
            lines.append(COMMENT)
        last = text.endswith("  # a comment") or not place or place == "above"
        lines.append(text if last else f"{text}  {COMMENT}")
    before = "\n".join([*lines, ""])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.py"
        file.write_text(before)
        fix_all(check_files([file], ["bq-no-timeout", "utc-game-date"]).findings, dry_run=False)
        after = file.read_text()
        assert ast.dump(ast.parse(after)) == ast.dump(ast.parse(before))
        assert "nbactl" not in after
        assert check_files([file], ["utc-game-date"]).findings == []


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


PIECES = st.sampled_from(
    [
        "def f(:",
        "\0",
        "'" * 3,
        "\\\n",
        "\t if",
        "x = 1",
        "\r",
        "# nbactl: ignore[",
        "é",
        "\x0c",
        "(",
        "f'{",
        "--set-env-vars",
    ]
)


@given(st.binary(max_size=60) | st.lists(PIECES, max_size=8).map(lambda pieces: "\n".join(pieces).encode()))
def test_no_content_makes_it_crash(content: bytes) -> None:
    assert analyse(content, "python").hits is not None
    assert analyse(content, "script").hits is not None

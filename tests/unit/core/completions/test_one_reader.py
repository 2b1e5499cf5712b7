"""Progress is told in one place: nobody else looks at what it is told from."""

from __future__ import annotations

import ast
from pathlib import Path

import nbactl

PACKAGE = Path(nbactl.__file__).parent
FIELD, CONSTANT = "completed_players", "COMPLETED_PLAYERS"
# What writes the field and looks for members in it, tells progress from it, or takes members out and puts them back.
CORE = {f"core/completions/{name}.py" for name in ("documents", "tracker", "batches", "reset")}
# The migration compares both sides, which is no progress.
MIGRATION = "migrations/completions/"
# The rehearsal writes batches as old code did, and reads none.
DEMO = "cli/demo/samples.py"


def speaks_of_it(source: str) -> bool:
    """Say whether code names the array of completed players, by literal, name or attribute."""
    if FIELD not in source and CONSTANT not in source:
        return False
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if text == FIELD:
                return True
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) if name in {FIELD, CONSTANT}:
                return True
    return False


def test_inv_04_nothing_else_reads_the_array_of_completed_players() -> None:
    files = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    others = {name for name, text in files.items() if speaks_of_it(text)} - CORE - {DEMO}
    assert {name for name in others if not name.startswith(MIGRATION)} == set()


def test_inv_04_progress_is_made_in_one_place() -> None:
    makers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "Progress(" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Progress"
    }
    assert {name for name in makers if "completions" in name} == {"core/completions/batches.py"}


def test_the_search_finds_what_it_looks_for() -> None:
    assert speaks_of_it('batch.data.get("completed_players")')
    assert speaks_of_it("from documents import COMPLETED_PLAYERS")
    assert speaks_of_it("documents.COMPLETED_PLAYERS")
    assert not speaks_of_it('"the completed_players of a batch"')

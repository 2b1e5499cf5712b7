"""The digest of a processor's code covers every module of the pipeline that it can load."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import nbactl.pipeline
from nbactl.pipeline.code import BOOKKEEPING, code_of
from nbactl.pipeline.recipes import recipe_of
from nbactl.ports.compute import Work
from nbactl.warehouse.tables import declared_table

ROOT = Path(nbactl.pipeline.__file__).parent
PACKAGE = "nbactl.pipeline"
ROOTS = ("collect", "raw", "sources.path")


def imports(module: str) -> set[str]:
    """Return the modules of the pipeline that a module imports when it runs, wherever the statement is."""
    tree = ast.parse(Path(importlib.import_module(f"{PACKAGE}.{module}").__file__ or "").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not found by code_of"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return {
        name.removeprefix(f"{PACKAGE}.")
        for name in found
        if name.startswith(f"{PACKAGE}.")
        and any(
            (ROOT / name.removeprefix(f"{PACKAGE}.").replace(".", "/")).with_suffix(end).exists() for end in (".py", "")
        )
    }


@pytest.mark.parametrize("module", ROOTS)
def test_the_modules_of_a_processor_are_closed_under_imports(module: str) -> None:
    found = code_of(module)
    assert module in found
    for name in found:
        assert imports(name) <= found.keys() | BOOKKEEPING, name


def test_the_modules_of_phase_2_are_those_that_make_rows() -> None:
    assert {"boxscores", "games", "lookup", "market", "quarantine", "teams", "values"} <= code_of("raw").keys()
    assert {"games", "sources.base"} <= code_of("collect").keys()
    assert {"sources.files", "dates"} <= code_of("sources.path").keys()


def code(name: str, **parameters: object) -> str:
    recipe = recipe_of(Work("processor", name, parameters), declared_table)
    assert recipe is not None
    return recipe.code


def test_parameters_are_part_of_the_code() -> None:
    table = "nba_precompute.player_daily_cache"
    assert code("raw.games", a=1) != code("raw.games", a=2) != code("raw.games")
    assert code(table, a=1, b=2) == code(table, b=2, a=1) != code(table)
    assert code("collect", dataset="schedule") != code("collect", dataset="injuries")


def test_every_table_has_code_of_its_own() -> None:
    names = ("raw.games", "raw.odds", "nba_precompute.player_daily_cache", "nba_precompute.ml_feature_store")
    assert len({code(name) for name in names}) == len(names)


@pytest.mark.parametrize("work", [Work("processor", "unheard.of"), Work("call", "raw.games"), Work("command", ("ls",))])
def test_what_is_no_registered_processor_has_no_recipe(work: Work) -> None:
    assert recipe_of(work, declared_table) is None

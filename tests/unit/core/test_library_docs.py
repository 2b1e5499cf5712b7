"""docs/library.md: its examples run, and the core loads nothing that a service does not want."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys

import pytest

import nbactl.core
from tests.kit import event_kinds
from tests.kit.library_samples import FOLDER, samples, text_of
from tests.kit.paths import ROOT

TEXT = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
MODULES = sorted(module.name for module in pkgutil.walk_packages(nbactl.core.__path__, "nbactl.core."))
UNWANTED = {
    "click", "duckdb", "fastapi", "flask", "google", "grpc", "httpx2", "pydantic", "requests", "rich", "sqlglot",
    "sentry_sdk", "starlette", "typer", "uvicorn", "yaml",
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_of_the_documentation_hold(number: int) -> None:
    exec(compile(EXAMPLES[number], f"library.md, example {number + 1}", "exec"), {})  # noqa: S102 - our own text


def test_every_example_is_a_sample_that_is_type_checked() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    assert len(EXAMPLES) == len(written) >= 5
    assert written == {name: text_of(example) for name, example in samples().items()}, "run: make docs"


def test_no_module_of_the_core_loads_a_command_line_a_cloud_client_an_engine_or_a_web_framework() -> None:
    assert len(MODULES) > 20
    code = f"import sys, nbactl.core, {', '.join(MODULES)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert loaded & UNWANTED == set()
    assert not any(module.startswith("nbactl.adapters") for module in done.stdout.split())


def test_importing_the_core_alone_loads_nothing_of_it_but_itself() -> None:
    code = "import sys; before = set(sys.modules); import nbactl.core; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-Sc", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert {module for module in loaded if module.startswith("nbactl")} == {"nbactl", "nbactl.core"}
    assert len(loaded) < 40  # importlib and typing, where the interpreter had not loaded them


def test_each_name_of_the_core_resolves_and_no_other_does() -> None:
    assert len(set(nbactl.core.__all__)) == len(nbactl.core.__all__)
    for name in nbactl.core.__all__:
        assert getattr(nbactl.core, name) is not None
    assert set(nbactl.core.__all__) <= set(dir(nbactl.core))
    with pytest.raises(AttributeError, match="no attribute 'TokenBucket'"):
        _ = nbactl.core.TokenBucket


def test_each_name_is_documented_and_each_documented_name_is_there() -> None:
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|$", TEXT[TEXT.index("## Every name") :], re.MULTILINE)[1:]
    documented = [name for names, *_ in rows for name in re.findall(r"`(\w+)`", names)]
    assert len(set(documented)) == len(documented)
    assert set(documented) == set(nbactl.core.__all__)
    assert all(sync.strip() and other.strip() for _, sync, other in rows)


def test_each_async_side_is_in_the_table_and_each_one_of_the_table_is_there() -> None:
    rows = re.findall(r"^\| (`.*?) \| .*? \| (.*?) \|$", TEXT[TEXT.index("## Every name") :], re.MULTILINE)
    for names, told in rows:
        classes = [cls for name in re.findall(r"`(\w+)`", names) if isinstance(cls := getattr(nbactl.core, name), type)]
        there = {verb for cls in classes for verb in vars(cls) if verb.endswith("_async") and not verb.startswith("_")}
        assert set(re.findall(r"`\.(\w+_async)`", told)) == there, names


def test_the_documentation_imports_the_core_and_its_testing_alone() -> None:
    pages = [*ROOT.glob("docs/library.md"), ROOT / "docs" / "testing.md", ROOT / "docs" / "example_service.py"]
    for page in (*pages, *FOLDER.glob("*.py")):
        imported = re.findall(r"^(?:from|import) (nbactl[\w.]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(imported) <= {"nbactl.core", "nbactl.testing"}, page
    assert len(pages) == 3


def test_the_kinds_of_events_of_the_documentation_are_in_the_code() -> None:
    assert event_kinds.documented() == event_kinds.emitted()

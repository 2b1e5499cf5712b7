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


def test_the_modules_that_the_package_describes_are_there() -> None:
    described = re.findall(
        r"`([a-z_.]+)`", "".join(re.findall(r"^\| (`.+?) \|", nbactl.core.__doc__ or "", re.MULTILINE))
    )
    assert described
    for name in described:
        assert f"nbactl.core.{'idempotency' if name.startswith('.') else ''}{name}" in MODULES


def test_the_kinds_of_events_of_the_documentation_are_in_the_code() -> None:
    assert event_kinds.documented() == event_kinds.emitted()

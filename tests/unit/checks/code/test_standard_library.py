"""Code that nobody wrote for this: every file of the standard library, and of what is installed, goes through."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from nbactl.checks.code.content import analyse
from nbactl.checks.code.files import MAX_BYTES, parse
from tests.kit.budget import THOROUGH

FOLDERS = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
EVERY = 1 if THOROUGH else 300


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("folder", FOLDERS, ids=["standard library", "installed"])
def test_every_file_goes_through(folder: Path) -> None:
    files = [path for path in sorted(folder.rglob("*.py")) if path.stat().st_size <= MAX_BYTES]
    assert len(files) > 500
    for path in files[::EVERY]:
        content = path.read_bytes()
        unparsed = [each.hit.message for each in analyse(content, "python").hits if each.hit.rule == "not-parsed"]
        try:
            ast.dump(parse(content))
        except (SyntaxError, RecursionError):
            assert unparsed, path
        else:
            assert not unparsed, (path, unparsed)

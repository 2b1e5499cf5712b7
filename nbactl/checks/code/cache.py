"""What earlier calls found, by digest of the content; a content that did not change is not looked at again.

One file in the user's cache directory for each version of rules, Python and ruff. It is replaced whole.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbactl import __version__
from nbactl.checks.code.content import Analysis
from nbactl.config.cache import cache_dir, read_own, write_own

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST: Final = 20_000
"""How many contents are kept, those of the newest calls."""
_FILES: Final = 6


class CheckCache:
    """The analyses of contents, under the version of everything they depend on."""

    def __init__(self, name: str, *versions: str) -> None:
        self._folder = cache_dir(os.environ)
        self._key = json.dumps([__version__, sys.version, _code(), *versions])
        self._name = name
        self._path = self._folder / f"check-{name}-{zlib.crc32(self._key.encode()):08x}.json"
        self._stored: dict[str, Any] = {}

    def load(self) -> dict[str, Any]:
        """Return what is stored, encoded; nothing if there is nothing that can be trusted."""
        try:
            key, _, text = read_own(self._path).partition("\n")
            stored = json.loads(text) if key == self._key else {}
            self._stored = stored if isinstance(stored, dict) else {}
        except (OSError, ValueError, RecursionError):
            self._stored = {}
        return self._stored

    def store(self, found: Mapping[str, Any], *, new: bool) -> None:
        """Store what this call found, and of what was stored before the newest; nothing if nothing is `new`."""
        if not new:
            return
        older = {digest: analysis for digest, analysis in self._stored.items() if digest not in found}
        kept = dict(list(older.items())[-max(_MOST - len(found), 0) :]) if len(found) < _MOST else {}
        try:
            write_own(self._path, f"{self._key}\n{json.dumps({**kept, **found}, separators=(',', ':'))}")
        except OSError:
            return  # the next call looks again
        old = sorted(
            self._folder.glob(f"check-{self._name}-*.json"), key=lambda path: path.lstat().st_mtime, reverse=True
        )
        for path in old[_FILES:]:
            path.unlink(missing_ok=True)


def decoded(encoded: Any) -> Analysis | None:  # noqa: ANN401 - whatever a file holds
    """Return a stored analysis, None if it is not one."""
    try:
        return Analysis.decode(encoded)
    except (TypeError, ValueError, IndexError):
        return None


def _code() -> list[tuple[str, int]]:
    """Return the state of the code that finds: a changed rule makes every stored answer old."""
    folder = Path(__file__).parents[1]
    files = [*(folder / "code").rglob("*.py"), *(folder / "sql").rglob("*.py")]
    return sorted((path.name, path.stat().st_mtime_ns) for path in files)

"""Keeps the checked configuration between calls, because reading YAML and checking it takes longer than most commands.

The answer is kept with the texts that it was made from, so that it is never that of other files. The file is in the
user's cache directory and is trusted only if no other user can have written it. Whatever is wrong with it, from another
version to a truncated line, the YAML files are read instead. It is replaced whole, so that two processes or a kill at
any instant leave a complete file or none.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import zlib
from contextlib import suppress
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbactl import __version__
from nbactl.config import flags, timeouts, workflows
from nbactl.config.base import MAX_FILE_BYTES, TIMEOUT_PREFIX, Strict
from nbactl.core._support.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Parts = tuple[workflows.WorkflowsFile, timeouts.TimeoutsFile, flags.FlagsFile, Mapping[str, str]]

_RETAINED: Final = 16
"""How many configurations are kept, the ones that were stored last."""


def _records(kind: type[Strict]) -> Iterator[tuple[str, type[Strict]]]:
    for record in kind.__subclasses__():
        yield record.__name__, record
        yield from _records(record)


_RECORDS: Final[dict[str, type[Strict]]] = dict(_records(Strict))
"""Those of the three files, whose models are imported above."""


class ConfigCache:
    """The cached answer for these files and the limits of timeouts that `environ` sets."""

    def __init__(self, files: Mapping[str, Path], environ: Mapping[str, str]) -> None:
        overrides = {name: value for name, value in environ.items() if name.startswith(TIMEOUT_PREFIX)}
        self._folder = cache_dir(os.environ)
        self._key = _key(files, overrides)
        # Named by its key, not by the folder: copies of a project, and two sets of overrides, share and keep answers.
        self._path = self._folder / f"config-{zlib.crc32((self._key or '').encode()):08x}.json"

    def load(self) -> Parts | None:
        """Return what was stored for the same texts, None if there is nothing that can be trusted."""
        try:
            text = read_own(self._path)
            key, _, answer = text.partition("\n")
            if self._key is None or key != self._key:
                return None
            found = tuple(json.loads(answer, object_hook=_decode))
            models, variables = found[:3], found[3]
        except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
            return None
        kinds = (workflows.WorkflowsFile, timeouts.TimeoutsFile, flags.FlagsFile)
        if any(type(model) is not kind for model, kind in zip(models, kinds, strict=True)):
            return None
        return (*models, variables)

    def store(self, parts: Parts) -> None:
        """Store the answer; where that is not possible the next call reads the files again."""
        if self._key is None:
            return
        with suppress(OSError, ValueError):
            write_own(self._path, f"{self._key}\n{json.dumps([_encode(part) for part in parts])}")
            self._prune()

    def _prune(self) -> None:
        old = sorted(self._folder.glob("*config-*.json*"), key=lambda path: path.lstat().st_mtime, reverse=True)
        for path in old[_RETAINED:]:
            path.unlink(missing_ok=True)


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Return the user's cache directory for nbactl (XDG base directory specification)."""
    base = environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~/.cache"))) / "nbactl"  # noqa: PTH111, PTH117


def _key(files: Mapping[str, Path], overrides: Mapping[str, str]) -> str | None:
    """Return all that the answer depends on: the texts, the overrides, and the code that checks them."""
    try:
        texts = [read_regular(path, MAX_FILE_BYTES).decode("utf-8") for path in files.values()]
        with os.scandir(Path(__file__).parent) as entries:
            code = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.name.endswith(".py"))
    except (OSError, UnicodeDecodeError):
        return None
    return json.dumps([__version__, sys.version, code, sorted(overrides.items()), texts])


def read_own(path: Path) -> str:
    """Return the text of a file that only this user can have written. Raises OSError for any other."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, encoding="utf-8") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022 or status.st_uid != os.geteuid():
            raise PermissionError(path)
        return file.read()


def write_own(path: Path, text: str) -> None:
    """Replace a file of the cache directory whole. Raises OSError, ValueError if that is not possible."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except (OSError, ValueError):
        with suppress(OSError):
            temporary.unlink()
        raise


def _encode(value: Any) -> Any:  # noqa: ANN401 - any value of a record
    """Return the value in JSON's types; any other value is an object with one key, its kind."""
    if isinstance(value, Strict):
        return {type(value).__name__: [_encode(item) for item in value.__dict__.values()]}
    if isinstance(value, dict):
        return {"map": [[key, _encode(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item) for item in value]}
    if isinstance(value, (date, time)):
        return {type(value).__name__: value.isoformat()}
    return value


def _decode(encoded: dict[str, Any]) -> Any:  # noqa: ANN401
    ((kind, value),) = encoded.items()
    if kind == "tuple":
        return tuple(value)
    if kind == "map":
        return dict(value)
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "time":
        return time.fromisoformat(value)
    record = _RECORDS[kind]
    return record(**dict(zip(record.defaults, value, strict=True)))

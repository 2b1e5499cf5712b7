"""The last known good states on disk, for a process that starts while the store is down."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.flags.records import fields_of, state_of
from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.core.flags.model import State

_FORMAT: Final = 1
_TIMES: Final = ("entered_stage_at", "updated_at")


class StateCache:
    """One file, replaced whole; its checksum tells a damaged one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, states: Mapping[str, State]) -> None:
        """Replace the file. Raises OSError; what was there stays then."""
        body = _canonical({key: _plain(state) for key, state in states.items()})
        text = json.dumps({"format": _FORMAT, "sha256": _checksum(body), "states": json.loads(body)})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._clear_left()
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _clear_left(self) -> None:
        """Remove what writers that were killed left: whoever is still at it began after the file was last replaced."""
        with contextlib.suppress(FileNotFoundError):  # nothing was written yet, or somebody else clears as well
            written = self.path.stat().st_mtime_ns
            for left in self.path.parent.glob(f".{self.path.name}.*"):
                if left.stat().st_mtime_ns < written:
                    left.unlink()

    def load(self) -> dict[str, State]:
        """Return the states; none if there is no file. Raises DataError for a file that is damaged."""
        try:
            return _read(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
            raise DataError(
                f"the last known flags in {self.path} are not used",
                cause=f"The file is damaged: {error}",
                next_step="It is written anew as soon as the store answers.",
            ) from error


def _read(content: Mapping[str, Any]) -> dict[str, State]:
    if content["format"] != _FORMAT or content["sha256"] != _checksum(_canonical(content["states"])):
        raise ValueError("its checksum does not fit its content")
    return {key: _state(key, fields) for key, fields in content["states"].items()}


def _canonical(states: Mapping[str, Any]) -> str:
    return json.dumps(states, sort_keys=True, separators=(",", ":"))


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _plain(state: State) -> dict[str, Any]:
    return {**fields_of(state), **{name: getattr(state, name).isoformat() for name in _TIMES}}


def _state(key: str, fields: Mapping[str, Any]) -> State:
    times = {name: datetime.fromisoformat(fields[name]) for name in _TIMES}
    return state_of(f"flags/{key}", {**fields, **times})

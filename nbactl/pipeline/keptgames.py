"""A file with what was found out about the games of dates. It may get lost; then it is found out again."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline.code import code_of
from nbactl.ports.calendar import GameDay

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

_FORMAT: Final = 1


class KeptGames:
    """A JSON object in a file of the state directory, valid for the code that wrote it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _code(self) -> str:
        return hashlib.sha256(json.dumps(code_of("calendar")).encode()).hexdigest()

    def load(self) -> dict[str, Any]:
        """Return what is kept; nothing if the file is not there, is damaged, or was written by other code."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._path.read_bytes())
            if (kept["format"], kept["code"]) == (_FORMAT, self._code):
                return dict(kept["games"])
        return {}

    def store(self, games: dict[str, Any]) -> None:
        """Replace what is kept, once there is a folder for it."""
        if not self._path.parent.is_dir():
            return
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):  # a folder that cannot be written
            new.write_text(json.dumps({"format": _FORMAT, "code": self._code, "games": games}))
            new.replace(self._path)


def encode(day: GameDay) -> list[Any]:
    """Return a game day as JSON has it, without its date."""
    return [day.games, day.over, *(at and at.isoformat() for at in (day.first_tip_off, day.last_tip_off))]


def decode(day: date, kept: list[Any]) -> GameDay:
    """Return the game day. Raises ValueError or TypeError for anything that `encode` did not make."""
    games, over, *tip_offs = kept
    return GameDay(day, games, over, *(at and datetime.fromisoformat(at) for at in tip_offs))

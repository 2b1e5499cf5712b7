"""Marks of the services that follow the migration of completions: which stage each of them knows, and since when.

A writer or reader that reads the stage leaves one in `migrations/completions/participants/{service}`: when it learns of
a stage, and now and then. A deployed service without one does not take part.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbactl import __version__
from nbactl.core._support.ids import decode_id, encode_id
from nbactl.errors import DataError, NbactlError
from nbactl.ports.documents import SERVER_TIME, Query, Set

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore, Reader

PARTICIPANTS: Final = "migrations/completions/participants"
SERVICE_VARIABLE: Final = "K_SERVICE"
"""Where Cloud Run says which service a process belongs to."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Participant:
    """What a service knew when it left its mark. `stage` is None where it knew of no migration, or cannot be read."""

    service: str
    version: str
    stage: str | None
    at: datetime


class ParticipantMark:
    """Leaves the mark of one service: with each new stage, and every `every` seconds."""

    def __init__(self, store: DocumentStore, clock: Clock, *, service: str, every: float) -> None:
        self._store = store
        self._clock = clock
        self._service = service
        self._every = every
        self._left: tuple[str | None, float] | None = None

    def leave(self, stage: str | None) -> None:
        """Leave the mark if it is time.

        A store that refuses it costs nothing but the mark: the gates of the next step see an older one.
        """
        now = self._clock.monotonic()
        if self._left is not None and self._left[0] == stage and now < self._left[1] + self._every:
            return
        try:
            mark = {"service": self._service, "version": __version__, "stage": stage, "at": SERVER_TIME}
            self._store.commit([Set(f"{PARTICIPANTS}/{encode_id(self._service)}", mark)])
        except NbactlError as error:
            _LOG.warning("the mark of %s was not left: %s", self._service, error.message)
            return
        self._left = (stage, now)


def read_participants(reader: Reader) -> list[Participant]:
    """Return the marks that were left, by service. What a mark does not say is unknown."""
    return [
        _participant(document.id, document.data, document.update_time) for document in reader.query(Query(PARTICIPANTS))
    ]


def _participant(name: str, data: dict[str, Any], at: datetime) -> Participant:
    try:
        service = decode_id(name)
    except DataError:
        service = name
    stage, version = data.get("stage"), data.get("version")
    return Participant(
        service,
        version if isinstance(version, str) else "unknown",
        stage if isinstance(stage, str) else None,
        at,
    )

"""The stage of the migration from the array to the subcollection, and where completions are written and read by it.

The mode follows from the stage; before the migration has begun, flags or the environment decide.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from nbactl.core._support.names import did_you_mean
from nbactl.core.completions.documents import has_array
from nbactl.core.completions.participants import SERVICE_VARIABLE, ParticipantMark
from nbactl.core.flags.model import FlagSource, Reason
from nbactl.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.core._support.clock import Clock
    from nbactl.core.flags.client import Flags
    from nbactl.ports.documents import Document, DocumentStore


STAGE_DOCUMENT: Final = "migrations/completions"
_MARKED_AGAIN: Final = 60
"""A mark is renewed after so many times of the stage's time to live: minutes, so that it costs next to nothing."""


class CompletionStage(StrEnum):
    """How far completions have moved, in the order of the steps."""

    LEGACY = "legacy"
    DUAL_WRITE = "dual_write"
    BACKFILLED = "backfilled"
    VALIDATED = "validated"
    READS_SWITCHED = "reads_switched"
    DUAL_WRITE_STOPPED = "dual_write_stopped"
    CLEANED = "cleaned"


class StageReader:
    """Reads the stage, and keeps it for `ttl` seconds (`completions.stage_ttl` in timeouts.yaml).

    No writer is further behind than that, which is why a step waits so long before the next one may follow. It leaves
    the mark of `service`, by default of the Cloud Run service that this process belongs to (K_SERVICE); with an empty
    name none.
    """

    def __init__(self, store: DocumentStore, clock: Clock, *, ttl: float, service: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._ttl = ttl
        self._known: tuple[CompletionStage | None, float] | None = None
        name = os.environ.get(SERVICE_VARIABLE) if service is None else service
        self._mark = ParticipantMark(store, clock, service=name, every=_MARKED_AGAIN * ttl) if name else None

    def current(self) -> CompletionStage | None:
        """Return the stage, None where no migration was ever begun. Raises DataError for one that is invalid."""
        known, now = self._known, self._clock.monotonic()
        if known is None or now >= known[1]:
            # What is read counts from before it was asked for: the answer may have been on its way for a while.
            known = self._known = (stage_of(self._store.get(STAGE_DOCUMENT)), now + self._ttl)
            if self._mark is not None:
                self._mark.leave(known[0])
        return known[0]


def stage_of(document: Document | None) -> CompletionStage | None:
    """Return the stage that the migration's document holds. Raises DataError for one that is invalid."""
    if document is None:
        return None
    found = document.data.get("stage")
    try:
        return CompletionStage(str(found))
    except ValueError as error:
        raise DataError(
            f"{document.path} has the unknown stage {found!r}",
            cause="Whether completions are in the array, in the subcollection or in both cannot be known.",
            next_step=did_you_mean(str(found), [stage.value for stage in CompletionStage]),
            details={"path": document.path, "field": "stage"},
        ) from error


ENABLED: Final = "ENABLE_SUBCOLLECTION_COMPLETIONS"
DUAL_WRITE: Final = "DUAL_WRITE_MODE"
READS: Final = "USE_SUBCOLLECTION_READS"

_WORDS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class CompletionMode:
    """Where a completion goes, and where progress comes from.

    `check_array`: a player who is in the array already does not count again, whichever writer put them there. It holds
    wherever the array is written, and of any batch that still has one (`for_batch`): a writer that was held up, or that
    does not know of the migration, may write the array at every stage.
    `follows_batch`: the mode may change in the middle of a batch, so what the batch began with restricts it
    (`for_batch`).
    """

    write_array: bool
    write_subcollection: bool
    read_subcollection: bool
    check_array: bool
    follows_batch: bool = False

    def for_batch(self, batch: Document) -> CompletionMode:
        """Return the mode for a batch as its document is.

        Every mode that writes and checks the array counts with every other, in any order. One that leaves the array
        out does not: who completed by it would count again by the others. So a batch that has an array keeps it, and
        one that was begun without it never gets one.
        """
        if has_array(batch):
            return replace(self, check_array=True, write_array=self.write_array or self.follows_batch)
        return _SUBCOLLECTION if self.follows_batch else self


ModeOfBatch = Callable[[str], CompletionMode]
"""Returns the mode of a batch, by its id; called before each commit."""

_LEGACY: Final = CompletionMode(write_array=True, write_subcollection=False, read_subcollection=False, check_array=True)
_DUAL: Final = CompletionMode(write_array=True, write_subcollection=True, read_subcollection=False, check_array=True)
_SWITCHED: Final = CompletionMode(write_array=True, write_subcollection=True, read_subcollection=True, check_array=True)
_SUBCOLLECTION: Final = CompletionMode(
    write_array=False, write_subcollection=True, read_subcollection=True, check_array=False
)

_OF_STAGE: Final = {
    CompletionStage.LEGACY: _LEGACY,
    CompletionStage.DUAL_WRITE: _DUAL,
    CompletionStage.BACKFILLED: _DUAL,
    CompletionStage.VALIDATED: _DUAL,
    CompletionStage.READS_SWITCHED: _SWITCHED,
    CompletionStage.DUAL_WRITE_STOPPED: _SUBCOLLECTION,
    CompletionStage.CLEANED: _SUBCOLLECTION,
}


def mode_of(stage: CompletionStage | None, environment: Mapping[str, str]) -> CompletionMode:
    """Return the mode in force. Raises ConfigError for variables that are not booleans or contradict one another.

    Without a migration (no stage, or `legacy`) ENABLE_SUBCOLLECTION_COMPLETIONS (false), DUAL_WRITE_MODE (true) and
    USE_SUBCOLLECTION_READS (false) decide, and the array is always read, because it is not proved that the
    subcollection has all of it.
    """
    if stage is not None and stage is not CompletionStage.LEGACY:
        return _OF_STAGE[stage]
    enabled = _flag(environment, ENABLED, default=False)
    dual = _flag(environment, DUAL_WRITE, default=True)
    reads = _flag(environment, READS, default=False)
    if not enabled:
        if reads:
            raise _contradiction(f"{READS} is true but {ENABLED} is not", "Nothing writes what would be read.")
        return _LEGACY
    if not dual and not reads:
        raise _contradiction(f"{DUAL_WRITE} is false but {READS} is not true", "Nothing writes the array that is read.")
    return CompletionMode(write_array=dual, write_subcollection=True, read_subcollection=reads, check_array=True)


def mode_in_force(stages: StageReader, environment: Mapping[str, str]) -> ModeOfBatch:
    """Return the function that a tracker gets its mode from, without flags."""
    return lambda _: mode_of(stages.current(), environment)


def mode_by_flags(stages: StageReader, flags: Callable[[], Flags], environment: Mapping[str, str]) -> ModeOfBatch:
    """Return the function that a tracker gets its mode from, with flags; once the migration has begun they are ignored.

    Where none of the three was ever set in the store, the environment decides as it does in `mode_of`.
    """

    def mode(batch_id: str) -> CompletionMode:
        stage = stages.current()
        if stage is not None and stage is not CompletionStage.LEGACY:
            return _OF_STAGE[stage]
        return replace(_flagged(flags(), batch_id) or mode_of(stage, environment), follows_batch=True)

    return mode


def _flagged(flags: Flags, batch_id: str) -> CompletionMode | None:
    """Return the mode that flags give a batch, None if they have nothing to say.

    Percentages may combine to what an operator's variables must not: then the array is written, which is never wrong.
    """
    enabled, dual, reads = (
        flags.evaluate(key, batch_id) for key in ("subcollection_completions", "dual_write_mode", "subcollection_reads")
    )
    if {enabled.source, dual.source, reads.source} <= {FlagSource.DEFINITION, FlagSource.ENVIRONMENT}:
        return None
    if enabled.value is not True:
        return _LEGACY
    # As DUAL_WRITE_MODE, it is true until it is set.
    stopped = dual.value is not True and dual.source is not FlagSource.DEFINITION and dual.reason is not Reason.ERROR
    switched = reads.value is True
    return CompletionMode(
        write_array=not (stopped and switched), write_subcollection=True, read_subcollection=switched, check_array=True
    )


def _flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name)
    if text is None or not text.strip():
        return default
    try:
        return _WORDS[text.strip().casefold()]
    except KeyError as error:
        raise ConfigError(f"{name} is {text!r}, not a boolean", next_step="Write true or false.") from error


def _contradiction(message: str, cause: str) -> ConfigError:
    return ConfigError(
        message,
        cause=cause,
        next_step="Move completions by `nbactl migrate completions`, which keeps the order of the steps.",
    )

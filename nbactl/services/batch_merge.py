"""The merge of a batch: all staged rows in one statement, and the announcement that phase 5 is done, once."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import BATCHES, game_date_of, required_batch, text_of
from nbactl.errors import AlreadyExistsError, PreconditionError
from nbactl.ports.alerts import Alert
from nbactl.ports.documents import DELETE_FIELD, MAX_WRITES, SERVER_TIME, Delete, Filter, Order, Query, Update
from nbactl.services.batch_documents import (
    CHECK_FAILURES,
    CLEAN_AT,
    CONSOLIDATED_AT,
    INPUTS,
    MERGED,
    NEXT_CHECK,
    STAGED,
    done_key,
    read_staged,
    staged_in,
)

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.messages import CompletionStatus
    from nbactl.ports.documents import Document, FieldPath, Reader
    from nbactl.services.batch_start import BatchParts

_LOG = logging.getLogger(__name__)


def merge_batch(parts: BatchParts, batch_id: str) -> Literal["merged", "merged late", "finished", "superseded"]:
    """Merge the staged rows of a batch and announce its end; after that only if rows came later.

    The merge is repeated where it was interrupted, which changes nothing in the table. The batch and the announcement
    are one commit, and the key of the announcement can be there but once. Nothing is merged over a later attempt.
    """
    batch = required_batch(parts.store, batch_id)
    if (newer := later_attempt(parts.store, batch)) is not None:
        fields: dict[FieldPath, Any] = {"superseded_by": newer, NEXT_CHECK: DELETE_FIELD, CLEAN_AT: _in(parts, "keep")}
        parts.store.commit([Update(batch.path, fields)])
        return "superseded"
    consolidated, merged = batch.data.get(CONSOLIDATED_AT) is not None, int(batch.data.get(MERGED) or 0)
    if consolidated and parts.store.count(Query(staged_in(batch_id))) <= merged:
        with suppress(PreconditionError):  # somebody moved the check meanwhile
            parts.store.commit([Update(batch.path, {NEXT_CHECK: DELETE_FIELD}, if_updated_at=batch.update_time)])
        return "finished"
    players, rows = 0, list[dict[str, Any]]()
    for staged in read_staged(parts.store, batch_id):
        players += 1
        rows += staged.rows
    if not players and not isinstance(batch.data.get("attempt"), int):
        # Of another program, which has its rows elsewhere, and announces its end itself.
        parts.store.commit([Update(batch.path, {NEXT_CHECK: DELETE_FIELD})])
        return "finished"
    reach("coordinator.read")
    day = game_date_of(batch)
    written = parts.merge(day, rows, batch_id) if rows else 0
    reach("coordinator.merged")
    fields = {
        MERGED: players,
        "merged_rows": written,
        "merged_at": SERVER_TIME,
        CHECK_FAILURES: 0,
        # One check more: a player may have been staged since the rows were read.
        NEXT_CHECK: _in(parts, "late"),
        CLEAN_AT: _in(parts, "keep"),
    }
    if not consolidated:
        _finish(parts, batch, day, fields)
        return "merged"
    parts.store.commit([Update(batch.path, fields)])
    parts.alert(
        Alert(
            f"batch_late/{batch_id}",
            "warning",
            f"{players - merged} late players of {batch_id} were merged; the export of {day} may lack them",
            next_step=f"Export again: nbactl run phase6 --date {day} --force",
        )
    )
    return "merged late"


def clean_batches(parts: BatchParts) -> int:
    """Delete what was staged for batches that were merged long ago, and inputs; returns how many batches.

    Who completed and who failed stays. A player who is staged after that is merged alone.
    """
    due = Query(BATCHES, (Filter(CLEAN_AT, "<=", parts.clock.now()),), (Order(CLEAN_AT),))
    cleaned = 0
    for batch in list(parts.store.query(due)):
        for name in (STAGED, INPUTS):
            collection = f"{batch.path}/{name}"
            found = [Delete(f"{collection}/{document}") for document in parts.store.list_ids(collection)]
            for start in range(0, len(found), MAX_WRITES):
                for result in parts.store.batch_write(found[start : start + MAX_WRITES]):
                    if result.error is not None:
                        raise result.error
        reach("coordinator.cleaned")
        parts.store.commit([Update(batch.path, {MERGED: 0, CLEAN_AT: DELETE_FIELD})])
        cleaned += 1
    return cleaned


def later_attempt(reader: Reader, batch: Document) -> str | None:
    """Return a later attempt of the same date that is in the table already, None if there is none."""
    attempt = batch.data.get("attempt")
    if not isinstance(attempt, int):
        return None
    of_date = reader.query(Query(BATCHES, (Filter("game_date", "==", batch.data["game_date"]),)))
    for other in of_date:
        number = other.data.get("attempt")
        if isinstance(number, int) and number > attempt and other.data.get(CONSOLIDATED_AT) is not None:
            return str(other.data["batch_id"])
    return None


def _finish(parts: BatchParts, batch: Document, day: GameDate, fields: dict[FieldPath, Any]) -> None:
    players, rows = fields[MERGED], fields["merged_rows"]
    batch_id, expected = str(batch.data["batch_id"]), int(batch.data["expected_players"])
    key = done_key(day, batch_id)
    status: CompletionStatus = "failed" if not rows else "success" if players >= expected else "partial"
    announcement = parts.announcement(
        key,
        batch_id,
        day,
        status=status,
        rows=rows,
        correlation_id=text_of(batch, "correlation_id"),
        done=players,
        expected=expected,
    )
    if not rows:
        parts.alert(
            Alert(
                f"batch_without_predictions/{batch_id}",
                "critical",
                f"no predictions for {day}: none of {expected} players has one",
                next_step=f"Look at it: nbactl batches show {batch_id}",
            )
        )
    ended = Update(batch.path, {CONSOLIDATED_AT: SERVER_TIME, **fields})
    try:
        parts.store.commit([ended, announcement])
    except AlreadyExistsError:
        # Another process was faster, or the batch was made a second time under the same id.
        if required_batch(parts.store, batch_id).data.get(CONSOLIDATED_AT) is None:
            parts.store.commit([ended])
    reach("coordinator.consolidated")
    parts.publish_soon(key)
    _LOG.info("%s: %s rows of %s of %s players merged", batch_id, rows, players, expected)


def _in(parts: BatchParts, limit: Literal["late", "keep"]) -> datetime:
    return parts.clock.now() + timedelta(seconds=getattr(parts.limits, limit))

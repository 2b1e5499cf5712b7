"""Documents whose ids this process has just drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.errors import AlreadyExistsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.ports.documents import DocumentStore, Write


def commit_new(store: DocumentStore, writes: Sequence[Write]) -> None:
    """Commit writes that create documents with ids that nobody else has.

    A document that exists after an answer was lost is this commit's own: it was applied, and as a whole.
    """
    try:
        store.commit(writes)
    except AlreadyExistsError as error:
        if not error.details.get("answer_lost"):
            raise

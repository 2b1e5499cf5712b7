"""The steps of a new key on a store whose commits can be awaited: without a thread, together with other keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nbactl.core.once.claim import claimed_fields, done_fields
from nbactl.errors import NotFoundError, PreconditionError
from nbactl.ports.documents import Create, Update

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nbactl.core._support.clock import Clock
    from nbactl.core.once.claim import Claim, ClaimSettings
    from nbactl.ports.documents import AwaitableCommits, Write


class AwaitedSteps:
    """Claims and completes at the first try. What that does not achieve, another claim or a renewal, is left alone."""

    def __init__(self, store: AwaitableCommits, clock: Clock, terms: ClaimSettings) -> None:
        self._store = store
        self._clock = clock
        self._terms = terms

    async def claim(
        self, claim: Claim, digest: str | None, give_back: Callable[[Claim, BaseException], Awaitable[None]]
    ) -> bool:
        """Claim a new key; False if it is known. One that comes after the wait was cancelled goes to `give_back`."""
        create = Create(claim.path, claimed_fields(claim, digest, self._clock.now(), self._terms))
        ended = self._store.commit_soon([create])
        try:
            claim.version = await ended
        except PreconditionError:
            return False
        except asyncio.CancelledError as cancelled:
            if ended.exception() is None:
                claim.version = ended.result()
                await give_back(claim, cancelled)
            raise
        return True

    async def complete(self, claim: Claim, result: object, more: tuple[Write, ...]) -> bool:
        """Commit the end of the work with `more`; False if the claim is being renewed or was changed, or `more` fails.

        When the wait is cancelled it may have been done, which the next step on the claim finds.
        """
        if not claim.lock.acquire(blocking=False):
            return False
        try:
            if not claim.completed:
                fields = done_fields(result, self._clock.now(), self._terms)
                claim.version = await self._store.commit_soon([Update(claim.path, fields, claim.version), *more])
                claim.completed = True
        except (PreconditionError, NotFoundError):
            return False
        finally:
            claim.lock.release()
        return True

    async def commit(self, writes: tuple[Write, ...]) -> None:
        """Commit what was written without a claim."""
        await self._store.commit_soon(writes)

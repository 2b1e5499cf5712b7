"""Claim → work → done, in `message_dedup/{key}`.

Every step after the claim is a compare-and-set on the document's update time, and the work's own writes join the
commit that marks it done. So a worker that stalled, crashed or lost its claim does no harm, whatever the clocks say.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from nbactl.core._support.aio import in_daemon_thread, is_async
from nbactl.core._support.faults import reach
from nbactl.core._support.ids import encode_id
from nbactl.core.calls.deadline import beyond_deadline
from nbactl.core.calls.in_thread import in_thread
from nbactl.core.lease.holder import is_dead
from nbactl.core.observe.events import Event, noop_hook
from nbactl.core.once.awaited import AwaitedSteps
from nbactl.core.once.claim import (
    Claim,
    Done,
    Renewals,
    claimed_fields,
    done_fields,
    payload_hash,
    refuse_unless_free,
    working_under,
)
from nbactl.errors import (
    ContentionError,
    NotFoundError,
    PreconditionError,
    StaleFenceError,
)
from nbactl.ports.documents import AwaitableCommits, Create, Delete, Increment, Update

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.core.observe.events import Hook
    from nbactl.core.once.claim import ClaimSettings
    from nbactl.ports.documents import Document, DocumentStore, FieldPath, Write

P = ParamSpec("P")
T = TypeVar("T")
COLLECTION: Final = "message_dedup"
_ROUNDS: Final = 5
"""How often a step is tried again after another client came between, which in practice is once."""


def _always(_: str) -> bool:
    return True


class Idempotency:
    """Does work once per key. `owner` names this process (`process_identity`).

    `is_dead` says whether an owner has provably ended, so that its claim need not run out first. `enabled` says for
    which keys: work under any other is done each time that it comes, and what it writes is committed at its end.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        ids: IdGenerator,
        *,
        owner: Callable[[], str],
        terms: ClaimSettings,
        is_dead: Callable[[str], bool] = is_dead,
        enabled: Callable[[str], bool] = _always,
        hook: Hook = noop_hook,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._terms = terms
        self._is_dead = is_dead
        self._enabled = enabled
        self._hook = hook
        self._renewals = Renewals(self.renew, clock, terms.renew_every)
        self._awaited = AwaitedSteps(store, clock, terms) if isinstance(store, AwaitableCommits) else None

    def run(self, key: str, work: Callable[[], T], *, payload: bytes | None = None) -> T:
        """Return what `work` returns, or what it returned when it was done before.

        The result must be a value that documents can hold. What the work gives to `current_claim().write` is committed
        together with its end. Raises InProgressError while another worker does it, PayloadMismatchError if the key was
        used for another payload, StaleFenceError if the claim was lost before the end (nothing was written then), and
        whatever `work` raises, after releasing the claim.
        """
        begun = self.begin(key, payload)
        if isinstance(begun, Done):
            return cast("T", begun.result)
        try:
            with working_under(begun):
                result = work()
            self.complete(begun, result)
        except BaseException as error:
            self.give_up(begun, error)
            raise
        return result

    async def run_async(self, key: str, work: Callable[[], Awaitable[T]], *, payload: bytes | None = None) -> T:
        """Await `work()` once per key, as `run` does; the store is asked in threads."""
        begun = await self.begin_async(key, payload)
        if isinstance(begun, Done):
            return cast("T", begun.result)
        try:
            with working_under(begun):
                result = await work()
            await self.complete_async(begun, result)
        except BaseException as error:
            await self.give_up_async(begun, error)
            raise
        return result

    def once(
        self, key: Callable[P, str], payload: Callable[P, bytes] | None = None
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Decorate a function or coroutine function: its work is done once per `key(…)` of its arguments."""

        def decorate(fn: Callable[P, T]) -> Callable[P, T]:
            def identify(*args: P.args, **kwargs: P.kwargs) -> tuple[str, bytes | None]:
                return key(*args, **kwargs), None if payload is None else payload(*args, **kwargs)

            if is_async(fn):

                @wraps(fn)
                async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - what `fn` gives
                    name, content = identify(*args, **kwargs)
                    return await self.run_async(name, lambda: fn(*args, **kwargs), payload=content)

                return cast("Callable[P, T]", run_async)

            @wraps(fn)
            def run(*args: P.args, **kwargs: P.kwargs) -> T:
                name, content = identify(*args, **kwargs)
                return self.run(name, lambda: fn(*args, **kwargs), payload=content)

            return run

        return decorate

    def begin(self, key: str, payload: bytes | None = None) -> Claim | Done:
        """Claim the key, or return what was done. Raises InProgressError and PayloadMismatchError.

        The claim is kept alive until `complete`, `release` or `give_up`.
        """
        claim = self._new_claim(key)
        return self._begin(claim, payload_hash(payload)) if claim.kept else claim

    def _new_claim(self, key: str) -> Claim:
        path = f"{COLLECTION}/{encode_id(key)}"
        owner = f"{self._owner()}/{self._ids.new('claim')}"
        return Claim(key, path, owner, self._clock.monotonic(), kept=self._enabled(key))

    def _begin(self, claim: Claim, digest: str | None) -> Claim | Done:
        key, path = claim.key, claim.path
        kind = ""
        for _ in range(_ROUNDS):
            now = self._clock.now()
            fields = claimed_fields(claim, digest, now, self._terms)
            document = self._store.get(path)
            if document is not None and document.data.get("owner") == claim.owner:
                claim.version = document.update_time  # the last try got through, its answer did not
                return self._claimed(claim, kind)
            if document is not None and (done := self._check(key, document, digest, now)) is not None:
                return done
            write = Create(path, fields) if document is None else Update(path, fields, document.update_time)
            kind = "idempotency.claimed" if document is None else "idempotency.taken_over"
            try:
                claim.version = self._store.commit([write])
            except (PreconditionError, NotFoundError):
                continue  # another worker was faster, or our own commit was: read again
            return self._claimed(claim, kind)
        raise ContentionError(f"the claim on {key} changes hands too fast", next_step="Deliver it again later.")

    async def begin_async(self, key: str, payload: bytes | None = None) -> Claim | Done:
        """Do as `begin`; a claim that comes after the wait was cancelled is given back.

        Where commits need no thread, a key that is new needs none; one that is known is looked at in a thread.
        """
        claim = self._new_claim(key)
        if not claim.kept:
            return claim
        digest = payload_hash(payload)
        if self._awaited is not None and await self._awaited.claim(claim, digest, self.give_up_async):
            return self._claimed(claim, "idempotency.claimed")

        def give_back(begun: Claim | Done) -> None:
            if isinstance(begun, Claim):
                self.give_up(begun, asyncio.CancelledError())

        return await in_thread(lambda: self._begin(claim, digest), undo=give_back, bounded=False)

    def complete(self, claim: Claim, result: object = None, writes: tuple[Write, ...] = ()) -> None:
        """Commit the work's writes and mark it done, in one commit. Raises StaleFenceError if the claim was lost.

        After UnavailableError it may have been done: call it again, or let the message be delivered again.
        """
        reach("idempotency.worked")
        self._complete(claim, result, claim.writes() + writes)

    def _complete(self, claim: Claim, result: object, more: tuple[Write, ...]) -> None:
        if claim.kept:
            fields = done_fields(result, self._clock.now(), self._terms)
            self._step(claim, lambda version: Update(claim.path, fields, if_updated_at=version), more, completes=True)
            self._completed(claim)
        elif more:
            self._store.commit(more)

    def _completed(self, claim: Claim) -> None:
        self._renewals.forget(claim)
        self._emit("idempotency.completed", claim.key)

    def release(self, claim: Claim) -> None:
        """Give the key back, so that the next delivery does the work. Raises StaleFenceError if the claim was lost."""
        if not claim.kept:
            return
        self._renewals.forget(claim)
        with beyond_deadline():
            self._step(claim, lambda version: Delete(claim.path, if_updated_at=version))
        # The end of the work may have got through although its answer did not.
        self._emit("idempotency.completed" if claim.completed else "idempotency.released", claim.key)

    def give_up(self, claim: Claim, error: BaseException) -> None:
        """Release the claim after `error`; if that fails too, the error says so and the claim runs out by itself."""
        if claim.lost:
            return
        try:
            self.release(claim)
        except Exception as failed:  # noqa: BLE001 - the error to raise is why the work failed
            error.add_note(f"the claim on {claim.key} could not be released: {failed}")

    def renew(self, claim: Claim) -> None:
        """Hold the claim for another lease. Raises StaleFenceError if it was lost."""
        if not claim.kept:
            return
        now, began = self._clock.now(), self._clock.monotonic()
        # The count makes sure that something changes: a write that changes nothing leaves Firestore's update time.
        fields: dict[FieldPath, Any] = {
            "lease_expires_at": now + timedelta(seconds=self._terms.lease),
            "renewals": Increment(1),
        }
        self._step(claim, lambda version: Update(claim.path, fields, if_updated_at=version))
        claim.renewed = began

    async def give_up_async(self, claim: Claim, error: BaseException) -> None:
        """Do as `give_up` in a thread, which continues if the wait for it is cancelled."""
        await in_daemon_thread(lambda: self.give_up(claim, error))

    async def complete_async(self, claim: Claim, result: object = None) -> None:
        """Do as `complete`; where commits need no thread, only a claim that was changed meanwhile needs one."""
        reach("idempotency.worked")
        more = claim.writes()
        if self._awaited is None:
            await in_daemon_thread(lambda: self._complete(claim, result, more))
        elif not claim.kept:
            await self._awaited.commit(more)
        elif await self._awaited.complete(claim, result, more):
            self._completed(claim)
        else:
            await in_daemon_thread(lambda: self._complete(claim, result, more))

    def renew_due(self) -> None:
        """Renew the claims that are due; a thread does this by itself."""
        self._renewals.renew_due()

    def close(self) -> None:
        """End the thread that keeps claims alive; call it before the store is closed."""
        self._renewals.close()

    def _claimed(self, claim: Claim, kind: str) -> Claim:
        self._renewals.watch(claim)
        reach("idempotency.claimed")
        self._emit(kind, claim.key)
        return claim

    def _check(self, key: str, document: Document, digest: str | None, now: datetime) -> Done | None:
        """Return what was done, or None if the key may be taken over."""
        try:
            done = refuse_unless_free(key, document, digest, now, self._is_dead)
        except PreconditionError as error:
            self._emit(f"idempotency.{error.code}", key)
            raise
        if done is not None:
            self._emit("idempotency.replayed", key)
        return done

    def _step(
        self,
        claim: Claim,
        write: Callable[[datetime | None], Write],
        more: tuple[Write, ...] = (),
        *,
        completes: bool = False,
    ) -> None:
        """Commit a write that holds only while the claim does, with `more` in the same commit."""
        with claim.lock:
            if claim.completed:
                return
            for _ in range(_ROUNDS):
                try:
                    claim.version = self._store.commit([write(claim.version), *more])
                except (PreconditionError, NotFoundError) as error:
                    document = self._store.get(claim.path)
                    if document is None or document.data.get("owner") != claim.owner:
                        claim.lost = True
                        self._renewals.forget(claim)
                        self._emit("idempotency.lost", claim.key)
                        raise _lost(claim) from error
                    if document.data["state"] == "done":
                        claim.completed = True  # an earlier try got through, its answer did not
                        return
                    if document.update_time == claim.version:
                        raise  # the claim holds; it is one of `more` that cannot be applied
                    claim.version = document.update_time  # a renewal got through, its answer did not
                else:
                    claim.completed = completes
                    return
            raise ContentionError(f"the claim on {claim.key} changes too fast")

    def _emit(self, kind: str, key: str) -> None:
        self._hook(Event(kind, key))


def _lost(claim: Claim) -> StaleFenceError:
    return StaleFenceError(
        f"the claim on {claim.key} was lost",
        cause="It was not renewed in time, so that another delivery took the work over.",
        next_step="Do nothing: nothing of this work was written, and the other delivery does it.",
        details={"key": claim.key},
    )

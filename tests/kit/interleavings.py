"""Programs whose every order of steps has to come out right; and two mistakes that have to be found out."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.breaker import Breaker, BreakerSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.calls.shared_breakers import SharedBreakers
from nbactl.core.completions.documents import COMPLETED_COUNT, COMPLETED_PLAYERS, TOTAL_PREDICTIONS, batch_path
from nbactl.core.completions.stages import mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.lease.leases import Leases
from nbactl.core.once.claim import ClaimSettings, current_claim
from nbactl.core.once.idempotency import Idempotency
from nbactl.core.outbox.outbox import KEY_ATTRIBUTE, Outbox
from nbactl.errors import BreakerOpenError, NbactlError, UnavailableError
from nbactl.ports.documents import Create, Increment, Set, Update
from nbactl.testing import SequentialIds, memory_documents
from tests.kit.stored_bus import StoredBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbactl.core.completions.stages import CompletionStage
    from nbactl.core.lease.leases import Lease
    from nbactl.ports.documents import DocumentStore, Transaction
    from nbactl.testing.interleaving import Interleaving

TTL = 30.0
JUMPS = (1.0, 29.0, 31.0, 1000.0, -5.0, -1000.0)
"""Past a lease, not quite past it, and back again: a clock that jumps."""
SOON = RetryPolicy("retry", attempts=4, base=0.1, jitter=False)


def counter_under_a_lease(order: Interleaving, *, fenced: bool) -> Callable[[], None]:
    """Three holders read a number and write it back plus one. `fenced` writes hold only while the lease does."""
    inner = memory_documents(order.clock)
    store = order.store(inner)
    inner.commit([Set("numbers/one", {"n": 0, "by": []})])
    tokens: list[int] = []

    def add(owner: str) -> None:
        leases = Leases(store, order.clock, is_dead=order.killed.__contains__)
        for _ in range(2):
            with suppress(NbactlError):
                lease = leases.acquire("lease", owner, TTL)
                document = store.get("numbers/one")
                assert document is not None
                write = Set("numbers/one", {"n": document.data["n"] + 1, "by": [*document.data["by"], lease.token]})
                log = Create(f"log/{lease.token}-{owner}", {"token": lease.token})
                if fenced:
                    _guarded(store, leases, lease, write, log)
                else:
                    store.commit([write, log])
                tokens.append(lease.token)
                leases.release(lease)

    for owner in ("a", "b", "c"):
        order.program(owner, lambda owner=owner: add(owner))  # type: ignore[misc]

    def check() -> None:
        document = inner.get("numbers/one")
        assert document is not None
        logged = sum(1 for _ in inner.list_ids("log"))
        assert document.data["n"] == logged, f"{logged} wrote, {document.data['n']} are counted"
        assert document.data["by"] == sorted(document.data["by"]), "an older token wrote after a newer one"
        assert set(tokens) <= set(document.data["by"])
        inner.close()

    return check


def _guarded(store: DocumentStore, leases: Leases, lease: Lease, *writes: Set | Create) -> None:
    def write(transaction: Transaction) -> None:
        leases.check(transaction, lease)
        transaction.write(*writes)

    store.transaction(write)


def check_then_set(order: Interleaving) -> Callable[[], None]:
    """Look whether a message was seen, work, mark it seen: the mistake of invariant 5."""
    inner = memory_documents(order.clock)
    store = order.store(inner)
    inner.commit([Set("effects/one", {"n": 0})])

    def deliver() -> None:
        if store.get("seen/message") is None:
            store.commit([Update("effects/one", {"n": Increment(1)})])
            store.commit([Set("seen/message", {})])

    for name in ("a", "b"):
        order.program(name, deliver)
    return lambda: _check_effect(inner)


def one_message_delivered_again_and_again(order: Interleaving) -> Callable[[], None]:
    """Four deliveries of one message in three processes; the last word is a delivery without faults."""
    inner = memory_documents(order.clock)
    store = order.store(inner)
    inner.commit([Set("effects/one", {"n": 0})])
    keepers: list[Idempotency] = []
    answers: list[object] = []

    def keeper(name: str, on: DocumentStore) -> Idempotency:
        terms = ClaimSettings(lease=TTL, renew_every=1e6, keep=1e6)
        made = Idempotency(
            on, order.clock, SequentialIds(), owner=lambda: name, terms=terms,
            is_dead=lambda owner: owner.split("/")[0] in order.killed,
        )  # fmt: skip
        keepers.append(made)
        return made

    def work(name: str) -> str:
        current_claim().write(Update("effects/one", {"n": Increment(1)}))
        order.step("at work")
        return name

    def deliver(name: str, times: int) -> None:
        process = keeper(name, store)
        for _ in range(times):
            with suppress(NbactlError):
                answers.append(process.run("message", lambda: work(name)))

    for name, times in (("a", 2), ("b", 1), ("c", 1)):
        order.program(name, lambda name=name, times=times: deliver(name, times))  # type: ignore[misc]

    def check() -> None:
        last = keeper("last", inner)
        _advance_past_everything(order)
        answers.append(last.run("message", lambda: work("last")))
        for each in keepers:
            each.close()
        assert len(set(answers)) == 1, f"different answers to one message: {answers}"
        _check_effect(inner)

    return check


def _check_effect(inner: DocumentStore) -> None:
    document = inner.get("effects/one")
    assert document is not None
    assert document.data["n"] == 1, f"the work was done {document.data['n']} times"
    inner.close()


def decisions_announced(order: Interleaving) -> Callable[[], None]:
    """Two processes decide the same and announce it, two sweep; a last sweep comes without faults."""
    inner = memory_documents(order.clock)
    store = order.store(inner)

    def outbox(on: DocumentStore) -> Outbox:
        return Outbox(on, StoredBus(on, order.clock, ids), order.clock, redrive_after=TTL, keep=1e6)

    ids = SequentialIds()

    def decide(number: int) -> None:
        box = outbox(store)
        with suppress(NbactlError):
            store.commit([Create("decisions/phase3", {"by": number}), box.message("phase3/1", "t", {"by": number})])
            box.drive("phase3/1")

    def sweep() -> None:
        for _ in range(2):
            with suppress(NbactlError):
                outbox(store).sweep()

    for number in (1, 2):
        order.program(f"decider-{number}", lambda number=number: decide(number))  # type: ignore[misc]
        order.program(f"sweeper-{number}", sweep)

    def check() -> None:
        _advance_past_everything(order)
        outbox(inner).sweep()
        assert list(outbox(inner).pending()) == []
        messages = list(StoredBus(inner, order.clock, ids).messages("t"))
        decision = inner.get("decisions/phase3")
        assert bool(messages) == (decision is not None), "a decision and its message are there, or neither"
        said = {(each.attributes[KEY_ATTRIBUTE], each.data) for each in messages}
        assert len(said) <= 1, "one decision, one message, however often it goes out"
        if decision is not None:
            assert said == {("phase3/1", f'{{"by": {decision.data["by"]}}}'.encode())}
        inner.close()

    return check


def completions_of_a_batch(order: Interleaving, stage: CompletionStage) -> Callable[[], None]:
    """Workers record the same players at once; then all messages come once more, without faults."""
    inner = memory_documents(order.clock)
    players = ("ada", "bob", "cyd")

    def tracker(on: DocumentStore) -> CompletionTracker:
        return CompletionTracker(
            on, order.clock, mode=lambda _: mode_of(stage, {}), acting=1e6, retry=SOON, rng=random.Random(1)
        )

    tracker(inner).create_batch("night", GameDate(date(2024, 1, 15)), len(players), "corr")
    completed: list[str] = []

    def record(name: str, who: Iterable[str]) -> None:
        own = tracker(order.store(inner))
        for player in who:
            with suppress(NbactlError):
                if own.record_completion("night", player, 3).became_complete:
                    completed.append(name)

    for name, who in (("a", ("ada", "bob")), ("b", ("bob", "cyd")), ("c", ("cyd", "ada"))):
        order.program(name, lambda name=name, who=who: record(name, who))  # type: ignore[misc]

    def check() -> None:
        record("again", players)
        assert len(completed) <= 1, f"complete more than once: {completed}"
        progress = tracker(inner).progress("night")
        assert (progress.completed, progress.predictions, progress.is_complete) == (3, 9, True)
        batch = inner.get(batch_path("night"))
        assert batch is not None
        ids = sorted(inner.list_ids(f"{batch_path('night')}/completions"))
        array = sorted(batch.data.get(COMPLETED_PLAYERS, []))
        mode = mode_of(stage, {})
        assert array == (list(players) if mode.write_array else array)
        assert ids == (list(players) if mode.write_subcollection else [])
        if mode.write_subcollection:
            assert (batch.data[COMPLETED_COUNT], batch.data[TOTAL_PREDICTIONS]) == (3, 9)
        inner.close()

    return check


def probes_of_a_breaker(order: Interleaving, probes: int) -> Callable[[], None]:
    """Sixteen callers come when an open breaker's time is over; some fail, one gives up."""
    settings = BreakerSettings("b", failure_rate=0.5, minimum_calls=2, open_for=TTL, window=60.0, probes=probes)
    breaker = Breaker(settings, order.clock)
    breaker.open("down", seconds=TTL)
    order.clock.advance(TTL)
    inside: Counter[int] = Counter()

    def call(number: int) -> None:
        try:
            ticket = breaker.admit()
        except BreakerOpenError:
            return
        if half_open := breaker.state == "half_open":
            inside[ticket] += 1
            assert inside[ticket] <= probes, f"{inside[ticket]} probes at once"
        order.step("calls")
        inside[ticket] -= half_open
        if number == 0:
            breaker.abandon(ticket)
        else:
            breaker.ended(ticket, order.clock.monotonic(), UnavailableError("down") if number % 5 == 1 else None)

    for number in range(16):
        order.program(f"caller-{number}", lambda number=number: call(number))  # type: ignore[misc]
    return lambda: None


def breakers_told(order: Interleaving) -> Callable[[], None]:
    """Two processes open, close and tell; once they have told one another the last word, they agree."""
    inner = memory_documents(order.clock)
    settings = BreakerSettings("b", failure_rate=0.5, minimum_calls=1, open_for=1e9, window=60.0)
    store = order.store(inner)
    breakers = [Breaker(settings, order.clock) for _ in range(2)]
    shared = [SharedBreakers(store, order.clock) for _ in range(2)]

    def live(number: int) -> None:
        for action in ("open", "sync", "reset", "sync", "open", "sync"):
            order.clock.advance(1)
            order.step(action)
            with suppress(UnavailableError):
                match action:
                    case "open":
                        breakers[number].open("down", seconds=1e9)
                    case "reset":
                        breakers[number].reset()
                    case _:
                        shared[number].sync(breakers[number])

    for number in (0, 1):
        order.program(f"process-{number}", lambda number=number: live(number))  # type: ignore[misc]

    def check() -> None:
        if not order.killed:
            for number in (0, 1, 0, 1):
                order.clock.advance(1)
                shared[number].sync(breakers[number])
            assert breakers[0].state == breakers[1].state
        inner.close()

    return check


def _advance_past_everything(order: Interleaving) -> None:
    order.clock.set(order.clock.now() + timedelta(days=3))

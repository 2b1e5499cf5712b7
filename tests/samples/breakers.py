"""docs/library.md"""

from nbactl.core import Breaker, BreakerOpenError, BreakerSettings, Event, SharedBreakers
from nbactl.testing import FakeClock, memory_documents

clock = FakeClock()
settings = BreakerSettings("odds_api", failure_rate=0.5, minimum_calls=2, open_for=30.0, window=60.0)
events: list[Event] = []
here, elsewhere = Breaker(settings, clock, events.append), Breaker(settings, clock)


def call() -> None:
    raise TimeoutError


for _ in range(2):
    try:
        here.call(call)
    except TimeoutError:
        pass
try:
    here.call(call)
except BreakerOpenError as error:
    assert error.retry_after == 30.0
assert [event.kind for event in events] == ["breaker.open", "breaker.refused"]

# A background thread does this; no call waits for the store.
store = memory_documents(clock)
SharedBreakers(store, clock).sync(here)
SharedBreakers(store, clock).sync(elsewhere)
assert elsewhere.state == "open"

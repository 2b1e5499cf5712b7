"""The provider under OpenFeature's own SDK, requirement by requirement of its specification (sections 1, 2 and 5)."""

from __future__ import annotations

import asyncio
import queue
import random
from typing import TYPE_CHECKING, Any

import pytest
from openfeature import api  # noqa: TID253
from openfeature.evaluation_context import EvaluationContext  # noqa: TID253
from openfeature.event import EventDetails, ProviderEvent  # noqa: TID253
from openfeature.exception import ErrorCode  # noqa: TID253
from openfeature.flag_evaluation import Reason  # noqa: TID253
from openfeature.provider import ProviderStatus  # noqa: TID253

from nbactl.adapters.openfeature.provider import FlagsProvider
from nbactl.core.flags import Flags, State, StateCache, Stored, TargetingRule
from nbactl.core.flags.snapshot import bucket_of
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock
from tests.kit.flags import NOW, flag, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openfeature.client import OpenFeatureClient

MODEL = flag("model", kind="string", default="average", treatment="ensemble", variants=("average", "ensemble"))
DAYS = flag("days", kind="int", default=7, treatment=14, variants=(7, 14))
AIMED = flag(
    "aimed", deny=frozenset({"no"}), allow=frozenset({"yes"}), rules=(TargetingRule("team", ("LAL",), serve=True),)
)
NEEDS = flag("needs", prerequisites=("fast",))
LOST = flag("lost", prerequisites=("nowhere",))
ALL = (flag(), MODEL, DAYS, AIMED, NEEDS, LOST)
SOON = 10.0
INSIDE = next(f"p{n}" for n in range(100) if bucket_of("fast", f"p{n}") < 50_000)
OUTSIDE = next(f"p{n}" for n in range(100) if bucket_of("fast", f"p{n}") >= 50_000)


class Process:
    """Flags with a store to change, the provider over them, and a client of the SDK."""

    def __init__(self, cache: StateCache | None = None, **states: State) -> None:
        self.states: dict[str, State] = states
        self.environ: dict[str, str] = {}
        self.down = False
        self.flags = Flags(
            {each.key: each for each in ALL},
            self._read,
            environ=self.environ,
            clock=FakeClock(),
            rng=random.Random(1),
            every=30.0,
            cache=cache,
        )
        self.provider = FlagsProvider(self.flags)
        self.events: queue.Queue[tuple[ProviderEvent, EventDetails]] = queue.Queue()

    def _read(self) -> Stored:
        if self.down:
            raise UnavailableError("the store does not answer")
        return Stored(dict(self.states))

    def client(self) -> OpenFeatureClient:
        """Return a client after the provider was initialised."""
        api.set_provider_and_wait(self.provider)
        return api.get_client()

    def beat(self) -> None:
        """Do what the background thread does at each beat."""
        self.flags._refresh_and_log()

    def hear(self) -> None:
        for event in ProviderEvent:
            api.add_handler(event, lambda details, event=event: self.events.put((event, details)))  # type: ignore[misc]

    def heard(self) -> tuple[ProviderEvent, EventDetails]:
        return self.events.get(timeout=SOON)


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    api.shutdown()
    api.clear_providers()
    from openfeature import _event_support

    _event_support.clear()


def of(key: str | None = None, **attributes: Any) -> EvaluationContext:
    return EvaluationContext(targeting_key=key, attributes=attributes)


def test_2_1_1_the_provider_has_a_name() -> None:
    assert Process().client().provider.get_metadata().name == "nbactl"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_2_2_each_type_is_resolved_with_value_variant_reason_and_metadata(asynchronous: bool) -> None:
    process = Process(fast=state(50, version=3), model=state(100, "model"), days=state(100, "days"))
    client = process.client()

    def ask(kind: str, *arguments: Any) -> Any:
        if asynchronous:
            return asyncio.run(getattr(client, f"get_{kind}_details_async")(*arguments))
        return getattr(client, f"get_{kind}_details")(*arguments)

    fast = ask("boolean", "fast", bool(0), of(INSIDE))
    assert (fast.value, fast.variant, fast.reason, fast.error_code, fast.error_message) == (
        True,
        "on",
        Reason.SPLIT,
        None,
        None,
    )
    assert fast.flag_metadata == {
        "source": "store",
        "step": "percent",
        "bucket": bucket_of("fast", INSIDE),
        "percent": 50,
        "version": 3,
    }
    assert (ask("string", "model", "x").value, ask("string", "model", "x").variant) == ("ensemble", "ensemble")
    assert (ask("integer", "days", 1).value, ask("integer", "days", 1).variant) == (14, "14")
    assert ask("float", "days", 1.5).value == 14.0
    assert type(ask("float", "days", 1.5).value) is float


@pytest.mark.parametrize(
    ("key", "states", "context", "value", "reason"),
    [
        ("fast", {"fast": state(50)}, of(INSIDE), True, Reason.SPLIT),
        ("fast", {"fast": state(50)}, of(OUTSIDE), False, Reason.SPLIT),
        ("fast", {"fast": state(100)}, of(), True, Reason.STATIC),
        ("fast", {"fast": state(0)}, of(), False, Reason.DEFAULT),
        ("fast", {}, of("a"), False, Reason.DEFAULT),
        ("fast", {"fast": state(100, enabled=False)}, of("a"), False, Reason.DISABLED),
        ("aimed", {"aimed": state(100, "aimed")}, of("no"), False, Reason.TARGETING_MATCH),
        ("aimed", {}, of("yes"), True, Reason.TARGETING_MATCH),
        ("aimed", {}, of("who", team="LAL"), True, Reason.TARGETING_MATCH),
        ("aimed", {}, of("who", team=["LAL"], born=NOW, height=2.06), False, Reason.DEFAULT),
        ("needs", {"needs": state(100, "needs")}, of("a"), False, Reason.DEFAULT),
    ],
)
def test_2_2_5_the_reason_says_how_the_value_came_about(
    key: str, states: dict[str, State], context: EvaluationContext, value: bool, reason: Reason
) -> None:
    details = Process(None, **states).client().get_boolean_details(key, not value, context)
    assert (details.value, details.reason, details.error_code) == (value, reason, None)


def test_2_2_5_what_the_environment_says_is_static() -> None:
    process = Process()
    process.environ["ENABLE_FAST"] = "true"
    details = process.client().get_boolean_details("fast", default_value=False)
    assert (details.value, details.reason, details.flag_metadata["source"]) == (True, Reason.STATIC, "environment")


@pytest.mark.parametrize(
    ("kind", "key", "default", "context", "code"),
    [
        ("boolean", "gone", True, of("a"), ErrorCode.FLAG_NOT_FOUND),
        ("object", "gone", {"a": 1}, of("a"), ErrorCode.FLAG_NOT_FOUND),
        ("boolean", "days", True, of("a"), ErrorCode.TYPE_MISMATCH),
        ("string", "fast", "default", of(INSIDE), ErrorCode.TYPE_MISMATCH),
        ("integer", "fast", 5, of(INSIDE), ErrorCode.TYPE_MISMATCH),
        ("integer", "model", 5, of("a"), ErrorCode.TYPE_MISMATCH),
        ("float", "model", 5.5, of("a"), ErrorCode.TYPE_MISMATCH),
        ("object", "days", [1], of("a"), ErrorCode.TYPE_MISMATCH),
        ("boolean", "fast", True, None, ErrorCode.TARGETING_KEY_MISSING),
        ("boolean", "fast", True, of(team="LAL"), ErrorCode.TARGETING_KEY_MISSING),
        ("boolean", "fast", True, of("\ud800"), ErrorCode.INVALID_CONTEXT),
        ("boolean", "fast", True, of(17), ErrorCode.INVALID_CONTEXT),  # type: ignore[arg-type]
        ("boolean", "lost", True, of("a"), ErrorCode.GENERAL),
    ],
)
def test_2_2_7_what_cannot_be_resolved_gives_the_callers_default_a_code_and_a_sentence(
    kind: str, key: str, default: Any, context: EvaluationContext | None, code: ErrorCode
) -> None:
    client = Process(fast=state(50)).client()
    details = getattr(client, f"get_{kind}_details")(key, default, context)
    assert (details.value, details.reason, details.error_code) == (default, Reason.ERROR, code)
    assert key in details.error_message or "entity" in details.error_message or "surrogates" in details.error_message


def test_1_7_before_initialisation_the_provider_is_not_ready() -> None:
    process = Process(fast=state(100))
    client = api.get_client("a domain")
    assert client.get_provider_status() is ProviderStatus.READY, "the SDK's own provider, which does nothing"
    assert process.provider.resolve_boolean_details("fast", default_value=True).value is False
    api.set_provider_and_wait(process.provider, "a domain")
    assert client.get_provider_status() is ProviderStatus.READY
    assert client.get_boolean_value("fast", default_value=False) is True


def test_2_4_1_initialisation_asks_the_store_and_fails_where_nothing_is_known() -> None:
    process = Process(fast=state(100))
    process.down = True
    with pytest.raises(UnavailableError):
        api.set_provider_and_wait(process.provider)
    assert api.get_client().get_provider_status() is ProviderStatus.ERROR
    assert api.get_client().get_boolean_value("fast", default_value=False) is False
    process.down = False
    process.beat()
    assert api.get_client().get_boolean_value("fast", default_value=False) is True


def test_2_4_1_a_failed_initialisation_is_made_up_for_when_the_store_is_back() -> None:
    process = Process(fast=state(100))
    process.down = True
    with pytest.raises(UnavailableError):
        api.set_provider_and_wait(process.provider)
    process.down = False
    process.beat()
    assert api.get_client().get_provider_status() is ProviderStatus.READY


def test_2_4_1_last_known_flags_will_do_for_a_start_and_are_reported_as_stale(tmp_path: Path) -> None:
    cache = StateCache(tmp_path / "flags.json")
    Process(fast=state(50), cache=cache).client()
    api.clear_providers()
    process = Process(cache=cache)
    process.down = True
    details = process.client().get_boolean_details("fast", default_value=False, evaluation_context=of(INSIDE))
    assert (details.value, details.reason, details.flag_metadata["source"]) == (True, Reason.STALE, "disk")
    process.beat()
    assert api.get_client().get_provider_status() is ProviderStatus.STALE


def test_5_1_events_tell_of_changes_of_staleness_and_of_its_end() -> None:
    process = Process(fast=state(0), model=state(0, "model"))
    client = process.client()
    process.hear()
    assert process.heard()[0] is ProviderEvent.PROVIDER_READY, "5.3.3: who comes late is told the state"
    process.states["fast"] = state(100, version=2)
    process.beat()
    event, details = process.heard()
    assert event is ProviderEvent.PROVIDER_CONFIGURATION_CHANGED
    assert (details.flags_changed, details.provider_name) == (["fast", "needs"], "nbactl")
    process.down = True
    for _ in range(3):
        process.beat()
    event, details = process.heard()
    assert (event, details.message) == (ProviderEvent.PROVIDER_STALE, "the store does not answer")
    assert client.get_provider_status() is ProviderStatus.STALE
    stale = client.get_boolean_details("fast", default_value=False)
    assert (stale.value, stale.reason) == (True, Reason.STALE)
    process.down = False
    process.beat()
    assert process.heard()[0] is ProviderEvent.PROVIDER_READY
    assert client.get_provider_status() is ProviderStatus.READY
    assert client.get_boolean_details("fast", default_value=False).reason is Reason.STATIC
    process.environ["ENABLE_MODEL"] = "ensemble"
    process.beat()
    event, details = process.heard()
    assert (event, details.flags_changed) == (ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ["model"])
    process.beat()
    assert process.events.empty(), "a refresh that brings nothing tells nothing"


def test_5_2_a_clients_handler_hears_the_provider_of_its_domain() -> None:
    here, there = Process(fast=state(0)), Process(fast=state(0))
    api.set_provider_and_wait(here.provider, "here")
    api.set_provider_and_wait(there.provider, "there")
    heard: queue.Queue[EventDetails] = queue.Queue()
    api.get_client("here").add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, heard.put)
    there.states["fast"] = here.states["fast"] = state(100, version=2)
    there.beat()
    here.beat()
    assert heard.get(timeout=SOON).flags_changed == ["fast", "needs"]
    assert heard.empty()


def test_2_5_after_shutdown_nothing_is_reported_and_it_can_be_initialised_again() -> None:
    process = Process(fast=state(0))
    process.client()
    process.hear()
    process.heard()
    api.shutdown()
    process.provider.shutdown()
    process.states["fast"] = state(100)
    process.beat()
    assert process.events.empty()
    assert process.flags.on("fast"), "the flags go on: they belong to whoever made them"
    api.clear_providers()
    assert process.client().get_boolean_value("fast", default_value=False)


def test_a_change_is_announced_before_the_handler_asks() -> None:
    process = Process(fast=state(0))
    client = process.client()
    seen: queue.Queue[bool] = queue.Queue()
    client.add_handler(
        ProviderEvent.PROVIDER_CONFIGURATION_CHANGED,
        lambda _: seen.put(client.get_boolean_value("fast", default_value=False)),
    )
    process.states["fast"] = state(100, updated_at=NOW, version=2)
    process.beat()
    assert seen.get(timeout=SOON) is True

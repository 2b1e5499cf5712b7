"""Completions in any order, repeated, with sweeps between them: one trigger at most, and the same document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from nbactl.testing import FakeClock, memory_documents
from tests.kit.budget import budget
from tests.kit.handoffs import PHASE3_TOPIC, PHASE4_TOPIC, PHASE5_TOPIC, Night
from tests.kit.production import NIGHT, PHASE2, PHASE3, PHASE4

if TYPE_CHECKING:
    from nbactl.core.phases.messages import Completion

NAMES = {"phase2": PHASE2, "phase3": PHASE3, "phase4": PHASE4}
NEXT = {"phase2": PHASE3_TOPIC, "phase3": PHASE4_TOPIC, "phase4": PHASE5_TOPIC}
ENDS = (("success", 120), ("partial", 12), ("success", 0), ("success", None), ("failed", None), ("no_data", 0))
SWEEP = None

reports = st.tuples(st.integers(0, 4), st.sampled_from(ENDS), st.booleans())


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[str, list[tuple[int, tuple[str, int | None], bool]], list[int | None]]:
    """Draw a phase, what its processors report, and the order of deliveries, each at least once."""
    phase = draw(st.sampled_from(sorted(NAMES)))
    sent = draw(st.lists(reports, min_size=1, max_size=9))
    again = draw(st.lists(st.one_of(st.just(SWEEP), st.integers(0, len(sent) - 1)), max_size=8))
    return phase, sent, draw(st.permutations([*range(len(sent)), *again]))


@budget(600)
@given(deliveries())
def test_inv_08_any_order_and_any_repetition_lead_to_one_trigger_and_one_document(
    drawn: tuple[str, list[tuple[int, tuple[str, int | None], bool]], list[int | None]],
) -> None:
    phase, sent, order = drawn
    store = memory_documents(FakeClock(NIGHT))
    night = Night(store)
    messages: list[Completion] = []
    for number, (index, (status, rows), as_class) in enumerate(sent):
        name = NAMES[phase][index]
        spelled = f"Async{name.title().replace('_', '')}Processor" if as_class and phase == "phase3" else name
        messages.append(night.completion(phase, spelled, status, rows, execution_id=f"exec-{number}"))
    handed_on = 0
    for one in order:
        if one is SWEEP:
            assert not night.recorder.sweep().steps
        else:
            handed_on += night.recorder.record(messages[one]).reason is not None
    optional_task = {"p2_odds_player_props"} if phase == "phase2" else set(NAMES[phase])
    done = {
        NAMES[phase][index]
        for index, (status, rows), _ in sent
        if rows or (status == "no_data" and NAMES[phase][index] in optional_task)
    }
    night.report(phase, *(message.processor for message in messages), status="failed", rows=None, execution_id="late")
    document, expectation = night.document(phase), night.recorder._hand_offs.expectations[phase]
    assert document.completed_count == len(done)
    expected = expectation.of("overnight")
    ended = {NAMES[phase][index] for index, _, _ in sent} - done
    leads_on = expectation.hand_off.reason(expected, done, 0.0, ended) is not None
    keys = night.keys(NEXT[phase])
    assert handed_on == leads_on
    assert document.triggered is leads_on
    assert len(keys) == len(set(keys))
    assert bool(keys) is leads_on
    store.close()

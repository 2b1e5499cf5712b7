from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.core.observe.context import Trace, trace_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("traceparent", "cloud", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", None, Trace(TRACE, SPAN, sampled=True)),
        (f"00-{TRACE}-{SPAN}-00", None, Trace(TRACE, SPAN, sampled=False)),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-adds", None, Trace(TRACE, SPAN, sampled=True)),
        (None, f"{TRACE.upper()}/123;o=1", Trace(TRACE, "000000000000007b", sampled=True)),
        (None, f"{TRACE}/123", Trace(TRACE, "000000000000007b", sampled=False)),
        (None, TRACE, Trace(TRACE, None, sampled=False)),
        ("nonsense", f"{TRACE}/1;o=0", Trace(TRACE, "0000000000000001", sampled=False)),
        (f"00-{TRACE}-{SPAN}-01", f"{'1' * 32}/1", Trace(TRACE, SPAN, sampled=True)),
    ],
)
def test_a_trace_is_read_from_either_header(traceparent: str | None, cloud: str | None, expected: Trace) -> None:
    assert trace_of(traceparent, cloud) == expected


@pytest.mark.parametrize(
    "traceparent",
    [
        "", "00", f"00-{TRACE}-{SPAN}", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-0g", f"00-{TRACE}-{SPAN}-01\nX: y",
    ],
)  # fmt: skip
def test_a_header_that_is_not_of_its_form_is_no_trace(traceparent: str) -> None:
    assert trace_of(traceparent) is None


@pytest.mark.parametrize("cloud", ["", "xyz", f"{'0' * 32}/1", f"{TRACE}/{2**64}", f"{TRACE}/-1", f"{TRACE};x=1"])
def test_googles_header_is_not_guessed_at_either(cloud: str) -> None:
    assert trace_of(None, cloud) is None


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_header_is_too_odd_to_be_read(traceparent: str, cloud: str) -> None:
    trace = trace_of(traceparent, cloud)
    assert trace is None or trace_of(trace.traceparent, trace.trace_id) is not None


def test_a_trace_is_passed_on_as_it_came() -> None:
    header = f"00-{TRACE}-{SPAN}-01"
    trace = trace_of(header)
    assert trace is not None
    assert trace.traceparent == header
    assert Trace(TRACE, None, sampled=True).traceparent is None

"""The trace that a piece of work belongs to, as it comes and goes in headers: W3C Trace Context, and Google's own.

W3C Recommendation "Trace Context", version 1, section 3.2; cloud.google.com/trace/docs/trace-context for
X-Cloud-Trace-Context.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_CLOUD: Final = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]))?", re.ASCII)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_LARGEST_SPAN: Final = 2**64


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace's id (32 hex digits), the calling span's (16, None if unknown), and whether it is recorded."""

    trace_id: str
    span_id: str | None
    sampled: bool

    @property
    def traceparent(self) -> str | None:
        """The header that passes it on; None without a span, which the header needs."""
        if self.span_id is None:
            return None
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def trace_of(traceparent: str | None, cloud: str | None = None) -> Trace | None:
    """Return the trace that the headers `traceparent` or else `X-Cloud-Trace-Context` name; None for nonsense."""
    if traceparent is not None and (found := _TRACEPARENT.fullmatch(traceparent.strip())):
        version, trace_id, span_id, flags, more = found.groups()
        known = version != "ff" and not (version == "00" and more)
        if known and trace_id != _NO_TRACE and span_id != _NO_SPAN:
            return Trace(trace_id, span_id, bool(int(flags, 16) & 1))
    if cloud is not None and (found := _CLOUD.fullmatch(cloud.strip())):
        trace_id, span, option = found.groups()
        number = int(span or 0)
        if trace_id != _NO_TRACE and number < _LARGEST_SPAN:
            return Trace(trace_id.lower(), f"{number:016x}" if number else None, option == "1")
    return None

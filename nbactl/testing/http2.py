"""Just enough HTTP/2 to know which request begins and which answer comes: the heads of frames (RFC 9113, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFACE: Final = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_HEAD: Final = 9
_HEADERS: Final = 1


class Streams:
    """Follows one direction of a connection."""

    def __init__(self, *, from_client: bool) -> None:
        self._skip = _PREFACE if from_client else 0
        self._head = b""

    def begun(self, data: bytes) -> Iterator[int]:
        """Yield the number of every stream whose first headers are in `data`."""
        place = 0
        while place < len(data):
            step = min(self._skip, len(data) - place)
            self._skip -= step
            place += step
            wanted = data[place : place + _HEAD - len(self._head)]
            self._head += wanted
            place += len(wanted)
            if len(self._head) == _HEAD:
                self._skip = int.from_bytes(self._head[:3], "big")
                kind, stream = self._head[3], int.from_bytes(self._head[5:], "big")
                self._head = b""
                if kind == _HEADERS:
                    yield stream

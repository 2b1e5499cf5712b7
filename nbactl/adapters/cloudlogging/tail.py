"""The stream of new entries, read by a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

import grpc

from nbactl.adapters.cloudlogging.channel import TailRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.adapters.cloudlogging.channel import Channel

_WAITING: Final = 64
"""Answers that wait to be taken. The service leaves out entries that nobody takes, and says how many."""


class Tail:
    """An open stream: https://cloud.google.com/logging/docs/reference/v2/rpc/google.logging.v2#tail-log-entries.

    The service holds entries back for two seconds, its default, so that most of them come in order.
    """

    def __init__(self, channel: Channel, text: str) -> None:
        self._channel = channel
        self._over = threading.Event()
        self._ended = False
        self._error: grpc.RpcError | None = None
        self._answers: queue.Queue[Any] = queue.Queue(_WAITING)
        self._call = channel.tail(self._requests(TailRequest(resource_names=[channel.project.resource], filter=text)))
        self._thread = threading.Thread(target=self._read, name="nbactl-tail", daemon=True)
        self._thread.start()

    def take(self, seconds: float) -> list[Any] | None:
        """Return the answers that came, none if nothing comes within `seconds`; None once the stream has ended.

        Raises what failures.py says.
        """
        if self._ended:
            self._raise_error()
            return None
        found: list[Any] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._answers.get(timeout=seconds))
            while True:
                found.append(self._answers.get_nowait())
        if found and (found[-1] is None or isinstance(found[-1], grpc.RpcError)):
            self._error = found.pop()
            self._ended = True
        return found if found or not self._ended else self.take(0)

    def close(self) -> None:
        """End the stream."""
        self._over.set()
        self._call.cancel()
        with contextlib.suppress(queue.Empty):  # the thread may wait to hand over an answer; then it ends
            while True:
                self._answers.get_nowait()
        self._thread.join()

    def _raise_error(self) -> None:
        if self._error is not None:
            with self._channel.translated():
                raise self._error

    def _requests(self, request: Any) -> Iterator[Any]:  # noqa: ANN401 - protobuf has no types
        yield request
        self._over.wait()  # when the requests end, the service ends the stream

    def _read(self) -> None:
        end: grpc.RpcError | None = None
        try:
            for answer in self._call:
                self._answers.put(answer)
                if self._over.is_set():
                    break
        except grpc.RpcError as error:
            end = error
        self._answers.put(end)

"""Ctrl-C and SIGTERM: once to stop in an orderly way, twice to stop at once."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], None]

SignalName = Literal["SIGINT", "SIGTERM"]
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h"


class SignalledError(BaseException):
    """The process was asked to stop. Not a subclass of Exception, so that no handler in between can swallow it."""

    def __init__(self, number: int) -> None:
        self.name = cast("SignalName", signal.Signals(number).name)
        super().__init__(f"stopped by {self.name}")
        self.exit_code = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """Have both signals raise SignalledError in the main thread while a command runs."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SignalledError(number)

    with _handling(stop):
        yield


@contextmanager
def interruptible(cancel: Callable[[SignalName], None]) -> Iterator[None]:
    """Have the first signal call `cancel`, and a second one end the process at once with 130 or 143.

    `cancel` is called in the main thread between two bytecodes, also while an event loop runs there: it only sets a
    flag and wakes what waits for it.
    """
    signalled = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal signalled
        if signalled:
            _exit_at_once(number)
        signalled = True
        cancel(cast("SignalName", signal.Signals(number).name))

    with _handling(stop):
        yield


def until_left(every: float) -> Iterator[None]:
    """Yield now and then every `every` seconds, for something to be watched, until Ctrl-C ends it.

    Ctrl-C while watching is not a failure, so nothing is raised; after SIGTERM SignalledError is.
    """
    wake, notify = os.pipe()
    signals: list[SignalName] = []

    def leave(name: SignalName) -> None:
        signals.append(name)
        os.write(notify, b".")

    try:
        with interruptible(leave):
            while not signals:
                yield
                select.select([wake], [], [], every)
    finally:
        os.close(wake)
        os.close(notify)
    if signals == ["SIGTERM"]:
        raise SignalledError(signal.SIGTERM)


@contextmanager
def _handling(handler: Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _exit_at_once(number: int) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode() + b"\n")
    os._exit(128 + number)

"""The same question to several services, or the same change of them, at once."""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")
Found = TypeVar("Found")
_AT_ONCE: Final = 8


def at_once(items: Sequence[Item], ask: Callable[[Item], Found], most: int = _AT_ONCE) -> Iterator[tuple[Item, Found]]:
    """Yield each item with its answer, as they come; at most `most` are asked at a time.

    What `ask` raises is raised here. The threads are daemons: after Ctrl-C nobody waits for them.
    """
    waiting, ended = deque(items), Queue[tuple[Item, Found] | BaseException]()

    def work() -> None:
        while True:
            try:
                item = waiting.popleft()
            except IndexError:
                return
            try:
                ended.put((item, ask(item)))
            except BaseException as error:  # noqa: BLE001 - raised again where the answers are taken
                ended.put(error)

    for number in range(min(most, len(items))):
        Thread(target=copy_context().run, args=(work,), name=f"nbactl-ask-{number}", daemon=True).start()
    for _ in items:
        answer = ended.get()
        if isinstance(answer, BaseException):
            raise answer
        yield answer

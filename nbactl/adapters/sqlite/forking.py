"""Forks: no connection may be open while this process forks.

SQLite keeps the locks of a process in memory by file, not by connection. A child that inherits an open connection
inherits that record with it: even a connection of its own then takes no lock on the file, and another process may
remove the log under it ("How To Corrupt An SQLite Database File", 2.6). So what is idle is closed before the fork;
a child that was forked in the middle of a read or a write may not use the file.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What holds connections."""

    def before_fork(self) -> None:
        """Close what can be closed and let nothing be opened."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...

    def after_fork_in_child(self) -> None:
        """Begin anew."""
        ...


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_registered: list[bool] = []


def watch(holder: Forkable) -> None:
    """Tell `holder` of every fork of this process as long as it lives."""
    if not _registered:
        _registered.append(True)
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
    _watched.add(holder)


def _before() -> None:
    for holder in list(_watched):
        holder.before_fork()


def _in_parent() -> None:
    for holder in list(_watched):
        holder.after_fork_in_parent()


def _in_child() -> None:
    for holder in list(_watched):
        holder.after_fork_in_child()

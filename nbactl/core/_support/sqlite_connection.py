"""A connection of SQLite that a store owns, and that ends with it."""

from __future__ import annotations

import sqlite3


class OwnedConnection(sqlite3.Connection):
    """A connection that closes when nothing refers to it any more.

    From Python 3.13 on, a plain one warns that it was left open. The garbage collector may finalize it before the store
    that would have closed it, so that a store cannot prevent the warning in its own `__del__`.
    """

    def __del__(self) -> None:
        self.close()

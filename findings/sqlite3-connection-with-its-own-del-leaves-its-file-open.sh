#!/usr/bin/env bash
# From Python 3.12 on, a subclass of sqlite3.Connection with a __del__ of its own leaves its file open unless that closes it.
#
# A sqlite3.Connection that is dropped closes its file. Up to 3.11 the deallocator did that; since then it is done by a
# finalizer (tp_finalize, which in 3.13 also emits a ResourceWarning). A __del__ in Python is a finalizer too: a class
# that defines one replaces that of sqlite3.Connection, and super() has no __del__ to call. So a __del__ that does
# anything but close, such as counting or logging, leaks the descriptor for the life of the process, without a warning.
#
# Seen with Python 3.13.0 and 3.12.1: the plain subclass is closed, the one whose __del__ does nothing stays open, the
# one whose __del__ calls close() is closed. With 3.11.7 all three are closed. PYTHON names another interpreter.
set -euo pipefail
"${PYTHON:-python3.13}" - <<'PYTHON'
import gc
import os
import sqlite3
import sys
import tempfile
import warnings

warnings.simplefilter("ignore", ResourceWarning)


class Plain(sqlite3.Connection):
    pass


class OwnDel(sqlite3.Connection):
    def __del__(self) -> None:
        pass


class ClosingDel(sqlite3.Connection):
    def __del__(self) -> None:
        self.close()


def stays_open(kind: type[sqlite3.Connection]) -> bool:
    path = os.path.join(tempfile.mkdtemp(), "a.db")
    connection = sqlite3.connect(path, factory=kind)
    connection.execute("CREATE TABLE t (n)")
    del connection
    gc.collect()
    return any(os.path.realpath(f"/dev/fd/{fd}") == os.path.realpath(path) for fd in os.listdir("/dev/fd"))


found = {kind.__name__: stays_open(kind) for kind in (Plain, OwnDel, ClosingDel)}
print(f"Python {sys.version.split()[0]}, file still open: {found}")
sys.exit(0 if found == {"Plain": False, "OwnDel": True, "ClosingDel": False} else 1)
PYTHON

"""The connections that stores own."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.localbus import schema as bus_schema
from nbactl.adapters.sqlite import schema as store_schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


class _Owner:
    """An owner in a cycle, which only the garbage collector can free."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.itself = self


@pytest.mark.parametrize(
    "connect",
    [lambda file: store_schema.connect(file, 1.0, writable=True), lambda file: bus_schema.connect(file, 1.0)],
    ids=["documents", "bus"],
)
def test_a_store_that_is_dropped_closes_its_file_without_a_warning(
    tmp_path: Path, connect: Callable[[Path], sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", ignored.append)
    file = tmp_path / "store.db"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        owner = _Owner(connect(file))
        owner.connection.execute("CREATE TABLE t (n)")
        assert _is_open(file)
        del owner
        gc.collect()
    assert not _is_open(file)
    assert ignored == []


def _is_open(file: Path) -> bool:
    return any(one.exists() and one.samefile(file) for one in Path("/dev/fd").iterdir())

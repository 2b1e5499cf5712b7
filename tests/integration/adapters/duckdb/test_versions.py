"""The versions that are kept in a DuckDB file, and in the file beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Final

import pytest

from nbactl.adapters.duckdb.sidecar import VersionsSidecar
from tests.kit.paths import ROOT
from tests.kit.warehouse_process import FIRST, ROWS, TABLE, ended, open_warehouse, start, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from nbactl.ports.warehouse import PartitionVersion


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    warehouse = open_warehouse(path)
    warehouse.create_table(TABLE)
    write(warehouse, 0, 1)
    warehouse.close()
    return path


def sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".versions")


def _make_a_folder(path: Path) -> None:
    sidecar(path).unlink()
    sidecar(path).mkdir()


def versions(path: Path, lock_wait: float = 5.0) -> Mapping[tuple[str, date], PartitionVersion]:
    warehouse = open_warehouse(path, lock_wait)
    try:
        return warehouse.versions([TABLE.name], date.min, date.max, timeout=5.0)
    finally:
        warehouse.close()


def by_another_program(path: Path) -> DuckDBPyConnection:
    import duckdb

    return duckdb.connect(str(path))


ASK = """
import sys
from datetime import date
from pathlib import Path
from tests.kit.warehouse_process import TABLE, open_warehouse
warehouse = open_warehouse(Path(sys.argv[1]))
found = warehouse.versions([TABLE.name], date.min, date.max, timeout=5.0)
print(len(found), "duckdb" in sys.modules, "sqlglot" in sys.modules)
warehouse.close()
"""


def asked(path: Path) -> list[str]:
    """Ask in a process of its own; returns how many versions there are, and which engines were loaded."""
    command = [sys.executable, "-c", ASK, str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_versions_of_a_closed_warehouse_are_known_without_the_engine(path: Path) -> None:
    before = path.stat()
    assert asked(path) == ["1", "False", "False"]
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_warehouse_that_is_not_there_has_no_versions_and_is_not_made(tmp_path: Path) -> None:
    assert versions(tmp_path / "state" / "warehouse.duckdb") == {}
    assert list(tmp_path.iterdir()) == []


def test_versions_are_known_while_another_process_has_the_file(path: Path) -> None:
    start(path, 5.0, "write", 1, 1, held_at="warehouse.before_commit")
    assert len(versions(path, lock_wait=0.0)) == 1


def test_a_write_is_seen_at_once_and_after_closing(path: Path) -> None:
    first = versions(path)
    warehouse = open_warehouse(path)
    write(warehouse, 0, 2)
    open_now = warehouse.versions([TABLE.name], FIRST, FIRST, timeout=5.0)
    warehouse.close()
    assert open_now != first
    assert versions(path) == open_now


def test_a_write_of_another_process_is_seen_by_one_that_asked_before(path: Path) -> None:
    warehouse = open_warehouse(path)
    first = warehouse.versions([TABLE.name], FIRST, FIRST, timeout=5.0)
    assert ended(start(path, 5.0, "write", 0, 2)) == 0
    assert warehouse.versions([TABLE.name], FIRST, FIRST, timeout=5.0) != first
    warehouse.close()


def of_another_file(path: Path) -> None:
    other = path.with_name("other.duckdb")
    path.rename(other)
    other.with_name("copy").write_bytes(other.read_bytes())
    other.with_name("copy").rename(path)


def without_checksum(path: Path) -> None:
    content = sidecar(path).read_bytes()
    sidecar(path).write_bytes(content.replace(TABLE.name.encode(), b"nba_test.other"))


SPOILT: Final[dict[str, Callable[[Path], object]]] = {
    "gone": lambda path: sidecar(path).unlink(),
    "empty": lambda path: sidecar(path).write_bytes(b""),
    "no text": lambda path: sidecar(path).write_bytes(b"\xff\x00{"),
    "another form": lambda path: sidecar(path).write_bytes(b"[1]\n{}"),
    "cut off": lambda path: sidecar(path).write_bytes(sidecar(path).read_bytes()[:-9]),
    "changed": without_checksum,
    "another version": lambda path: sidecar(path).write_bytes(
        sidecar(path).read_bytes().replace(b'versions": 1', b'versions": 2')
    ),
    "of another file": of_another_file,
    "of an earlier state": os.utime,
    "a folder": _make_a_folder,
}


def test_a_file_of_versions_that_does_not_fit_is_not_believed(path: Path, tmp_path: Path) -> None:
    """It is read again from the warehouse, and written for the next process that asks."""
    first = versions(path)
    for kind, spoil in SPOILT.items():
        spoilt = tmp_path / kind / path.name
        spoilt.parent.mkdir()
        spoilt.write_bytes(path.read_bytes())
        versions(spoilt)
        known = VersionsSidecar(spoilt).read()
        assert known is not None, kind
        assert len(known) == 1, kind
        spoil(spoilt)
        assert VersionsSidecar(spoilt).read() is None, kind
        assert versions(spoilt) == first, kind
        assert (VersionsSidecar(spoilt).read() is None) == (kind == "a folder"), kind


def test_a_warehouse_whose_file_of_versions_does_not_fit_is_asked_itself(path: Path) -> None:
    sidecar(path).write_bytes(b"")
    assert asked(path) == ["1", "True", "False"]
    assert asked(path) == ["1", "False", "False"]


def test_a_change_by_another_program_is_no_reason_to_believe_the_old_file_of_versions(path: Path) -> None:
    with by_another_program(path) as connection:
        connection.execute("DROP SCHEMA nba_test CASCADE")
    assert versions(path) == {}


def test_the_type_of_a_whole_number_and_the_order_of_columns_do_not_matter(path: Path) -> None:
    first = versions(path)
    with by_another_program(path) as connection:
        connection.execute(
            "CREATE OR REPLACE TABLE nba_test.lines AS "
            "SELECT CAST(n AS TINYINT) AS n, CAST(batch AS DECIMAL(9, 3)) AS batch, day FROM nba_test.lines "
            "ORDER BY random()"
        )
    warehouse = open_warehouse(path)
    warehouse.add_columns(TABLE.name, [])
    warehouse.apply_ddl([f"ALTER TABLE {TABLE.name} SET OPTIONS (description='Looked at again.')"], timeout=5.0)
    assert warehouse.versions([TABLE.name], FIRST, FIRST, timeout=5.0) == first
    warehouse.close()


def test_a_warehouse_of_before_versions_has_none_until_it_is_written(path: Path) -> None:
    with by_another_program(path) as connection:
        connection.execute("DROP TABLE nbactl_internal.partition_versions")
    assert versions(path) == {}
    warehouse = open_warehouse(path)
    assert write(warehouse, 0, 1) == ROWS
    warehouse.close()
    assert len(versions(path)) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_versions_are_known_of_a_folder_that_cannot_be_written(path: Path) -> None:
    path.parent.chmod(0o555)
    try:
        assert asked(path) == ["1", "False", "False"]
    finally:
        path.parent.chmod(0o755)

"""Checks of the local warehouses: one a source, each a file that must open."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.checks.finding import Finding
from nbactl.core.lease.holder import process_identity
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.checks.finding import Patient

_NAME: Final = "warehouse"
_MIB: Final = 1024 * 1024


def warehouses(patient: Patient) -> Iterator[Finding]:
    """Open every local warehouse that is there; one that another process works with is left alone."""
    files = sorted((patient.settings.state_dir / "data").glob("*/warehouse.duckdb"))
    if not files:
        yield Finding(_NAME, "skipped", "no run has made one here yet")
    for file in files:
        yield _examined(patient, file)


def _examined(patient: Patient, file: Path) -> Finding:
    holder = process_identity("doctor")
    warehouse = DuckDbWarehouse(file, clock=patient.clock, lock_wait=patient.busy_timeout, holder=holder)
    try:
        with closing(warehouse):
            tables = len(warehouse.list_tables())
    except NbactlError as error:
        if "pid" in error.details:
            return Finding(_NAME, "ok", error.message, error.cause)
        return Finding(_NAME, "failed", error.message, error.cause, error.next_step)
    return Finding(_NAME, "ok", f"{file}, {file.stat().st_size / _MIB:.1f} MiB, {tables} tables")

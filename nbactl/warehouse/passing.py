"""A warehouse that passes every call on to another one, for others to add to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from nbactl.ports.warehouse import (
        Column,
        DryRun,
        Fence,
        QueryResult,
        Rows,
        Select,
        TableInfo,
        TableSchema,
        Warehouse,
    )


class PassingWarehouse:
    """Does what `warehouse` does."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        cache: bool = True,
        max_bytes: int | None = None,
    ) -> QueryResult:
        return self._warehouse.query(sql, parameters, timeout=timeout, labels=labels, cache=cache, max_bytes=max_bytes)

    def dry_run(self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float) -> DryRun:
        return self._warehouse.dry_run(sql, parameters, timeout=timeout)

    def load(self, table: str, rows: Rows, *, timeout: float, labels: Mapping[str, str] | None = None) -> int:
        return self._warehouse.load(table, rows, timeout=timeout, labels=labels)

    def replace_partitions(
        self,
        table: str,
        days: Sequence[date],
        source: Select | Rows,
        *,
        fence: Fence | None = None,
        timeout: float,
        labels: Mapping[str, str] | None = None,
    ) -> int:
        return self._warehouse.replace_partitions(table, days, source, fence=fence, timeout=timeout, labels=labels)

    def create_table(self, schema: TableSchema) -> None:
        self._warehouse.create_table(schema)

    def add_columns(self, table: str, columns: Sequence[Column]) -> None:
        self._warehouse.add_columns(table, columns)

    def table(self, name: str) -> TableInfo:
        return self._warehouse.table(name)

    def list_tables(self, dataset: str | None = None) -> list[str]:
        return self._warehouse.list_tables(dataset)

    def apply_ddl(self, statements: Iterable[str], *, timeout: float) -> None:
        self._warehouse.apply_ddl(statements, timeout=timeout)

    def close(self) -> None:
        self._warehouse.close()

"""What is known of the tables that SQL reads: partition column, clustering, columns, and the queries of views."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.ports.warehouse import TableSchema

INGESTION: Final = ("_partitiontime", "_partitiondate")
"""The pseudocolumns of a table that is partitioned by ingestion time."""


class KnownTable(NamedTuple):
    """A table or view, `dataset.table`. Names of columns are lower-case; without `columns` they are not known.

    `partition` has the names of the partition column: none, one, or both pseudocolumns. `bytes` is its size where that
    is known. `query` is the text of a view.
    """

    name: str
    columns: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    clustering: tuple[str, ...] = ()
    bytes: int | None = None
    query: str | None = None


class Tables:
    """Tables by name. A dataset or project that a hole stands for is left open."""

    def __init__(self, tables: Iterable[KnownTable] = ()) -> None:
        self._tables = {table.name.lower(): table for table in tables}
        self._short: dict[str, list[KnownTable]] = {}
        for name, table in self._tables.items():
            self._short.setdefault(name.rpartition(".")[2], []).append(table)

    def find(self, dataset: str, name: str) -> KnownTable | None:
        """Return a table by dataset and name, None for one that is not known."""
        return self._tables.get(f"{dataset}.{name}".lower() if dataset else name.lower())

    def find_in_some_dataset(self, name: str) -> KnownTable | None:
        """Return the only table of that name, None if there are several or none."""
        found = self._short.get(name.lower(), ())
        return found[0] if len(found) == 1 else None

    def add(self, tables: Iterable[KnownTable]) -> Tables:
        """Return these tables and others, which replace those of the same name."""
        return Tables([*self._tables.values(), *tables])

    def encode(self) -> list[Any]:
        """Return it in JSON's types."""
        return [list(table) for table in self._tables.values()]

    @classmethod
    def decode(cls, encoded: list[Any]) -> Tables:
        """Return what `encode` was called on."""
        return cls(
            KnownTable(name, tuple(columns), tuple(partition), tuple(clustering), size, query)
            for name, columns, partition, clustering, size, query in encoded
        )

    @property
    def digest(self) -> str:
        """What changes if anything changes that a finding depends on."""
        return hashlib.blake2b(json.dumps(self.encode()).encode(), digest_size=16).hexdigest()


def known_table(schema: TableSchema, size: int | None = None, query: str | None = None) -> KnownTable:
    """Return what a declaration says."""
    return KnownTable(
        schema.name,
        tuple(column.name.lower() for column in schema.columns),
        () if schema.partition_by is None else (schema.partition_by.lower(),),
        tuple(name.lower() for name in schema.cluster_by),
        size,
        query,
    )

"""Datasets and tables, through calls of metadata: they cost nothing and are no jobs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.api_core.exceptions import Conflict, NotFound, PreconditionFailed  # noqa: TID253 - the adapter itself
from google.cloud import bigquery  # noqa: TID253 - the adapter itself

from nbactl.adapters.bigquery import scripts, sqltext
from nbactl.adapters.bigquery.calls import NO_RETRY
from nbactl.adapters.bigquery.tables import OWN, described, field_of, lacking, split_name, table_of
from nbactl.core._support.names import closest
from nbactl.errors import NbactlError, NotFoundError, PreconditionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nbactl.adapters.bigquery.calls import Calls
    from nbactl.adapters.bigquery.tables import Described
    from nbactl.ports.warehouse import Column, TableSchema

T = TypeVar("T")
_AT_ONCE: Final = 8
_PAGE: Final = 1000
"""Tables of one answer of tables.list."""


class Catalog:
    """The datasets and tables of a project. `limit` is how many seconds a call may take, retries included."""

    def __init__(self, calls: Calls, limit: float) -> None:
        self._calls = calls
        self._project = calls.client.project
        self._limit = limit
        self._recorded: set[str] = set()
        """The datasets that are known to have records of partitions."""

    def create_table(self, schema: TableSchema) -> None:
        table = table_of(self._project.name, schema)
        dataset, _ = split_name(schema.name)

        def create(client: bigquery.Client) -> None:
            try:
                client.create_table(table, retry=NO_RETRY, timeout=None)
            except NotFound:
                new = bigquery.Dataset(f"{self._project.name}.{dataset}")
                new.location = self._project.location
                client.create_dataset(new, exists_ok=True, retry=NO_RETRY, timeout=None)
                client.create_table(table, exists_ok=True, retry=NO_RETRY, timeout=None)
            except Conflict:
                return  # it is there

        self._calls.request(create, timeout=self._limit)

    def add_columns(self, table: str, columns: Sequence[Column]) -> None:
        name = f"{self._project.name}.{'.'.join(split_name(table))}"

        def add(client: bigquery.Client) -> None:
            found = client.get_table(name, retry=NO_RETRY, timeout=None)
            if new := lacking(described(found).schema, columns):
                found.schema = [*found.schema, *map(field_of, new)]
                try:
                    client.update_table(found, ["schema"], retry=NO_RETRY, timeout=None)
                except PreconditionFailed:  # changed since it was read: this attempt reads it again
                    add(client)

        with self.suggesting(table):
            self._calls.request(add, timeout=self._limit)

    def set_clustering(self, table: str, columns: Sequence[str], etag: str | None, timeout: float) -> None:
        name = f"{self._project.name}.{'.'.join(split_name(table))}"
        wanted = {"fields": list(columns)} if columns else None
        sent = False

        def patch(client: bigquery.Client) -> None:
            nonlocal sent
            again, sent = sent, True
            changed = bigquery.Table.from_api_repr(
                {"tableReference": bigquery.TableReference.from_string(name).to_api_repr(), "etag": etag}
            )
            changed.clustering_fields = list(columns) or None
            try:
                client.update_table(changed, ["clustering_fields"], retry=NO_RETRY, timeout=None)
            except PreconditionFailed as error:
                found = client.get_table(name, retry=NO_RETRY, timeout=None)
                if again and found.to_api_repr().get("clustering") == wanted:
                    return  # an earlier attempt did it, and its answer was lost
                raise PreconditionError(
                    f"table {table} has changed",
                    cause="It has another etag than the one that was read before.",
                    next_step="Look at the table again: nbactl bq plan",
                ) from error

        with self.suggesting(table):
            self._calls.request(patch, timeout=timeout)

    def describe(self, name: str) -> Described:
        return described(self.read(name))

    def find(self, name: str) -> Described | None:
        """Return a table, None if it is not there."""
        full = f"{self._project.name}.{'.'.join(split_name(name))}"
        try:
            return described(self._request(lambda client: client.get_table(full, retry=NO_RETRY, timeout=None)))
        except NotFoundError:
            return None

    def list_tables(self, dataset: str | None = None) -> list[str]:
        with self._calls.limit(self._limit):
            datasets = [dataset] if dataset is not None else self._datasets()
            return sorted(name for names in self.each(self._tables_of, datasets) for name in names)

    def _datasets(self) -> list[str]:
        return self._request(
            lambda client: [item.dataset_id for item in client.list_datasets(retry=NO_RETRY, timeout=None)]
        )

    def _tables_of(self, dataset: str) -> list[str]:
        full = f"{self._project.name}.{dataset}"

        def ask(client: bigquery.Client) -> list[str]:
            try:
                return [item.table_id for item in client.list_tables(full, retry=NO_RETRY, timeout=None)]
            except NotFound:
                return []

        return [f"{dataset}.{name}" for name in self._request(ask) if not name.startswith(OWN)]

    def listed(self, dataset: str) -> dict[str, Mapping[str, Any]]:
        """Return the tables of a dataset by name, each as the service lists it. Raises NotFoundError."""
        full = f"{self._project.name}.{dataset}"

        def ask(client: bigquery.Client) -> dict[str, Mapping[str, Any]]:
            found = client.list_tables(full, page_size=_PAGE, retry=NO_RETRY, timeout=None)
            return {item.table_id: item.to_api_repr() for item in found}

        return self._request(ask)

    def read(self, name: str) -> bigquery.Table:
        """Return a table as it is now. Raises NotFoundError."""
        full = f"{self._project.name}.{'.'.join(split_name(name))}"
        with self.suggesting(name):
            return self._request(lambda client: client.get_table(full, retry=NO_RETRY, timeout=None))

    def ensure_records(self, dataset: str) -> None:
        if dataset not in self._recorded:
            self.create_table(scripts.bookkeeping(dataset))
            self._recorded.add(dataset)

    def has_records(self, dataset: str) -> bool:
        if dataset not in self._recorded and self.find(f"{dataset}.{scripts.PARTITIONS}") is not None:
            self._recorded.add(dataset)
        return dataset in self._recorded

    def each(self, ask: Callable[[str], T], names: Iterable[str]) -> list[T]:
        """Ask about several names at the same time, each under the deadline in force."""
        wanted = list(names)
        if len(wanted) <= 1:
            return [ask(name) for name in wanted]
        with ThreadPoolExecutor(min(_AT_ONCE, len(wanted)), thread_name_prefix="bigquery") as pool:
            return [asked.result() for asked in [pool.submit(copy_context().run, ask, name) for name in wanted]]

    @contextmanager
    def suggesting(self, asked: str) -> Iterator[None]:
        """Name the nearest name in the error for what is not there; `asked` is a table, or SQL that names some."""
        try:
            yield
        except NotFoundError as error:
            if error.details.get("missing") == "dataset":
                self._check_location(str(error.details["dataset"]), error)
            if error.next_step is None:
                error.next_step = self._suggestion(error.details, sqltext.tables_named(asked) or [asked])
            raise

    def _check_location(self, dataset: str, error: NotFoundError) -> None:
        """Raise PreconditionError if the dataset is there, in another location than jobs run in."""
        try:
            found = self._request(lambda client: client.get_dataset(dataset, retry=NO_RETRY, timeout=None)).location
        except NbactlError:
            return  # the error itself says enough
        if found and found.lower() != self._project.location.lower():
            raise PreconditionError(
                f"dataset {dataset} is in {found}, not in {self._project.location}",
                cause=error.cause,
                next_step=f"Give the location of the datasets: --location {found}",
                details=error.details,
            ) from error

    def _suggestion(self, details: Mapping[str, Any], asked: Sequence[str]) -> str | None:
        try:
            if details.get("missing") == "column":
                found = [table for name in asked if (table := self.find(name))]
                return _meant(
                    str(details["column"]), [column.name for table in found for column in table.schema.columns]
                )
            if details.get("missing") in ("table", "dataset"):
                wanted = str(details[details["missing"]])
                full = (
                    wanted if "." in wanted else next((name for name in asked if name.startswith(f"{wanted}.")), wanted)
                )
                return nearest_table(full, self.list_tables())
        except NbactlError:
            return None  # the error itself says enough
        return None

    def _request(self, fn: Callable[[bigquery.Client], T]) -> T:
        return self._calls.request(fn, timeout=self._limit)


def nearest_table(wanted: str, known: Sequence[str]) -> str | None:
    """Return the next step that names the table, or for a name without a dot the dataset, that was probably meant."""
    if "." not in wanted:
        near = _meant(wanted, {name.partition(".")[0] for name in known})
        return near or "To see the tables that are there: nbactl tables list"
    by_last_part = {name.rpartition(".")[2]: name for name in known}
    last = closest(wanted.rpartition(".")[2], by_last_part)
    if hint := _meant(wanted, known) or (f"Did you mean '{by_last_part[last]}'?" if last else None):
        return hint
    return "`nbactl run` creates declared tables when it needs them."


def _meant(wanted: str, known: Iterable[str]) -> str | None:
    close = closest(wanted, known)
    return f"Did you mean '{close}'?" if close else None

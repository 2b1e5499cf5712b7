"""One job's session in the engine: names, parameters, script variables, temporary tables, its transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.adapters.duckdb.sql.context import Context, Query
from nbactl.adapters.duckdb.sql.parse import parse
from nbactl.adapters.duckdb.sql.query import compile_query
from nbactl.adapters.duckdb.sql.scope import Scope
from nbactl.adapters.duckdb.sql.types import STRING, TIMESTAMP, Type, Value
from nbactl.errors import NbactlError
from nbactl.testing.bigquery import information_schema, schema, values
from nbactl.testing.bigquery.errors import ApiError, invalid_query, of_translation
from nbactl.testing.bigquery.literals import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from nbactl.testing.bigquery.access import Access
    from nbactl.testing.bigquery.store import Name, Store, Table
    from nbactl.testing.bigquery.transactions import Transaction, Transactions

TEMP: Final = "temp"
"""The dataset that temporary tables are in, for the engine."""
Variable = tuple[Type, Any]
NOW: Final = "@@current_timestamp"
"""The name that the session's time has in compiled statements."""


@dataclass(slots=True)
class Result:
    """The rows of a statement, as the engine gave them."""

    columns: tuple[tuple[str, Type], ...]
    names: list[str]
    rows: list[tuple[Any, ...]]

    @property
    def fields(self) -> list[schema.Field]:
        """The schema of the result."""
        return [schema.field_of(name, kind) for name, kind in self.columns]


@dataclass
class Session:
    """What the statements of one job share."""

    store: Store
    transactions: Transactions
    cursor: DuckDBPyConnection
    location: str
    now: datetime
    jobs: Callable[[], list[Any]]
    user: str
    cancelled: Callable[[], bool]
    access: Access
    default_dataset: str | None = None
    parameters: Mapping[str, Variable] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    temporary: dict[str, list[schema.Field]] = field(default_factory=dict)
    transaction: Transaction | None = None
    references: list[Name] = field(default_factory=list)
    job_id: str = ""

    def parse(self, sql: str) -> exp.Expr:
        """Parse one statement, with its names resolved. Raises ApiError."""
        try:
            tree = _parsed(sql).copy()
        except NbactlError as error:
            raise of_translation(error) from error
        self.references = []
        nodes = list(tree.walk())
        self._resolve_names(tree, nodes)
        self._resolve_functions(nodes)
        self._resolve_rows(nodes)
        return tree

    def query(self, tree: exp.Expr, sql: str) -> tuple[Query, Context]:
        """Compile a query. Raises ApiError."""
        return self.compiling(sql, lambda ctx, scope: compile_query(ctx, tree, scope))

    def value(self, sql: str, kind: Type | None = None) -> Variable:
        """Return the value of an expression, as that type if one is given. Raises ApiError."""
        before = "SELECT "
        wanted = (
            f"CAST(({sql}\n) AS {kind})" if kind is not None and kind.element is None and kind.kind != "STRUCT" else sql
        )
        result = self.rows(self.parse(f"{before}{wanted}"), f"{before}{wanted}")
        if len(result.columns) != 1 or len(result.rows) != 1:
            raise invalid_query(f"an expression is expected: {sql}")
        return kind or result.columns[0][1], result.rows[0][0]

    def constant(self, node: exp.Expr) -> Any:  # noqa: ANN401 - a value of any type
        """Return the value of an expression that this session has parsed. Raises ApiError."""
        text = f"SELECT {node.sql('bigquery')}"
        references = self.references
        try:
            return self.rows(self.parse(text), text).rows[0][0]
        finally:
            self.references = references

    def rows(self, tree: exp.Expr, sql: str) -> Result:
        """Run a query and return its rows. Raises ApiError."""
        return self.fetched(*self.query(tree, sql))

    def fetched(self, query: Query, ctx: Context) -> Result:
        """Run a compiled query and return its rows. Raises ApiError."""
        columns, names = result_columns(query)
        self.cursor.execute(values.fetched(query.sql, columns, names), self.bound(ctx))
        return Result(columns, names, self.cursor.fetchall())

    def compiling(self, sql: str, compile_: Callable[[Context, Scope], Query]) -> tuple[Query, Context]:
        """Run a compilation with the names of this session in scope. Raises ApiError."""
        kinds = {name: kind for name, (kind, _) in self.parameters.items()}
        ctx = Context(self.columns_of, kinds, compile_query, sql)
        try:
            return compile_(ctx, self.scope()), ctx
        except NbactlError as error:
            raise of_translation(error) from error
        except RecursionError:
            raise invalid_query("Query is too complex") from None

    def scope(self) -> Scope:
        """Return the outermost scope: script variables, which columns of the same name win over."""
        known = {name: Value(literal(value, kind), kind) for name, (kind, value) in self.variables.items()}
        known["@@script.job_id"] = Value(literal(self.job_id, STRING), STRING)
        known[NOW] = Value(literal(self.now, TIMESTAMP), TIMESTAMP)
        return Scope(aliases=known)

    def bound(self, ctx: Context) -> dict[str, Any]:
        """Return the values of the parameters that a compiled statement names."""
        return {name: self.parameters[name][1] for name in ctx.used_parameters}

    def columns_of(self, name: str) -> tuple[tuple[str, Type], ...]:
        """Return the columns of a table. Raises ApiError."""
        dataset, _, table = name.partition(".")
        if dataset == TEMP and table in self.temporary:
            return schema.columns(self.temporary[table])
        self.access.check_table("bigquery.tables.getData", (dataset, table))
        found = self.store.table((dataset, table), self.location)
        return found.columns

    def table(self, node: exp.Table) -> Table:
        """Return the table that a statement changes. Raises ApiError."""
        return self.store.table((node.db, node.name), self.location)

    def _resolve_names(self, tree: exp.Expr, nodes: list[exp.Expr]) -> None:
        named = {node.alias.lower() for node in nodes if isinstance(node, exp.CTE)}
        created = _created(tree)
        for table in nodes:
            if not isinstance(table, exp.Table):
                continue
            # A table below a gigabyte is one block, and TABLESAMPLE reads at least one (docs/table-sampling).
            table.set("sample", None)
            if not isinstance(table.this, exp.Identifier) or isinstance(table.parent, exp.AlterRename):
                continue
            if table.name.upper().startswith("INFORMATION_SCHEMA."):
                self._place(table, TEMP, information_schema.materialize(self, table))
            elif not table.db and (table.name.lower() in named and table is not created):
                continue
            elif not table.db or table.db.upper() == "_SESSION":
                self._unqualified(table, created=table is created)
            else:
                self._check_project(table)
            if table.db != TEMP:
                self.references.append((table.db, table.name))

    def _unqualified(self, table: exp.Table, *, created: bool) -> None:
        name = table.name
        temporary = created and table.find_ancestor(exp.Create) and _is_temporary(table.find_ancestor(exp.Create))
        if temporary or name in self.temporary:
            self._place(table, TEMP, name)
        elif self.default_dataset is not None and not table.db:
            self._place(table, self.default_dataset, name)
        else:
            raise invalid_query(f'Table "{name}" must be qualified with a dataset (e.g. dataset.table)')

    def _check_project(self, table: exp.Table) -> None:
        if table.catalog and table.catalog != self.store.project:
            full = f"{table.catalog}:{table.db}.{table.name}"
            raise ApiError(
                "accessDenied",
                f"Access Denied: Table {full}: User does not have permission to query table {full}, "
                "or perhaps it does not exist.",
            )
        table.set("catalog", None)

    def _place(self, table: exp.Table, dataset: str, name: str) -> None:
        if not table.alias and table.name != name:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name.rpartition(".")[2])))
        table.set("catalog", None)
        table.set("db", exp.to_identifier(dataset))
        table.set("this", exp.to_identifier(name))

    def _resolve_functions(self, nodes: list[exp.Expr]) -> None:
        """Take the time from the session's clock, and number the positional parameters."""
        for number, unnamed in enumerate(node for node in nodes if isinstance(node, exp.Placeholder)):
            unnamed.replace(exp.Parameter(this=exp.Var(this=f"_{number}")))
        for named in nodes:
            if isinstance(named, exp.Parameter) and isinstance(
                named.this, exp.Parameter
            ):  # @@row_count, @@script.job_id
                whole = named.parent if isinstance(named.parent, exp.Dot) else named
                path = f"@@{named.this.name}" + (f".{whole.expression.name}" if isinstance(whole, exp.Dot) else "")
                whole.replace(exp.Column(this=exp.to_identifier(path.lower(), quoted=True)))
        for node in nodes:
            name = _BARE.get(type(node)) or (str(node.this).upper() if isinstance(node, exp.Anonymous) else "")
            if name in ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_DATETIME"):
                node.replace(_from_clock(name, node))
            elif name == "SESSION_USER":
                node.replace(exp.Literal.string(self.user))

    def _resolve_rows(self, nodes: list[exp.Expr]) -> None:
        """Write TO_JSON_STRING(t) of a row as that of a STRUCT of its columns."""
        for call in nodes:
            if not isinstance(call, exp.Anonymous):
                continue
            if str(call.this).upper() == "TO_JSON_STRING" and isinstance(call.expressions[0], exp.Column):
                select = call.find_ancestor(exp.Select)
                names = self._row(select, call.expressions[0]) if select is not None else []
                if names:
                    alias = call.expressions[0].name
                    parts = [
                        exp.alias_(exp.column(name, table=alias, quoted=True), name, quoted=True) for name in names
                    ]
                    call.expressions[0].replace(exp.Anonymous(this="STRUCT", expressions=parts))

    def _row(self, select: exp.Select, column: exp.Column) -> list[str]:
        """Return the names of the columns of the relation that a name in FROM means, none if it means a column."""
        joined = [join.this for join in select.args.get("joins") or ()]
        clause = select.args.get("from_")
        for source in [*([clause.this] if clause is not None else []), *joined]:
            if column.table or source.alias_or_name.lower() != column.name.lower():
                continue
            if isinstance(source, exp.Table) and source.db:
                return [name for name, _ in self.columns_of(f"{source.db}.{source.name}")]
            if isinstance(source, exp.Subquery) and not source.this.is_star:
                return list(source.this.named_selects)
        return []


@lru_cache(maxsize=128)
def _parsed(sql: str) -> exp.Expr:
    """Parse one statement, of which the caller takes a copy: tests send the same text again and again."""
    return parse(sql)


_BARE: Final[dict[type[exp.Expr], str]] = {
    exp.CurrentDate: "CURRENT_DATE",
    exp.CurrentTimestamp: "CURRENT_TIMESTAMP",
    exp.CurrentDatetime: "CURRENT_DATETIME",
    exp.SessionUser: "SESSION_USER",
}


def _from_clock(name: str, node: exp.Expr) -> exp.Expr:
    now = exp.Column(this=exp.to_identifier(NOW, quoted=True))
    if name == "CURRENT_TIMESTAMP":
        return now
    arguments = node.expressions if isinstance(node, exp.Anonymous) else [node.this] if node.this else []
    return exp.Anonymous(this=name.removeprefix("CURRENT_"), expressions=[now, *arguments])


def _created(tree: exp.Expr) -> exp.Table | None:
    """Return the table that a statement creates."""
    if not isinstance(tree, exp.Create):
        return None
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return target if isinstance(target, exp.Table) else None


def _is_temporary(create: exp.Expr | None) -> bool:
    return create is not None and create.find(exp.TemporaryProperty) is not None


def result_columns(query: Query) -> tuple[tuple[tuple[str, Type], ...], list[str]]:
    """Return the columns of a query with their types, and their names in the engine. Raises ApiError."""
    names = [column.name.lower() for column in query.columns]
    if twice := sorted({column.name for column in query.columns if names.count(column.name.lower()) > 1}):
        raise invalid_query(
            f"Duplicate column names in the result are not supported. Found duplicate(s): {', '.join(twice)}"
        )
    columns = tuple((column.name, column.type) for column in query.columns)
    return columns, [column.sql_name for column in query.columns]

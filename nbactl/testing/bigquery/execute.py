"""How a query job runs: one statement, or a script whose statements are jobs of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.adapters.duckdb.sql.dml import KINDS
from nbactl.adapters.duckdb.sql.types import BOOL, INT64, STRING
from nbactl.testing.bigquery import ddl, dml, pricing, reads, script, values
from nbactl.testing.bigquery.columns import written_type
from nbactl.testing.bigquery.engine import translated
from nbactl.testing.bigquery.errors import ApiError, invalid_query
from nbactl.testing.bigquery.session import TEMP, Result, Session, result_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.adapters.duckdb.sql.types import Type
    from nbactl.testing.bigquery.cache import Cache
    from nbactl.testing.bigquery.job import Job
    from nbactl.testing.bigquery.jobs import Jobs
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.store import Name, Table

_TRANSACTIONS: Final = ("BEGIN_TRANSACTION", "COMMIT_TRANSACTION", "ROLLBACK_TRANSACTION")
_STEPS: Final = 100_000
"""Statements that a script may run: a loop that never ends is a mistake in a test."""


class _Leave(Exception):  # noqa: N818 - not an error: how BREAK, CONTINUE and RETURN get out of a block
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def parameters(query: Mapping[str, Any]) -> dict[str, tuple[Type, Any]]:
    """Return the parameters of a query by name; positional ones are `_0`, `_1` … Raises ApiError."""
    found = {}
    for number, written in enumerate(query.get("queryParameters") or ()):
        name = written.get("name") or f"_{number}"
        kind = values.parameter_type(written["parameterType"])
        found[name] = (kind, values.parameter_value(name, kind, written.get("parameterValue") or {}))
    return found


class Execution:
    """Runs the statements of one job. `jobs` makes the jobs of a script's statements."""

    def __init__(self, session: Session, limits: Limits, cache: Cache, job: Job, jobs: Jobs) -> None:
        self._session = session
        self._limits = limits
        self._cache = cache
        self._job = job
        self._jobs = jobs
        self._steps = 0

    def run(self) -> None:
        """Run the job. Raises ApiError."""
        statements = script.parse(self._job.sql)
        if not script.is_script(statements):
            only = statements[0]
            self._single(self._job, script.padded(self._job.sql, only.start, only.text))
            return
        self._job.statement = "SCRIPT"
        if self._job.query.get("destinationTable"):
            raise ApiError("invalid", "configuration.query.destinationTable cannot be set for scripts")
        if self._job.configuration.get("dryRun"):
            return  # a script's statements are known when they run: its dry run says 0 bytes
        try:
            self._all(statements)
        except _Leave:
            pass
        finally:
            if self._session.transaction is not None:
                self._rollback()

    # One statement

    def _single(self, job: Job, sql: str) -> None:
        with translated(self._job):
            tree = self._session.parse(sql)
            job.references = list(dict.fromkeys(name for name in self._session.references if name[0]))
            if isinstance(tree, exp.Query):
                self._select(job, tree, sql)
            elif type(tree) in KINDS:
                self._change(job, tree, sql)
            elif isinstance(tree, (exp.Create, exp.Alter, exp.Drop)):
                self._define(job, tree, sql)
            else:
                words = sql.split()
                raise ApiError("notImplemented", f"The test server cannot run {' '.join(words[:2])}")

    def _select(self, job: Job, tree: exp.Expr, sql: str) -> None:
        job.statement = "SELECT"
        session = self._session
        query, ctx = session.query(tree.copy(), sql)
        columns, names = result_columns(query)
        key = self._cache.key(job, session, tree)
        if self._job.configuration.get("dryRun"):
            pricing.charge(session, self._limits, job, tree)
            job.result = Result(columns, names, [])
            job.cache_hit = key is not None and self._cache.get(key, session.now) is not None
            return
        kept = self._cache.get(key, session.now) if key is not None else None
        if kept is not None:
            job.result, job.cache_hit = kept, True
            return
        pricing.charge(session, self._limits, job, tree)
        job.result = session.fetched(query, ctx)
        self._limits.response(job.result, destination=bool(job.query.get("destinationTable")))
        if key is not None:
            self._cache.put(key, job.result, session.now)

    def _change(self, job: Job, tree: exp.Expr, sql: str) -> None:
        session = self._session
        job.statement = KINDS[type(tree)]
        node = dml.changed_table(tree)
        if node.db != TEMP:
            session.store.check_writable(session.table(node))
            self._check_buffer(job.statement, session.table(node))
            session.access.check_table("bigquery.tables.updateData", (node.db, node.name))
        pricing.charge(session, self._limits, job, tree)
        if self._job.configuration.get("dryRun"):
            return
        alone = session.transaction is None
        transaction = session.transaction or session.transactions.begin(explicit=False)
        name = (node.db, node.name)
        job.changes = name
        committed = False
        try:
            if job.statement != "INSERT" and node.db != TEMP:
                if alone and self._limits.dml_conflicts:
                    transaction.reads = reads.partitions_of(session, tree)
                session.transactions.mutate(transaction, name, session.cancelled)
            counts, changed = dml.run(session, tree, sql)
            committed = True
        finally:
            if alone:
                session.transactions.end(transaction, committed=committed)
        job.counts = counts
        session.variables["@@row_count"] = (INT64, counts.affected)
        if node.db != TEMP and counts.affected:
            transaction.changed.setdefault(name, set()).update(changed)
        if alone:
            self._touch(transaction.changed)

    def _check_buffer(self, kind: str, table: Table) -> None:
        """Raise ApiError if a statement would change rows that were streamed a short while ago.

        https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations
        """
        if kind != "INSERT" and table.buffered(self._session.now):
            name = f"{self._session.store.project}.{'.'.join(table.name)}"
            raise invalid_query(
                f"{kind} statement over table {name} would affect rows in the streaming buffer, which is not supported"
            )

    def _define(self, job: Job, tree: exp.Expr, sql: str) -> None:
        job.statement = ddl.statement_type(tree)
        if job.statement == "CREATE_TABLE_AS_SELECT":
            pricing.charge(self._session, self._limits, job, tree.args["expression"])
        if self._job.configuration.get("dryRun"):
            return
        done = ddl.run(self._session, self._limits, tree, sql)
        dataset, table = ddl.changed(tree)
        project = self._session.store.project
        target = {"projectId": project, "datasetId": dataset}
        key = "ddlTargetTable" if table else "ddlTargetDataset"
        job.details["query"] = {
            "ddlOperationPerformed": done,
            key: {**target, "tableId": table} if table else target,
        }

    def _touch(self, changed: Mapping[Name, set[str]]) -> None:
        for name, parts in changed.items():
            if self._session.store.exists(name):
                self._session.store.touch(self._session.store.table(name), parts)

    # Scripts

    def _all(self, statements: list[script.Statement]) -> None:
        for statement in statements:
            self._steps += 1
            if self._steps > _STEPS:
                raise invalid_query("The script runs too many statements")
            if self._job.stop is not None:
                raise self._job.stop
            self._step(statement)

    def _step(self, statement: script.Statement) -> None:  # noqa: C901 - one kind of statement a branch
        match statement.kind:
            case "SQL":
                self._as_child(statement, self._single)
            case "BEGIN_TRANSACTION" | "COMMIT_TRANSACTION" | "ROLLBACK_TRANSACTION":
                self._as_child(statement, lambda child, _: self._transaction(child, statement.kind))
            case "ASSERT":
                self._as_child(statement, lambda child, _: self._assert(child, statement))
            case "DECLARE":
                self._declare(statement)
            case "SET":
                self._set(statement)
            case "IF":
                for condition, start, body in statement.branches:
                    if not condition or self._true(condition, start):
                        self._all(body)
                        break
            case "RAISE":
                self._raise(statement)
            case "BLOCK":
                self._block(statement)
            case "WHILE":
                self._while(statement)
            case kind:
                raise _Leave(kind)

    def _as_child(self, statement: script.Statement, run: Callable[[Job, str], None]) -> None:
        """Run a statement as a job of its own; its error is the script's, with the place where it happened."""
        job = self._jobs.child(self._job, statement.text)
        job.started, job.state = job.created, "RUNNING"
        job.details["script"] = {
            "evaluationKind": "STATEMENT",
            "stackFrames": [self._frame(statement)],
        }
        if self._session.transaction is not None:
            job.details["transaction"] = self._session.transaction.id
        whole = self._job.sql
        try:
            self._jobs.wait_while_held(job, self._job)
            run(job, script.padded(whole, statement.start, statement.text))
        except ApiError as error:
            message = error.message
            if not message.rstrip("]").rpartition("[")[2].replace(":", "").isdigit():
                message = f"{message} at {script.place(whole, statement.start)}"
            job.error = ApiError(error.reason, error.message, location=error.location)
            if error.reason == "stopped":
                raise
            raise ApiError(error.reason, f"Query error: {message.removeprefix('Query error: ')}") from error
        finally:
            job.ended = max(self._session.store.clock.now(), job.created)
            job.state = "DONE"
            job.done.set()
            self._job.bytes_processed += job.bytes_processed
            self._job.bytes_billed += job.bytes_billed
            if job.error is None and statement.kind == "SQL":
                self._job.result = job.result
                self._job.references += [name for name in job.references if name not in self._job.references]

    def _frame(self, statement: script.Statement) -> dict[str, Any]:
        whole = self._job.sql
        first = script.place(whole, statement.start).strip("[]").split(":")
        last = script.place(whole, statement.start + len(statement.text)).strip("[]").split(":")
        return {
            "startLine": int(first[0]),
            "startColumn": int(first[1]),
            "endLine": int(last[0]),
            "endColumn": int(last[1]),
            "text": statement.text,
        }

    def _transaction(self, job: Job, kind: str) -> None:
        session = self._session
        job.statement = kind
        if kind == "BEGIN_TRANSACTION":
            if session.transaction is not None:
                raise invalid_query("Transaction is already in progress")
            with session.transactions.moment:
                session.cursor.begin()
                session.cursor.execute("SELECT COUNT(*) FROM duckdb_tables()")  # its snapshot is of this moment
                session.transaction = session.transactions.begin(explicit=True)
            job.details["transaction"] = session.transaction.id
        elif session.transaction is None:
            raise invalid_query("There is no active transaction")
        elif kind == "COMMIT_TRANSACTION":
            with session.transactions.moment:
                with translated(self._job):
                    session.cursor.commit()
                transaction, session.transaction = session.transaction, None
                session.transactions.end(transaction, committed=True)
            self._touch(transaction.changed)
        else:
            self._rollback()

    def _rollback(self) -> None:
        """Undo the open transaction; one that the engine has given up already has nothing to undo."""
        import duckdb

        session = self._session
        transaction, session.transaction = session.transaction, None
        try:
            session.cursor.rollback()
        except duckdb.TransactionException:
            pass
        finally:
            if transaction is not None:
                session.transactions.end(transaction, committed=False)

    def _assert(self, job: Job, statement: script.Statement) -> None:
        job.statement = "ASSERT"
        if not self._true(statement.value, statement.value_start):
            message = "Assertion failed"
            if statement.names[0]:
                message = str(self._value(statement.names[0], statement.start, STRING))
            raise invalid_query(message)

    def _declare(self, statement: script.Statement) -> None:
        kind = written_type(statement.type) if statement.type else None
        known: tuple[Type, Any] = (kind or INT64, None)
        if statement.value:
            known = self._typed(statement.value, statement.value_start, kind)
        for name in statement.names:
            if name in self._session.variables:
                where = script.place(self._job.sql, statement.start)
                raise invalid_query(f"Query error: Variable '{name}' redeclaration is not allowed at {where}")
            self._session.variables[name] = known

    def _set(self, statement: script.Statement) -> None:
        variables = self._session.variables
        for name in statement.names:
            if name not in variables:
                where = script.place(self._job.sql, statement.start)
                raise invalid_query(f"Query error: Undeclared variable: {name} at {where}")
        if len(statement.names) == 1:
            name = statement.names[0]
            variables[name] = self._typed(statement.value, statement.value_start, variables[name][0])
            return
        listed = statement.value.startswith("(") and not re.match(
            r"\(\s*(SELECT|WITH)\b", statement.value, re.IGNORECASE
        )
        text = f"STRUCT{statement.value}" if listed else statement.value
        found = self._value(text, statement.value_start, None) or {}
        parts = list(found.values()) or [None] * len(statement.names)
        for name, part in zip(statement.names, parts, strict=True):
            variables[name] = (variables[name][0], part)

    def _typed(self, text: str, start: int, kind: Type | None) -> tuple[Type, Any]:
        try:
            with translated(self._job):
                return self._session.value(script.padded(self._job.sql, start, text), kind)
        except ApiError as error:
            raise ApiError(error.reason, f"Query error: {error.message}", location=error.location) from error

    def _value(self, text: str, start: int, kind: Type | None) -> Any:  # noqa: ANN401 - a value of any type
        return self._typed(text, start, kind)[1]

    def _true(self, text: str, start: int) -> bool:
        return bool(self._value(text, start, BOOL))

    def _raise(self, statement: script.Statement) -> None:
        where = script.place(self._job.sql, statement.start)
        message = "Unspecified error"
        if statement.value:
            message = str(self._value(statement.value, statement.value_start, STRING))
        elif "@@error.message" in self._session.variables:
            message = str(self._session.variables["@@error.message"][1])
        raise invalid_query(f"Query error: {message} at {where}")

    def _block(self, statement: script.Statement) -> None:
        before = dict(self._session.variables)
        try:
            self._all(statement.body)
        except ApiError as error:
            if statement.handler is None or error.reason == "stopped":
                raise
            self._session.variables["@@error.message"] = (STRING, error.message)
            self._all(statement.handler)
        finally:
            for name in [name for name in self._session.variables if name not in before and name[0] != "@"]:
                del self._session.variables[name]

    def _while(self, statement: script.Statement) -> None:
        while self._true(statement.value, statement.value_start):
            self._steps += 1
            if self._steps > _STEPS:
                raise invalid_query("The script runs too many statements")
            try:
                self._all(statement.body)
            except _Leave as leave:
                if leave.kind == "BREAK":
                    return
                if leave.kind != "CONTINUE":
                    raise

"""GoogleSQL's own grammar and analyser, as the judge of SQL that is meant for BigQuery.

It is Google's parser compiled to WebAssembly (package zetasql). Loading it compiles 1 GB once a process; the optimiser
of that compilation is off, because a few hundred statements do not repay it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.warehouse import TableSchema

_KINDS: Final = {
    "STRING": "TYPE_STRING",
    "INT64": "TYPE_INT64",
    "FLOAT64": "TYPE_DOUBLE",
    "NUMERIC": "TYPE_NUMERIC",
    "BOOL": "TYPE_BOOL",
    "DATE": "TYPE_DATE",
    "TIMESTAMP": "TYPE_TIMESTAMP",
    "JSON": "TYPE_JSON",
}


@cache
def _zetasql() -> Any:
    """Load the package, which takes seconds, when the first statement is judged."""
    loader: Any = import_module("zetasql.core.wasm_client")
    plain = loader.Config

    def quickly_compiled() -> Any:
        config = plain()
        config.cranelift_opt_level = "none"
        return config

    loader.Config = quickly_compiled
    api, types = import_module("zetasql.api"), import_module("zetasql.types")
    refusal = import_module("zetasql.core.exceptions").ServerError
    return SimpleNamespace(api=api, types=types, refusal=refusal, options=types.LanguageOptions.maximum_features())


@cache
def _analyser(tables: tuple[TableSchema, ...]) -> Any:
    zetasql = _zetasql()
    types, options = zetasql.types, zetasql.options
    functions = types.ZetaSQLBuiltinFunctionOptions(language_options=options)
    catalog = zetasql.api.CatalogBuilder("project").with_builtin_functions(functions).build()
    datasets: dict[str, Any] = {}
    for schema in tables:
        dataset, _, name = schema.name.partition(".")
        table = zetasql.api.TableBuilder(name)
        for column in schema.columns:
            table.add_column(column.name, getattr(types.TypeKind, _KINDS[column.type]))
        datasets.setdefault(dataset, types.SimpleCatalog(name=dataset, table=[])).table.append(table.build())
    catalog.catalog = list(datasets.values())
    return zetasql.api.Analyzer(
        types.AnalyzerOptions(language_options=options, allow_undeclared_parameters=True), catalog
    )


def refusal_of_script(sql: str) -> str | None:
    """Return why the grammar refuses a script, None if it takes it."""
    zetasql = _zetasql()
    return _refusal(lambda: zetasql.api.Parser.parse_script_static(sql, zetasql.options))


def refusal_of_query(sql: str, tables: tuple[TableSchema, ...]) -> str | None:
    """Return why the analyser refuses a query over these tables, None if its names and types are right."""
    path = re.sub(r"`(\w+)\.(\w+)`", r"\1.\2", sql)  # BigQuery's own: both parts of a name in one pair of quotes
    return _refusal(lambda: _analyser(tables).analyze_statement(path))


def _refusal(judge: Callable[[], object]) -> str | None:
    try:
        judge()
    except _zetasql().refusal as error:
        return str(error)
    return None

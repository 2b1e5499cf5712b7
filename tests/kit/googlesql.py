"""GoogleSQL's own grammar and analyser, as the judge of SQL that is meant for BigQuery.

It is Google's parser compiled to WebAssembly (package zetasql). Loading it compiles 1 GB once a process; the optimiser
of that compilation is off, because a few hundred statements do not repay it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbactl.ports.warehouse import TableSchema

_KINDS = {
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
def _options() -> Any:
    import zetasql.core.wasm_client as loader
    from zetasql.types import LanguageOptions

    plain = loader.Config

    def quickly_compiled() -> Any:
        config = plain()
        config.cranelift_opt_level = "none"
        return config

    loader.Config = quickly_compiled  # type: ignore[misc,assignment]
    return LanguageOptions.maximum_features()


def refusal_of_statement(sql: str) -> str | None:
    """Return why the grammar refuses one statement, None if it takes it."""
    from zetasql.api import Parser

    return _refusal(Parser.parse_statement_static, sql)


def refusal_of_script(sql: str) -> str | None:
    """Return why the grammar refuses a script, None if it takes it."""
    from zetasql.api import Parser

    return _refusal(Parser.parse_script_static, sql)


def _refusal(parse: Any, sql: str) -> str | None:
    from zetasql.core.exceptions import ServerError

    options = _options()
    try:
        parse(sql, options)
    except ServerError as error:
        return str(error)
    return None


@cache
def _analyser(tables: tuple[TableSchema, ...]) -> Any:
    from zetasql.api import Analyzer, CatalogBuilder, TableBuilder
    from zetasql.types import AnalyzerOptions, SimpleCatalog, TypeKind, ZetaSQLBuiltinFunctionOptions

    options = _options()
    catalog = (
        CatalogBuilder("project")
        .with_builtin_functions(ZetaSQLBuiltinFunctionOptions(language_options=options))
        .build()
    )
    datasets: dict[str, Any] = {}
    for schema in tables:
        dataset, _, name = schema.name.partition(".")
        table = TableBuilder(name)
        for column in schema.columns:
            table.add_column(column.name, getattr(TypeKind, _KINDS[column.type]))
        datasets.setdefault(dataset, SimpleCatalog(name=dataset, table=[])).table.append(table.build())
    catalog.catalog = list(datasets.values())
    return Analyzer(AnalyzerOptions(language_options=options, allow_undeclared_parameters=True), catalog)


def refusal_of_query(sql: str, tables: tuple[TableSchema, ...]) -> str | None:
    """Return why the analyser refuses a query over these tables, None if its names and types are right."""
    from zetasql.core.exceptions import ServerError

    path = re.sub(r"`(\w+)\.(\w+)`", r"\1.\2", sql)  # BigQuery's own: both parts of a name in one pair of quotes
    try:
        _analyser(tables).analyze_statement(path)
    except ServerError as error:
        return str(error)
    return None

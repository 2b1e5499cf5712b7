"""GoogleSQL's own grammar and analyser, as the judge of SQL that is meant for BigQuery.

It is Google's parser compiled to WebAssembly (package zetasql). Loading it compiles 28 MB of it to machine code, once a
process: half a minute of CPU time. The optimiser is off and registers are allocated in a single pass, because a few
hundred statements do not repay more; that alone saves a third.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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
        config.cranelift_flag_set("regalloc_algorithm", "single_pass")
        return config

    loader.Config = quickly_compiled
    api, types = import_module("zetasql.api"), import_module("zetasql.types")
    service = import_module("zetasql.core.local_service").ZetaSqlLocalService.get_instance()
    return SimpleNamespace(
        api=api,
        types=types,
        service=service,
        call=service.wasm_client.call_grpc_func,
        refusal=import_module("zetasql.core.exceptions").ServerError,
        options=types.LanguageOptions.maximum_features(),
    )


@cache
def _analysis(tables: tuple[TableSchema, ...]) -> Any:
    """Return the request to analyse a statement over these tables, as a protocol buffer that lacks the statement.

    The catalogue is registered once: the hundreds of functions in it take most of a second each time it is sent.
    """
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
    registered = zetasql.service.register_catalog(simple_catalog=catalog).registered_id
    # The types of the other parameters follow from what they are compared with.
    dates = types.Type(types.TypeKind.TYPE_ARRAY, types.ArrayType(types.Type(types.TypeKind.TYPE_DATE)))
    declared = [types.AnalyzerOptions.QueryParameter("dates", dates)]
    allowed = types.AnalyzerOptions(
        language_options=options, allow_undeclared_parameters=True, query_parameters=declared
    )
    return types.AnalyzeRequest(options=allowed, registered_catalog_id=registered).to_proto()


def refusal_of_script(sql: str) -> str | None:
    """Return why the grammar refuses a script, None if it takes it."""
    zetasql = _zetasql()
    parse = zetasql.types.ParseRequest(sql_statement=sql, options=zetasql.options, allow_script=True)
    return _refusal("ZetaSqlLocalService_Parse", parse.to_proto())


def refusal_of_query(sql: str, tables: tuple[TableSchema, ...]) -> str | None:
    """Return why the analyser refuses a query over these tables, None if its names and types are right."""
    request = _analysis(tables)
    # BigQuery's own: both parts of a name in one pair of quotes.
    request.sql_statement = re.sub(r"`(\w+)\.(\w+)`", r"\1.\2", sql)
    return _refusal("ZetaSqlLocalService_Analyze", request)


def _refusal(method: str, request: object) -> str | None:
    """Call a method without the conversion of its answer, a tree of ten thousands of objects that nobody reads."""
    zetasql = _zetasql()
    try:
        zetasql.call(method, request)
    except zetasql.refusal as error:
        return str(error)
    return None

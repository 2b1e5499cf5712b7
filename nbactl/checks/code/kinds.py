"""What an expression is: a client of Google's, a job, a document. Found out from the module alone, without running it.

A value is followed through assignments, attributes of `self`, helpers of the same module, their parameters and
results. Where nothing is known of a name, the name itself decides, if it can mean one thing only (`bq_client`).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.checks.code.module import Module, Scope

Kinds = frozenset[str]
_NONE: Final[Kinds] = frozenset()
_DEPTH: Final = 12
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)

_CONSTRUCTORS: Final = (
    (re.compile(r"google\.cloud\.bigquery(\.client)?\.Client"), "bq.client"),
    (re.compile(r"google\.cloud\.firestore(_v1)?(\.client|\.async_client)?\.(Async)?Client"), "fs.client"),
    (re.compile(r"firebase_admin\.firestore(_async)?\.client"), "fs.client"),
    (re.compile(r"google\.cloud\.pubsub(_v1)?(\.publisher(\.client)?)?\.PublisherClient"), "ps.publisher"),
    (re.compile(r"(requests(\.sessions)?\.[Ss]ession|httpx\.(Async)?Client)"), "http.session"),
    (re.compile(r"google\.cloud\.firestore(_v1)?(\.\w+)?\.(Async)?DocumentReference"), "fs.document"),
    (re.compile(r"google\.cloud\.firestore(_v1)?(\.\w+)?\.(Async)?CollectionReference"), "fs.collection"),
    (re.compile(r"google\.cloud\.bigquery(\.job(\.query)?)?\.QueryJob"), "bq.query_job"),
    (re.compile(r"google\.cloud\.bigquery(\.job(\.\w+)?)?\.(Load|Extract|Copy)Job"), "bq.job"),
)
_QUERY_STEPS: Final = frozenset(
    [
        "where",
        "order_by",
        "limit",
        "limit_to_last",
        "offset",
        "select",
        "start_at",
        "start_after",
        "end_at",
        "end_before",
        "find_nearest",
    ]
)
_METHODS: Final = {
    ("bq.client", "query"): "bq.query_job",
    ("bq.client", "query_and_wait"): "bq.rows",
    ("bq.client", "extract_table"): "bq.job",
    ("bq.client", "copy_table"): "bq.job",
    ("bq.client", "get_job"): "bq.query_job",
    ("bq.client", "list_rows"): "bq.rows",
    **{("bq.client", f"load_table_from_{of}"): "bq.job" for of in ("json", "uri", "file", "dataframe")},
    ("bq.query_job", "result"): "bq.rows",
    ("fs.client", "collection"): "fs.collection",
    ("fs.client", "collection_group"): "fs.query",
    ("fs.client", "document"): "fs.document",
    ("fs.client", "batch"): "fs.batch",
    ("fs.client", "transaction"): "fs.transaction",
    ("fs.collection", "document"): "fs.document",
    ("fs.document", "collection"): "fs.collection",
    **{(kind, step): "fs.query" for kind in ("fs.collection", "fs.query") for step in _QUERY_STEPS},
    ("ps.publisher", "publish"): "ps.future",
}
_BQ_NAME: Final = re.compile(r"_?(bq|bigquery|big_query)(_?client)?|_?client_(bq|bigquery)", re.IGNORECASE)
_FS_NAME: Final = re.compile(r"_?(firestore|fs)_?(client|db)|_?firestore|_?db_?firestore", re.IGNORECASE)
_PS_NAME: Final = re.compile(r"_?(pubsub_?)?publisher(_?client)?", re.IGNORECASE)
_JOB_NAME: Final = re.compile(r"_?(query|load|extract|copy)_job")
_GETTERS: Final = (
    (re.compile(r"_?(get|create|make|build|init)_?.*(bq|bigquery)_?client", re.IGNORECASE), "bq.client"),
    (re.compile(r"_?(get|create|make|build|init)_?.*firestore_?(client|db)?", re.IGNORECASE), "fs.client"),
    (re.compile(r"_?(get|create|make|build|init)_?.*publisher(_?client)?", re.IGNORECASE), "ps.publisher"),
)


def kinds_of(module: Module, node: ast.AST | None, scope: Scope, depth: int = 0) -> Kinds:
    """Return what an expression may be, nothing where that is not known."""
    if node is None or depth > _DEPTH:
        return _NONE
    key = (id(node), id(scope))
    found = module.memo.get(key)
    if found is None:
        module.memo[key] = _NONE  # a name that is bound to itself
        found = module.memo[key] = _look(module, node, scope, depth + 1)
    return found


def elements_of(module: Module, node: ast.AST | None, scope: Scope, depth: int = 0) -> Kinds:
    """Return what the elements of an expression may be."""
    if depth > _DEPTH:
        return _NONE
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
        return kinds_of(module, node.elt, scope, depth + 1)
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return _union(kinds_of(module, item, scope, depth + 1) for item in node.elts)
    if isinstance(node, ast.Call) and node.args and module.dotted(node.func).endswith("as_completed"):
        return elements_of(module, node.args[0], scope, depth + 1)
    if isinstance(node, ast.Name):
        owner: Scope | None = scope
        while owner is not None:
            if node.id in owner.bound or node.id in owner.appended:
                values = owner.bound.get(node.id, ())
                added = _union(kinds_of(module, value, owner, depth + 1) for value in owner.appended.get(node.id, ()))
                return added | _union(elements_of(module, value, owner, depth + 1) for value in values)
            owner = owner.outer
    return _NONE


def _union(found: Iterable[Kinds]) -> Kinds:
    return frozenset().union(*found)


def _look(module: Module, node: ast.AST, scope: Scope, depth: int) -> Kinds:  # noqa: PLR0911 - one return a type
    if isinstance(node, ast.Name):
        return _of_name(module, node.id, scope, depth)
    if isinstance(node, ast.Attribute):
        return _of_attribute(module, node, scope, depth)
    if isinstance(node, ast.Call):
        return _of_call(module, node, scope, depth)
    if isinstance(node, ast.Await):
        return kinds_of(module, node.value, scope, depth)
    if isinstance(node, ast.NamedExpr):
        return kinds_of(module, node.value, scope, depth)
    if isinstance(node, ast.IfExp):
        return kinds_of(module, node.body, scope, depth) | kinds_of(module, node.orelse, scope, depth)
    if isinstance(node, ast.BoolOp):
        return _union(kinds_of(module, value, scope, depth) for value in node.values)
    return _NONE


def _of_name(module: Module, name: str, scope: Scope, depth: int) -> Kinds:
    owner: Scope | None = scope
    while owner is not None:
        skipped = isinstance(owner.node, ast.ClassDef) and owner is not scope
        if not skipped and (found := _bound_in(module, name, owner, depth)) is not None:
            return found
        owner = owner.outer
    if name in module.imports:
        return _by_name(name, module) if not module.imports[name].startswith(("google.", "firebase_admin")) else _NONE
    return _by_name(name, module)


def _bound_in(module: Module, name: str, owner: Scope, depth: int) -> Kinds | None:
    """Return what a scope binds a name to, None if it does not bind it."""
    if name in owner.annotations and (found := _of_annotation(module, owner.annotations[name])):
        return found
    if name in owner.bound:
        values = owner.bound[name]
        known = _union(kinds_of(module, value, owner, depth) for value in values)
        unknown = any(isinstance(value, (ast.Call, ast.Attribute, ast.Name, ast.Await)) for value in values)
        return known or (_by_name(name, module) if unknown and not _is_parsed(module, values) else _NONE)
    if name in owner.looped:
        return _union(elements_of(module, value, owner, depth) for value in owner.looped[name])
    if isinstance(owner.node, (*_FUNCTIONS, ast.Lambda)):
        arguments = owner.node.args
        names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        if name in names or any(argument.arg == name for argument in arguments.kwonlyargs):
            return _passed(module, owner, name, names, depth) or _by_name(name, module)
    return None


def _is_parsed(module: Module, values: Iterable[ast.expr]) -> bool:
    """Return whether a value comes from a constructor that is imported and is none of those known."""
    return any(
        isinstance(value, ast.Call) and module.dotted(value.func).rpartition(".")[2][:1].isupper() for value in values
    )


def _passed(module: Module, owner: Scope, name: str, names: list[str], depth: int) -> Kinds:
    """Return what the calls in this module pass for a parameter."""
    if not isinstance(owner.node, _FUNCTIONS):
        return _NONE
    is_method = owner.outer is not None and isinstance(owner.outer.node, ast.ClassDef)
    found = _NONE
    for site in module.calls.get(owner.node.name, ())[:20]:
        shift = 1 if is_method and isinstance(site.call.func, ast.Attribute) and names[:1] in (["self"], ["cls"]) else 0
        if name in names and 0 <= (place := names.index(name) - shift) < len(site.call.args):
            found |= kinds_of(module, site.call.args[place], site.scope, depth)
        for keyword in site.call.keywords:
            if keyword.arg == name:
                found |= kinds_of(module, keyword.value, site.scope, depth)
    return found


def _of_attribute(module: Module, node: ast.Attribute, scope: Scope, depth: int) -> Kinds:
    if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
        owner = scope.class_scope
        if owner is not None and (found := _of_member(module, owner, node.attr, depth)) is not None:
            return found
        return _by_name(node.attr, module)
    if module.dotted(node).startswith(("google.", "firebase_admin.")):
        return _NONE
    return _by_name(node.attr, module)


def _of_member(module: Module, owner: Scope, name: str, depth: int) -> Kinds | None:
    """Return what a class, or a class of this module that it extends, makes of `self.name`; None if it says nothing."""
    if name in owner.annotations and (found := _of_annotation(module, owner.annotations[name])):
        return found
    if name in owner.attributes:
        found = _union(kinds_of(module, value, place, depth) for value, place in owner.attributes[name])
        if found:
            return found
        values = [value for value, _ in owner.attributes[name] if isinstance(value, (ast.Call, ast.Name))]
        return _by_name(name, module) if values and not _is_parsed(module, values) else _NONE
    method = owner.scopes.get(name)
    if method is not None and isinstance(method.node, _FUNCTIONS) and _is_property(method.node):
        return _returned(module, method, depth)
    if isinstance(owner.node, ast.ClassDef) and depth <= _DEPTH:
        for base in owner.node.bases:
            parent = module.scope.scopes.get(base.id) if isinstance(base, ast.Name) else None
            if parent is not None and parent is not owner:
                found_above = _of_member(module, parent, name, depth + 1)
                if found_above is not None:
                    return found_above
    return None


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        (isinstance(each, ast.Name) and each.id in ("property", "cached_property"))
        or (isinstance(each, ast.Attribute) and each.attr == "cached_property")
        for each in node.decorator_list
    )


def _of_call(module: Module, node: ast.Call, scope: Scope, depth: int) -> Kinds:
    function = node.func
    dotted = module.dotted(function)
    for pattern, kind in _CONSTRUCTORS:
        if pattern.fullmatch(dotted):
            return frozenset({kind})
    if isinstance(function, ast.Name):
        owner: Scope | None = scope
        while owner is not None:
            helper = owner.scopes.get(function.id)
            if helper is not None:
                return _returned(module, helper, depth) if isinstance(helper.node, _FUNCTIONS) else _NONE
            owner = owner.outer
        return _by_getter(function.id)
    if isinstance(function, ast.Attribute):
        if isinstance(function.value, ast.Name) and function.value.id in ("self", "cls"):
            container = scope.class_scope
            method = None if container is None else container.scopes.get(function.attr)
            if method is not None:
                return _returned(module, method, depth)
        receivers = kinds_of(module, function.value, scope, depth)
        found = frozenset(
            _METHODS[receiver, function.attr] for receiver in receivers if (receiver, function.attr) in _METHODS
        )
        return found or _by_getter(function.attr)
    return _NONE


def _returned(module: Module, function: Scope, depth: int) -> Kinds:
    if not isinstance(function.node, _FUNCTIONS):
        return _NONE
    if function.node.returns is not None and (found := _of_annotation(module, function.node.returns)):
        return found
    found = _union(kinds_of(module, value, function, depth) for value in function.returns)
    return found or (_NONE if function.returns else _by_getter(function.node.name))


def _of_annotation(module: Module, node: ast.expr) -> Kinds:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return _NONE
    if isinstance(node, ast.BinOp):
        return _of_annotation(module, node.left) | _of_annotation(module, node.right)
    if isinstance(node, ast.Subscript):
        return _of_annotation(module, node.slice) if module.dotted(node.value).endswith("Optional") else _NONE
    dotted = module.dotted(node)
    return frozenset(kind for pattern, kind in _CONSTRUCTORS if pattern.fullmatch(dotted))


def _by_getter(name: str) -> Kinds:
    return frozenset(kind for pattern, kind in _GETTERS if pattern.fullmatch(name))


def _by_name(name: str, module: Module) -> Kinds:  # noqa: PLR0911 - one return a meaning
    """Return what a name means where nothing else is known of it."""
    if _BQ_NAME.fullmatch(name):
        return frozenset({"bq.client"})
    if _FS_NAME.fullmatch(name):
        return frozenset({"fs.client"})
    if _PS_NAME.fullmatch(name) and ("pubsub" in name.lower() or module.imports_any("google.cloud.pubsub")):
        return frozenset({"ps.publisher"})
    imports_bigquery = module.imports_any("google.cloud.bigquery")
    if _JOB_NAME.fullmatch(name) and imports_bigquery:
        return frozenset({"bq.query_job"})
    if name in ("client", "_client") and imports_bigquery:
        others = ("google.cloud.storage", "google.cloud.firestore", "google.cloud.pubsub", "httpx", "requests")
        return _NONE if module.imports_any(*others) else frozenset({"bq.client"})
    if name in ("db", "_db") and module.imports_any("google.cloud.firestore", "firebase_admin"):
        return frozenset({"fs.client"})
    return _NONE

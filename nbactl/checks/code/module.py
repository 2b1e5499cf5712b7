"""One Python module as the rules see it: a single walk that notes scopes, bindings and calls."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbactl.checks.code.rule import Hit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nbactl.checks.code.rule import Rule

    Visit = Callable[["Module", Any, "Scope"], None]

_PLAIN_FIELDS: Final = frozenset(
    {
        "id",
        "attr",
        "name",
        "arg",
        "ctx",
        "op",
        "ops",
        "type_comment",
        "kind",
        "asname",
        "module",
        "level",
        "conversion",
        "simple",
        "is_async",
        "rest",
        "type_ignores",
        "kwd_attrs",
        "lineno",
        "tag",
        "cls",
    }
)
"""Fields that hold no node a rule could ask for."""
_LEAVES: Final = frozenset({ast.Name, ast.Constant, ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal})
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Scope:
    """A module, class or function, with what its names are bound to."""

    __slots__ = (
        "annotations",
        "appended",
        "attributes",
        "bound",
        "loop",
        "looped",
        "node",
        "outer",
        "returns",
        "scopes",
    )

    def __init__(self, node: ast.Module | ast.ClassDef | FunctionNode | ast.Lambda, outer: Scope | None) -> None:
        self.node = node
        self.outer = outer
        self.bound: dict[str, list[ast.expr]] = {}
        self.looped: dict[str, list[ast.expr]] = {}
        """What a name walks over in `for name in …`."""
        self.annotations: dict[str, ast.expr] = {}
        self.attributes: dict[str, list[tuple[ast.expr, Scope]]] = {}
        """Of a class: what its methods assign to `self.name`."""
        self.appended: dict[str, list[ast.expr]] = {}
        self.returns: list[ast.expr] = []
        self.scopes: dict[str, Scope] = {}
        self.loop: ast.AST | None = None
        """The loop around the node that is visited now."""

    @property
    def name(self) -> str:
        """Return the dotted name inside the module, empty for the module itself."""
        names = []
        scope: Scope | None = self
        while scope is not None and scope.outer is not None:
            names.append(getattr(scope.node, "name", "<lambda>"))
            scope = scope.outer
        return ".".join(reversed(names))

    @property
    def class_scope(self) -> Scope | None:
        """Return the innermost class around, if there is one."""
        scope: Scope | None = self
        while scope is not None and not isinstance(scope.node, ast.ClassDef):
            scope = scope.outer
        return scope

    def functions(self) -> Iterable[Scope]:
        """Yield the functions around this place, the innermost first."""
        scope: Scope | None = self
        while scope is not None:
            if isinstance(scope.node, _FUNCTIONS):
                yield scope
            scope = scope.outer


class Site(NamedTuple):
    """A call, and where it is."""

    call: ast.Call
    scope: Scope
    loop: ast.AST | None


class Module:
    """What one walk found; rules add their hits to it."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.scope = Scope(tree, None)
        self.imports: dict[str, str] = {}
        """Local names to dotted names: `{"bq": "google.cloud.bigquery"}`."""
        self.calls: defaultdict[str, list[Site]] = defaultdict(list)
        """Every call by the last part of what is called: `client.query(…)` under `query`."""
        self.loops: list[tuple[ast.For | ast.AsyncFor, Scope]] = []
        self.hits: list[Hit] = []
        self.memo: dict[Any, Any] = {}

    def close(self) -> None:
        """Take scopes apart: they refer to each other, and would wait for the garbage collector."""
        waiting = [self.scope]
        while waiting:
            scope = waiting.pop()
            waiting.extend(scope.scopes.values())
            scope.scopes.clear()
            scope.outer = None

    def imports_any(self, *prefixes: str) -> bool:
        """Return whether the module imports something whose dotted name begins so."""
        found = self.memo.get(prefixes)
        if found is None:
            found = self.memo[prefixes] = any(name.startswith(prefixes) for name in self.imports.values())
        return bool(found)

    def report(self, rule: str, node: ast.AST, message: str, scope: Scope, *, within: ast.AST | None = None) -> None:
        """Add a hit at `node`; it ends with `within`, where a comment may stand as well."""
        line = node.lineno  # type: ignore[attr-defined]
        last = within or node
        end = line if isinstance(last, ast.ExceptHandler) else last.end_lineno or line  # type: ignore[attr-defined]
        self.hits.append(Hit(rule, line, node.col_offset + 1, end, message, scope.name))  # type: ignore[attr-defined]

    def dotted(self, node: ast.AST) -> str:
        """Return the dotted name of an expression with imports resolved, empty for anything but names."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self.imports.get(node.id, node.id))
        return ".".join(reversed(parts))


class Walk:
    """One recursive visitor: a table from types of nodes to what is called for them, and to the fields to go into."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        visits: defaultdict[type[ast.AST], list[Visit]] = defaultdict(list)
        visits[ast.Call].append(_note_call)
        visits[ast.Assign].append(_note_assignment)
        visits[ast.AnnAssign].append(_note_annotated)
        visits[ast.NamedExpr].append(_note_annotated)
        visits[ast.Return].append(_note_return)
        visits[ast.Import].append(_note_import)
        visits[ast.ImportFrom].append(_note_import_from)
        visits[ast.withitem].append(_note_with)
        visits[ast.For].append(_note_for)
        visits[ast.AsyncFor].append(_note_for)
        for rule in rules:
            for kind, visit in rule.visits.items():
                visits[kind].append(visit)
        self._table = {
            kind: (tuple(visits.get(kind, ())), fields, kind in _ENTERED) for kind, fields in _fields_of(visits).items()
        }
        self._follows_chains = ast.BinOp not in visits

    def module(self, tree: ast.Module) -> Module:
        """Walk over a tree. Raises RecursionError if it is nested too deeply."""
        module = Module(tree)
        self._visit_all(module, tree.body, module.scope)
        for rule in self._rules:
            if rule.finish is not None:
                rule.finish(module)
        return module

    def _visit_all(self, module: Module, nodes: Iterable[ast.AST], scope: Scope) -> None:
        table, visit = self._table, self._visit
        for node in nodes:
            if node.__class__ in table:
                visit(module, node, scope)

    def _visit(self, module: Module, node: ast.AST, scope: Scope) -> None:
        table = self._table
        visits, fields, entered = table[node.__class__]
        for visit in visits:
            visit(module, node, scope)
        if entered:
            self._enter(module, node, scope)
            return
        for name in fields:
            child = getattr(node, name)
            kind = child.__class__
            if kind is list:
                for item in child:
                    if item.__class__ in table:
                        self._visit(module, item, scope)
            elif kind in table:
                if kind is ast.BinOp:
                    self._visit_chain(module, child, scope)
                else:
                    self._visit(module, child, scope)

    def _visit_chain(self, module: Module, node: ast.AST, scope: Scope) -> None:
        """Visit the left side of `a + b + c + …`, which nests as deep as the chain is long."""
        while self._follows_chains and node.__class__ is ast.BinOp:
            if node.right.__class__ in self._table:
                self._visit(module, node.right, scope)
            node = node.left
        if node.__class__ in self._table:
            self._visit(module, node, scope)

    def _enter(self, module: Module, node: Any, scope: Scope) -> None:  # noqa: ANN401 - a node that opens something
        if isinstance(node, _LOOPS):
            around = scope.loop
            if isinstance(node, ast.While):
                scope.loop = node
                self._visit_all(module, [node.test], scope)
            else:
                self._visit_all(module, [node.iter], scope)
                scope.loop = node
            self._visit_all(module, node.body, scope)
            scope.loop = around
            self._visit_all(module, node.orelse, scope)
        elif isinstance(node, ast.ClassDef):
            self._visit_all(module, [*node.decorator_list, *node.bases, *node.keywords], scope)
            inner = scope.scopes[node.name] = Scope(node, scope)
            self._visit_all(module, node.body, inner)
        elif isinstance(node, ast.Lambda):
            self._visit_all(module, [node.args], scope)
            self._visit_all(module, [node.body], Scope(node, scope))
        else:
            self._visit_all(module, [*node.decorator_list, node.args, *([node.returns] if node.returns else [])], scope)
            inner = scope.scopes[node.name] = Scope(node, scope)
            for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                if argument.annotation is not None:
                    inner.annotations[argument.arg] = argument.annotation
            self._visit_all(module, node.body, inner)


_ENTERED: Final = frozenset({*_FUNCTIONS, *_LOOPS, ast.ClassDef, ast.Lambda})


def _fields_of(visits: Mapping[type[ast.AST], object]) -> dict[type[ast.AST], tuple[str, ...]]:
    """Return which fields of each type of node can lead to a node that is visited."""
    kinds = [kind for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST)]
    return {
        kind: tuple(name for name in kind._fields if name not in _PLAIN_FIELDS)
        for kind in kinds
        if kind in visits or (kind not in _LEAVES and any(name not in _PLAIN_FIELDS for name in kind._fields))
    }


def _note_call(module: Module, node: ast.Call, scope: Scope) -> None:
    function = node.func
    if function.__class__ is ast.Attribute:
        name = function.attr
        if name == "append" and isinstance(function.value, ast.Name) and node.args:
            scope.appended.setdefault(function.value.id, []).append(node.args[0])
    elif function.__class__ is ast.Name:
        name = function.id
    else:
        return
    module.calls[name].append(Site(node, scope, scope.loop))


def _note_assignment(module: Module, node: ast.Assign, scope: Scope) -> None:
    del module
    for target in node.targets:
        _bind(target, node.value, scope)


def _note_annotated(module: Module, node: ast.AnnAssign | ast.NamedExpr, scope: Scope) -> None:
    del module
    if isinstance(node, ast.AnnAssign):
        if isinstance(node.target, ast.Name):
            scope.annotations[node.target.id] = node.annotation
        elif isinstance(node.target, ast.Attribute) and (owner := scope.class_scope) is not None:
            owner.annotations.setdefault(node.target.attr, node.annotation)
    if node.value is not None:
        _bind(node.target, node.value, scope)


def _bind(target: ast.expr, value: ast.expr, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        scope.bound.setdefault(target.id, []).append(value)
    elif isinstance(target, ast.Attribute):
        if isinstance(target.value, ast.Name) and target.value.id in ("self", "cls"):
            owner = scope.class_scope
            if owner is not None:
                owner.attributes.setdefault(target.attr, []).append((value, scope))
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        for each, item in zip(target.elts, value.elts, strict=False):
            _bind(each, item, scope)


def _note_return(module: Module, node: ast.Return, scope: Scope) -> None:
    del module
    if node.value is not None:
        scope.returns.append(node.value)


def _note_import(module: Module, node: ast.Import, scope: Scope) -> None:
    del scope
    for alias in node.names:
        if alias.asname:
            module.imports[alias.asname] = alias.name
        else:
            root = alias.name.partition(".")[0]
            module.imports.setdefault(root, root)
            module.imports.setdefault(alias.name, alias.name)


def _note_import_from(module: Module, node: ast.ImportFrom, scope: Scope) -> None:
    del scope
    for alias in node.names:
        module.imports[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"


def _note_with(module: Module, node: ast.withitem, scope: Scope) -> None:
    del module
    if node.optional_vars is not None:
        _bind(node.optional_vars, node.context_expr, scope)


def _note_for(module: Module, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
    module.loops.append((node, scope))
    if isinstance(node.target, ast.Name):
        scope.looped.setdefault(node.target.id, []).append(node.iter)

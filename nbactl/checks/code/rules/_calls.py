"""What several rules ask of a call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.code.module import Module, Scope

_BROAD: Final = frozenset({"Exception", "BaseException"})


def keyword(call: ast.Call, *names: str) -> ast.expr | None:
    """Return the value of the first of these keywords that the call has."""
    for name in names:
        for given in call.keywords:
            if given.arg == name:
                return given.value
    return None


def passes_on(call: ast.Call) -> bool:
    """Return whether the call has `**options`, in which there may be anything."""
    return any(given.arg is None for given in call.keywords)


def is_none(node: ast.expr | None) -> bool:
    """Return whether a keyword is missing or is the literal None."""
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def is_broad(module: Module, handler: ast.ExceptHandler) -> bool:
    """Return whether a handler catches every exception."""
    caught = handler.type
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(module.dotted(name).removeprefix("builtins.") in _BROAD for name in names)


def number(node: ast.AST | None) -> float | None:
    """Return the value of a literal number, also of a product such as `5 * 60`; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = number(node.left), number(node.right)
        return None if left is None or right is None else left * right
    return None


def receiver(call: ast.Call) -> ast.expr | None:
    """Return `x` of `x.method(…)`."""
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def last_name(node: ast.AST | None) -> str:
    """Return the last part of a name: `timeout` of `self.timeout`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def decorators(scope: Scope, module: Module) -> Iterator[str]:
    """Yield the dotted names of the decorators of all functions around."""
    for function in scope.functions():
        assert not isinstance(function.node, (ast.Module, ast.Lambda))  # noqa: S101 - functions only
        for each in function.node.decorator_list:
            yield module.dotted(each.func if isinstance(each, ast.Call) else each)

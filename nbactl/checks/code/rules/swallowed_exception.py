"""Failures that become a default."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import is_broad

if TYPE_CHECKING:
    from nbactl.checks.code.module import Module, Scope

_NAME: Final = "swallowed-exception"
_MOST_SHOWN: Final = 40
_MAKERS: Final = frozenset({"dict", "list", "set", "tuple", "str", "int", "float", "bool", "frozenset"})


def _try(module: Module, node: ast.Try, scope: Scope) -> None:
    if all(isinstance(each, (ast.Import, ast.ImportFrom)) for each in node.body):
        return  # whether a package is there is the answer
    for handler in node.handlers:
        if is_broad(module, handler):
            _handler(module, handler, scope)


def _handler(module: Module, node: ast.ExceptHandler, scope: Scope) -> None:
    returns = [item for item in node.body if isinstance(item, ast.Return)]
    if not returns or any(_says_something(item, node.name) for item in node.body):
        return
    shown = "None" if returns[-1].value is None else ast.unparse(returns[-1].value)
    what = shown if len(shown) <= _MOST_SHOWN else "a default"
    module.report(_NAME, node, f"every exception becomes {what}, and nothing says so", scope)


def _says_something(statement: ast.stmt, name: str | None) -> bool:
    """Return whether a statement raises, calls, counts, or uses the exception."""
    for node in ast.walk(statement):
        if isinstance(node, (ast.Raise, ast.AugAssign, ast.Await, ast.Yield)):
            return True
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            return True  # kept for somebody who looks
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            return True  # the caller gets it in words
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _MAKERS):
            return True
        if name is not None and isinstance(node, ast.Name) and node.id == name:
            return True
    return False


RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="A broad handler returns a default, passes or continues, without raising, logging or counting.",
    why=(
        "The caller cannot tell an answer from an outage: a missing table, a wrong password and a bug all look like 'no "
        "games today', and the run ends green."
    ),
    fix="Catch the exception that is an answer, and let every other one out; or log it with its traceback and count it.",
    bad=(
        "def load():\n    try:\n        return read()\n    except Exception:\n        return None\n",
        "def ready():\n    try:\n        return ping()\n    except:\n        return False\n",
        "def rows():\n    try:\n        return read()\n    except (ValueError, Exception) as error:\n        return []\n",
        "def rows():\n    try:\n        return read()\n    except BaseException:\n        found = {}\n        return found\n",
    ),
    good=(
        "def load():\n    try:\n        return read()\n    except KeyError:\n        return None\n",
        "def load():\n    try:\n        return read()\n    except Exception:\n        logger.exception('no rows')\n        return None\n",
        "def load():\n    try:\n        return read()\n    except Exception as error:\n        return {'error': str(error)}\n",
        "def load():\n    try:\n        return read()\n    except Exception:\n        self.failures += 1\n        return None\n",
        "def load():\n    try:\n        return read()\n    except Exception:\n        raise\n",
        "def load():\n    try:\n        return read(), ''\n    except Exception:\n        return None, 'the table cannot be read'\n",
        "def has_pandas():\n    try:\n        import pandas\n    except Exception:\n        return False\n    return True\n",
    ),
    visits={ast.Try: _try},
    ruff=("S110", "S112"),
    in_tests=False,
)

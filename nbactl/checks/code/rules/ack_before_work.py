"""Messages that are acknowledged before their work is done."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import receiver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.checks.code.module import Module, Site

_NAME: Final = "ack-before-work"
_SAYING: Final = frozenset(
    [
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "exception",
        "critical",
        "log",
        "print",
        "inc",
        "increment",
        "observe",
        "set_attribute",
        "append",
        "add",
        "format",
        "strftime",
        "get",
        "isoformat",
        "discard",
        "remove",
        "pop",
    ]
)
_READING: Final = frozenset(
    ["loads", "decode", "b64decode", "str", "int", "float", "bool", "bytes", "len", "dict", "list", "isinstance"]
)
"""Calls that take a message apart and lose nothing if the process dies."""
_WAITING: Final = frozenset(
    ["set", "sleep", "cancel", "close", "exit", "time", "monotonic", "now", "utcnow", "today", "dumps"]
)
_FACTS: Final = frozenset({"data", "attributes", "message_id", "publish_time", "delivery_attempt", "ordering_key"})
_ENDS: Final = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def _finish(module: Module) -> None:
    for site in module.calls.get("ack", ()):
        message = receiver(site.call)
        function = next(iter(site.scope.functions()), None)
        if function is None or site.call.args or not isinstance(message, ast.Name):
            continue
        node = function.node
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))  # noqa: S101 - functions only
        if not (_is_message(node, message.id) or _may_be_message(module, node.args, message.id)):
            continue
        after = _after(node.body, site)
        if after and (work := _work(after, _derived(node, message.id), message.id)) is not None:
            what = ast.unparse(work.func)
            module.report(
                _NAME, site.call, f"the message is acknowledged before {what}(…) has done its work", site.scope
            )


def _is_message(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(each, ast.Attribute)
        and each.attr in _FACTS
        and isinstance(each.value, ast.Name)
        and each.value.id == name
        for each in ast.walk(node)
    )


def _may_be_message(module: Module, arguments: ast.arguments, name: str) -> bool:
    """Return whether a callback of Pub/Sub is given it, which passes it on as it is."""
    given = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return module.imports_any("google.cloud.pubsub") and any(each.arg == name for each in given)


def _after(body: Sequence[ast.stmt], site: Site) -> list[ast.stmt] | None:
    """Return the statements that run after the one with the call, None if the call is not in `body`."""
    for place, statement in enumerate(body):
        if not any(node is site.call for node in ast.walk(statement)):
            continue
        rest = list(body[place + 1 :])
        if isinstance(statement, ast.Expr):
            return rest
        if isinstance(statement, ast.Return):
            return [statement]
        if isinstance(statement, ast.Try) and any(
            node is site.call for each in statement.finalbody for node in ast.walk(each)
        ):
            return []  # acknowledged at the end, whatever happened
        for inner in _bodies(statement):
            found = _after(inner, site)
            if found is not None:
                ended = any(isinstance(each, _ENDS) for each in found)
                return found if ended else [*found, *rest]
        return []
    return None


def _bodies(statement: ast.stmt) -> list[list[ast.stmt]]:
    bodies = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    bodies += [handler.body for handler in getattr(statement, "handlers", [])]
    return bodies + [case.body for case in getattr(statement, "cases", [])]


def _derived(function: ast.AST, message: str) -> set[str]:
    """Return the names that hold something of the message."""
    names = {message}
    for _ in range(3):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and any(
                isinstance(n, ast.Name) and n.id in names for n in ast.walk(node.value)
            ):
                names |= {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return names


def _work(statements: Sequence[ast.stmt], names: set[str], message: str) -> ast.Call | None:
    """Return the first call that works on the message's content, or any that works once the content was read."""
    read = False
    other = None
    for statement in statements:
        if isinstance(statement, _ENDS) and not isinstance(statement, ast.Return):
            break
        for node in ast.walk(statement):
            if not isinstance(node, ast.Call):
                continue
            owner = receiver(node)
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _SAYING or (isinstance(owner, ast.Name) and owner.id == message):
                continue
            if name in _READING:
                read = read or _mentions(node, names)
            elif any(_mentions(value, names) for value in (*node.args, *(each.value for each in node.keywords))):
                return node
            elif read and other is None and name not in _WAITING:
                other = node
        if isinstance(statement, ast.Return):
            break
    return other


def _mentions(value: ast.AST, names: set[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(value))


RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="A message is acknowledged before its work is done.",
    why="If the process dies after the acknowledgement, Pub/Sub does not deliver the message again: the work is lost silently.",
    fix="Acknowledge after the work is stored. Use a key that makes the work run once, because a message may come twice.",
    bad=(
        "def callback(message):\n    message.ack()\n    process(message.data)\n",
        "def callback(message):\n    data = json.loads(message.data)\n    message.ack()\n    store.save(data)\n",
        "def callback(message):\n    try:\n        message.ack()\n        process(message.data)\n    except ValueError:\n        log()\n",
        "def callback(message):\n    if message.attributes:\n        message.ack()\n    run(message.data)\n",
        "from google.cloud import pubsub_v1\ndef callback(message):\n    message.ack()\n    process(message)\n",
        "def callback(message):\n    message.ack()\n    day = json.loads(message.data)['day']\n    print(day)\n    export_standings()\n",
    ),
    good=(
        "def callback(message):\n    process(message.data)\n    message.ack()\n",
        "def callback(message):\n    if seen(message.message_id):\n        message.ack()\n        return\n    process(message.data)\n",
        "def callback(message):\n    data = message.data\n    process(data)\n    message.ack()\n    logger.info('done %s', data)\n",
        "def callback(message):\n    try:\n        process(message.data)\n    finally:\n        message.ack()\n",
        "def callback(message):\n    games = json.loads(message.data)\n    if not games:\n        return message.ack()\n    store.save(games)\n    message.ack()\n",
        "def callback(message):\n    message.ack()\n    print(json.loads(message.data.decode()))\n    seen.set()\n",
        "def close(socket):\n    socket.ack()\n    work(socket)\n",
    ),
    finish=_finish,
    in_tests=False,
)

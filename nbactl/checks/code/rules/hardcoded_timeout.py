"""Numbers where timeouts.yaml should speak."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.kinds import kinds_of
from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import last_name, number, receiver

if TYPE_CHECKING:
    from nbactl.checks.code.module import Module, Scope

_NAME: Final = "hardcoded-timeout"
_TIMEOUT: Final = re.compile(
    r"(.*_)?time_?out(_s|_sec|_secs|_seconds|_ms|_millis|_minutes)?|(.*_)?deadline_seconds", re.IGNORECASE
)
_NOT: Final = re.compile(r"retry|retries|sleep|backoff|delay|interval|poll", re.IGNORECASE)
"""Pauses and retries are not limits."""
ENTRIES: Final = {
    "bq.client": "warehouse.query",
    "bq.query_job": "warehouse.query",
    "bq.job": "warehouse.query",
    "fs.document": "documents.write",
    "fs.collection": "documents.read",
    "fs.query": "documents.read",
    "fs.batch": "documents.write",
    "ps.publisher": "bus.publish",
    "ps.future": "bus.publish",
    "http.session": "http.request",
}
"""The entry of timeouts.yaml that fits a call, by what is called."""
_NUMBERS: Final = frozenset({ast.Constant, ast.BinOp, ast.Tuple})
_ERROR_STATUSES: Final = range(400, 600)
_HTTP: Final = re.compile(r"(requests|httpx|urllib\.request|urllib3|aiohttp)\.")


def _is_timeout(name: str) -> bool:
    folded = name.lower()
    if "time" not in folded and "deadline" not in folded:
        return False  # most names end here
    return bool(_TIMEOUT.fullmatch(name)) and not _NOT.search(name)


def _is_status(name: str, node: ast.AST | None) -> bool:
    """Return whether it is an HTTP status: REQUEST_TIMEOUT = 408, GATEWAY_TIMEOUT = 504."""
    return number(node) in (408, 504) and not re.search(r"seconds|_s$|_ms$", name, re.IGNORECASE)


def _literal(node: ast.AST | None) -> bool:
    """Return whether a value is a number above 0, or a pair of them."""
    if isinstance(node, ast.Tuple) and node.elts:
        return all(_literal(item) for item in node.elts)
    value = number(node)
    return value is not None and value > 0


def _shown(node: ast.AST) -> str:
    return ast.unparse(node)


def _call(module: Module, node: ast.Call, scope: Scope) -> None:
    for given in node.keywords:
        if given.arg and _is_timeout(given.arg) and _literal(given.value):
            is_pause = scope.loop is not None and last_name(node.func) in ("wait", "poll")
            if not is_pause:
                module.memo.setdefault(_NAME, []).append((node, scope))
            return


def _function(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
    arguments = node.args
    if not arguments.defaults and not arguments.kw_defaults:
        return
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(positional), reversed(arguments.defaults), strict=False)]
    pairs += [(name, value) for name, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value]
    for name, value in pairs:
        if _is_timeout(name.arg) and _literal(value):
            _report(module, value, f"{name.arg}={_shown(value)}", scope)


def _assigned(module: Module, node: ast.Assign | ast.AnnAssign, scope: Scope) -> None:
    if node.value is None or node.value.__class__ not in _NUMBERS or not _literal(node.value):
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if _is_timeout(name := last_name(target)) and not _is_status(name, node.value):
            _report(module, node, f"{name} = {_shown(node.value)}", scope)


def _dict(module: Module, node: ast.Dict, scope: Scope) -> None:
    if len(node.values) > 1 and all(number(value) in _ERROR_STATUSES for value in node.values):
        return  # HTTP statuses by their reason
    for key, value in zip(node.keys, node.values, strict=True):
        if key.__class__ is ast.Constant and isinstance(key.value, str) and _is_timeout(key.value) and _literal(value):
            _report(module, value, f"'{key.value}': {_shown(value)}", scope)


def _report(
    module: Module, node: ast.AST, what: str, scope: Scope, *, entry: str | None = None, within: ast.AST | None = None
) -> None:
    where = f"Use {entry} of timeouts.yaml" if entry else "Give it an entry in timeouts.yaml, with the reason"
    module.report(_NAME, node, f"{what} is a limit in the code. {where}", scope, within=within)


def _finish(module: Module) -> None:
    for node, scope in module.memo.get(_NAME, ()):
        for given in node.keywords:
            if given.arg and _is_timeout(given.arg) and _literal(given.value):
                what, entry = f"{given.arg}={_shown(given.value)}", _entry(module, node, scope)
                _report(module, given.value, what, scope, entry=entry, within=node)


def _entry(module: Module, call: ast.Call, scope: Scope) -> str | None:
    """Return the entry of timeouts.yaml that fits the call."""
    if _HTTP.match(module.dotted(call.func)):
        first = call.args[0] if call.args else None
        return "alert.slack" if "slack" in (ast.unparse(first).lower() if first else "") else "http.request"
    owner = receiver(call)
    for kind in sorted(kinds_of(module, owner, scope)):
        if kind in ENTRIES:
            return "documents.read" if kind == "fs.document" and last_name(call.func) == "get" else ENTRIES[kind]
    return None


RULE: Final = Rule(
    name=_NAME,
    severity="warning",
    summary="A limit is a number in the code.",
    why=(
        "A limit that is written where it is used cannot be compared with the one around it, and is found only when it is "
        "wrong at night. timeouts.yaml has every limit once, with its reason, and refuses one that is longer than its "
        "caller's. Sleeps, pauses between tries and counts of tries are not meant."
    ),
    fix="Take the limit from timeouts.yaml: settings.timeout('http.request'), or a parameter that gets it.",
    bad=(
        "import requests\nrequests.get(url, timeout=30)\n",
        "import requests\nrequests.get(url, timeout=(3.05, 5 * 60))\n",
        "def load(url, timeout=30):\n    pass\n",
        "def load(url, *, read_timeout: float = 2.5):\n    pass\n",
        "QUERY_TIMEOUT_SECONDS = 300\n",
        "class Loader:\n    def __init__(self):\n        self.timeout = 30\n",
        "options = {'timeout': 30}\n",
        "import subprocess\nsubprocess.run(command, timeout=60)\n",
    ),
    good=(
        "import requests\nrequests.get(url, timeout=limit)\n",
        "lock.acquire(timeout=0)\n",
        "def load(url, timeout=None):\n    pass\n",
        "RETRY_TIMEOUT = 3\nimport time\ntime.sleep(30)\n",
        "timeout = settings.timeout('http.request')\n",
        "timeouts = 3\nhad_timeout = True\n",
        "while not stopped.wait(timeout=5):\n    look()\n",
        "REQUEST_TIMEOUT = 408\nSTATUSES = {'timeout': 504, 'denied': 403}\n",
    ),
    visits={
        ast.Call: _call,
        ast.FunctionDef: _function,
        ast.AsyncFunctionDef: _function,
        ast.Assign: _assigned,
        ast.AnnAssign: _assigned,
        ast.Dict: _dict,
    },
    finish=_finish,
    in_tests=False,
)

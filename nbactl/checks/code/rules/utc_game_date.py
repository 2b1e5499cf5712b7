"""Game dates that are taken from UTC or from the machine's clock."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import last_name

if TYPE_CHECKING:
    from nbactl.checks.code.module import Module, Scope

_NAME: Final = "utc-game-date"
_GAME_DATE: Final = re.compile(r"(.*_)?game_?dates?(_str)?|.*_game_date_.*", re.IGNORECASE)
_NOW: Final = frozenset({"now", "utcnow", "today"})
_POSSIBLE: Final = frozenset({ast.Call, ast.BoolOp, ast.BinOp, ast.IfExp})
_STEPS: Final = frozenset({"date", "strftime", "isoformat", "replace"})
_UTC: Final = re.compile(
    r"(datetime\.)*(timezone\.utc|UTC)|pytz\.(utc|UTC)|(dateutil\.)?tz\.(tzutc|UTC)|UTC|utc", re.IGNORECASE
)


def _is_utc_today(module: Module, node: ast.AST | None) -> bool:  # noqa: PLR0911 - one return a form
    """Return whether an expression is the date of now, in UTC or in the machine's zone."""
    if isinstance(node, ast.BoolOp):
        return any(_is_utc_today(module, value) for value in node.values)
    if isinstance(node, ast.IfExp):
        return _is_utc_today(module, node.body) or _is_utc_today(module, node.orelse)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        return _is_utc_today(module, node.left)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
        return _is_utc_today(module, node.args[0])
    if not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr == "get" and len(node.args) > 1:
        return _is_utc_today(module, node.args[1])  # the default of a dictionary
    if node.func.attr in _STEPS:
        return _is_utc_today(module, node.func.value)
    if node.func.attr not in _NOW or module.dotted(node.func.value).rpartition(".")[2] not in ("datetime", "date"):
        return False
    zone = node.args[0] if node.args else next((each.value for each in node.keywords if each.arg == "tz"), None)
    return zone is None or _is_utc(module, zone)


def _is_utc(module: Module, zone: ast.expr) -> bool:
    if isinstance(zone, ast.Call) and zone.args and last_name(zone.func) in ("ZoneInfo", "timezone", "gettz"):
        first = zone.args[0]
        return isinstance(first, ast.Constant) and str(first.value).upper() in ("UTC", "ETC/UTC")
    return bool(_UTC.fullmatch(module.dotted(zone)))


def _report(module: Module, node: ast.AST, scope: Scope, name: str) -> None:
    message = f"{name} is the date of this moment in UTC or in the machine's zone, not in America/New_York"
    module.report(_NAME, node, message, scope)


def _assigned(module: Module, node: ast.Assign | ast.AnnAssign, scope: Scope) -> None:
    if node.value.__class__ not in _POSSIBLE:
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        name = last_name(target)
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            name = str(target.slice.value)
        if "game" in name.lower() and _GAME_DATE.fullmatch(name) and _is_utc_today(module, node.value):
            _report(module, node, scope, name)


def _called(module: Module, node: ast.Call, scope: Scope) -> None:
    for given in node.keywords:
        if given.arg and "game" in given.arg and _GAME_DATE.fullmatch(given.arg) and _is_utc_today(module, given.value):
            _report(module, given.value, scope, given.arg)


def _dict(module: Module, node: ast.Dict, scope: Scope) -> None:
    for key, value in zip(node.keys, node.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if isinstance(name, str) and "game" in name and _GAME_DATE.fullmatch(name) and _is_utc_today(module, value):
            _report(module, value, scope, name)


def _returned(module: Module, node: ast.Return, scope: Scope) -> None:
    name = getattr(scope.node, "name", "")
    if (
        name
        and re.fullmatch(r"_?(get_|current_|todays?_)*game_date(_str)?", name)
        and _is_utc_today(module, node.value)
    ):
        _report(module, node, scope, f"{name}()")


_IMPORT: Final = "from datetime import date, datetime, timedelta, timezone\n"

RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="A game date is taken from UTC or from the machine's clock.",
    why=(
        "Games are played, and dates counted, in America/New_York. From 19:00 or 20:00 Eastern on UTC has the next date, "
        "so that the busiest hours of a night read and write the wrong partition."
    ),
    fix="Take the date of datetime.now(ZoneInfo('America/New_York')), or nbactl.core's GameDate.",
    bad=(
        f"{_IMPORT}game_date = datetime.utcnow().date()\n",
        f"{_IMPORT}game_date = datetime.now(timezone.utc).strftime('%Y-%m-%d')\n",
        f"{_IMPORT}game_date = date.today()\n",
        f"{_IMPORT}game_date = given or date.today().isoformat()\n",
        f"{_IMPORT}game_date = message.get('game_date', datetime.now().strftime('%Y-%m-%d'))\n",
        f"{_IMPORT}run(game_date=str(date.today() - timedelta(days=1)))\n",
        f"{_IMPORT}row = {{'game_date': datetime.now().date()}}\n",
        f"{_IMPORT}def get_game_date():\n    return datetime.now(tz=timezone.utc).date()\n",
    ),
    good=(
        f"{_IMPORT}from zoneinfo import ZoneInfo\ngame_date = datetime.now(ZoneInfo('America/New_York')).date()\n",
        f"{_IMPORT}game_date = datetime.now(EASTERN).date()\n",
        f"{_IMPORT}started = datetime.now(timezone.utc)\n",
        f"{_IMPORT}game_date = datetime.strptime(text, '%Y-%m-%d').date()\n",
    ),
    visits={
        ast.Assign: _assigned,
        ast.AnnAssign: _assigned,
        ast.Call: _called,
        ast.Dict: _dict,
        ast.Return: _returned,
    },
    in_tests=False,
)

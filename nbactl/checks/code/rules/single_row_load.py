"""Rows that are written to BigQuery one at a time."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.kinds import kinds_of
from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import receiver

if TYPE_CHECKING:
    from nbactl.checks.code.module import Module, Scope, Site

_NAME: Final = "single-row-load"
_INSERT: Final = re.compile(r"\s*INSERT\s+(INTO\s+)?\S+.*\bVALUES\b", re.IGNORECASE | re.DOTALL)


def _finish(module: Module) -> None:
    for site in module.calls.get("load_table_from_json", ()):
        if site.call.args and _is_one_row(site.call.args[0], site.scope) and _is_client(module, site):
            module.report(_NAME, site.call, "a load job for one row; a table takes 1,500 a day", site.scope)
    for name in ("insert_rows_json", "insert_rows"):
        for site in module.calls.get(name, ()):
            rows = next(iter(site.call.args[1:]), None)
            if (
                site.loop is not None
                and rows is not None
                and _is_one_row(rows, site.scope)
                and _is_client(module, site)
            ):
                module.report(_NAME, site.call, "one request a row in a loop; collect the rows first", site.scope)
    for site in module.calls.get("query", ()):
        statement = _text(site.call.args[0], site.scope) if site.call.args and site.loop is not None else ""
        if _INSERT.match(statement) and _is_client(module, site):
            module.report(_NAME, site.call, "one INSERT a row in a loop; collect the rows first", site.scope)


def _is_client(module: Module, site: Site) -> bool:
    return "bq.client" in kinds_of(module, receiver(site.call), site.scope)


def _is_one_row(node: ast.expr, scope: Scope) -> bool:
    if isinstance(node, ast.Name) and node.id not in scope.appended:
        bound = scope.bound.get(node.id, ())
        return len(bound) == 1 and not isinstance(bound[0], ast.Name) and _is_one_row(bound[0], scope)
    return isinstance(node, ast.List) and len(node.elts) == 1 and not isinstance(node.elts[0], ast.Starred)


def _text(node: ast.expr, scope: Scope) -> str:
    """Return the text of a literal or an f-string, with `?` in its holes."""
    if isinstance(node, ast.Name) and len(bound := scope.bound.get(node.id, [])) == 1:
        node = bound[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)
    return ""


_IMPORT: Final = "from google.cloud import bigquery\nclient = bigquery.Client()\n"

RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="Rows are written to BigQuery one at a time.",
    why=(
        "A table takes 1,500 load jobs a day (https://cloud.google.com/bigquery/quotas), and each costs seconds. A night of "
        "single rows uses that up, and every later load of the day is refused."
    ),
    fix="Collect rows and load them together; nbactl's row buffer does so and survives a kill.",
    bad=(
        f"{_IMPORT}client.load_table_from_json([row], 'd.t')\n",
        f"{_IMPORT}def save(row):\n    rows = [row]\n    client.load_table_from_json(rows, 'd.t')\n",
        f"{_IMPORT}for row in rows:\n    client.insert_rows_json('d.t', [row])\n",
        f"{_IMPORT}for row in rows:\n    client.query(f'INSERT INTO d.t VALUES ({{row}})')\n",
    ),
    good=(
        f"{_IMPORT}client.load_table_from_json(rows, 'd.t')\n",
        f"{_IMPORT}client.insert_rows_json('d.t', [row])\n",
        f"{_IMPORT}for each in more:\n    print(each)\nclient.insert_rows_json('d.t', [row])\n",
        f"{_IMPORT}for rows in batches:\n    client.insert_rows_json('d.t', rows)\n",
        f"{_IMPORT}for day in days:\n    client.query(f'INSERT INTO d.t SELECT * FROM d.s')\n",
        f"{_IMPORT}rows = [first]\nfor each in more:\n    rows.append(each)\nclient.load_table_from_json(rows, 'd.t')\n",
    ),
    finish=_finish,
    in_tests=False,
)

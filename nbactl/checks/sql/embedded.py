"""SQL in Python: constants, f-strings, `.format`, `%` and concatenation, with holes for what is not known."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.checks.code.files import parse
from nbactl.checks.sql.content import TEMPLATE_REASON, SqlFound, Unparsed, look_at
from nbactl.checks.sql.text import TEMPLATE, Piece, SqlText, pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbactl.checks.code.rule import Hit
    from nbactl.checks.sql.tables import Tables

_BLANK: Final = r"(?:\s|\\n|--[^\n]*\n|\#[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/|\()*"
_FIRST: Final = r"""(?P<word>SELECT\s|WITH\s+(?:RECURSIVE\s+)?[\w`]+\s+AS\s*(?:\w+\s*){0,2}\(|MERGE\s+(?:INTO\s+)?[\w`{]
    |DELETE\s+(?:FROM\s+[\w`{]|[\w`{]\S*\s+(?:(?:AS\s+)?\w+\s+)?WHERE\s)
    |UPDATE\s+\S+\s+(?:(?:AS\s+)?\w+\s+)?(?:SET|JOIN)\s
    |INSERT\s+(?:INTO\s+|OVERWRITE\s+)?(?:TABLE\s+)?[\w`{]\S*\s*(?:\(|SELECT|VALUES|WITH)
    |CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+)?(?:TABLE|VIEW|MATERIALIZED|PROCEDURE)\s
    |DECLARE\s+\w+\s+[A-Z]\w+|BEGIN\s+TRANSACTION\s*;|EXPORT\s+DATA\s+OPTIONS)"""
_FLAGS: Final = re.VERBOSE | re.IGNORECASE | re.DOTALL
_BEGINS: Final = re.compile(_BLANK + _FIRST, _FLAGS)
_MAY_BEGIN: Final = re.compile(
    rb"""["'](?:\s|\\\s|\\n|\(|(?:--|\#)(?:(?!\\n)[^\n])*(?:\n|\\n)|/\*(?:[^*]|\*(?!/))*\*/)*
    (?:SELECT\s|WITH\s|select\s[^"]{0,2000}?\sfrom\s|with\s+[\w`]+\s+as\s|(?i:MERGE|INSERT|DECLARE|EXPORT)\s+[\w`{]\S*\s
    |(?i:DELETE\s+FROM|BEGIN\s+TRANSACTION|UPDATE\s+\S+\s+(?:(?:AS\s+)?\w+\s+)?(?:SET|JOIN))\s|(?i:DELETE)\s+\S+\s+(?:\S+\s+){0,2}(?i:WHERE)\s
    |(?i:CREATE)\s+(?:(?i:OR|REPLACE|TEMP|TEMPORARY)\s+){0,3}(?i:TABLE|VIEW|MATERIALIZED|PROCEDURE)\s)""",
    re.VERBOSE,
)
"""What a file has that may hold SQL, so that others need not be parsed."""
_IMPORTS: Final = re.compile(rb"^[ \t]*(?:from|import)\s[^\n#]*bigquery", re.IGNORECASE | re.MULTILINE)
_OTHERS: Final = re.compile(
    rb"^[ \t]*(?:from|import)\s[^\n#]*"
    rb"(?:clickhouse|duckdb|mysql|oracledb|postgres|psycopg|redshift|snowflake|sqlalchemy|sqlite|trino)",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED: Final = re.compile(r"`[\w-]+(?:\.[\w*-]+)+`")
_NESTED: Final = 6
_PARTS: Final = (ast.List, ast.Tuple)


class Embedded(NamedTuple):
    """A text in a module, the function that it is in, and its first and last line."""

    text: SqlText
    scope: str
    line: int
    end_line: int


def look_at_python(content: bytes, tables: Tables) -> SqlFound:
    """Look at the SQL in a module. Raises SyntaxError.

    A text may be meant for another database. Of one in a module that does not import BigQuery, or imports another one
    as well, and that has neither a known table nor a name in backticks, nothing is kept.
    """
    if _MAY_BEGIN.search(content) is None:
        return SqlFound([], [], 0, [])
    imports = _IMPORTS.search(content) is not None and _OTHERS.search(content) is None
    hits: list[Hit] = []
    unparsed: list[Unparsed] = []
    statements = 0
    for found in find_sql(parse(content)):
        if any(TEMPLATE.search(piece.text) for piece in found.text.pieces):
            templates = [Unparsed(found.line, TEMPLATE_REASON, is_error=False)] if imports else []
            unparsed += templates
            continue
        result = look_at(found.text, tables)
        knows_table = any(statement.facts.reads for statement in result.read)
        if not (imports or knows_table or _QUOTED.search(found.text.text)):
            continue
        statements += result.statements
        for hit in result.hits:
            line = min(max(hit.line, found.line), found.end_line)
            span = (found.line, found.end_line)
            hits.append(hit._replace(line=line, end_line=line, scope=found.scope, edit=None, span=span))
        if not found.text.is_open:
            unparsed += [
                Unparsed(min(max(each.line, found.line), found.end_line), each.reason, is_error=False)
                for each in result.unparsed
            ]
    return SqlFound(hits, unparsed, statements, [])


def find_sql(tree: ast.Module) -> Iterator[Embedded]:
    """Yield the texts of a module that begin as a statement of SQL does."""
    names = _Names(tree)
    waiting: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
    while waiting:
        node, scope, is_part = waiting.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope = f"{scope}.{node.name}" if scope else node.name
        if _is_text(node):
            pieces = list(_pieces(node, names.constants, 0))
            if _is_sql(pieces):
                assert isinstance(node, ast.expr)  # noqa: S101 - that is what a text is
                first = min(node.lineno, *(piece.line for piece in pieces))
                last = max(node.end_lineno or first, *(piece.line for piece in pieces))
                yield Embedded(SqlText(pieces, is_open=is_part), scope, first, last)
                continue
            waiting.extend((child, scope, False) for child in _others(node))
            continue
        is_part = isinstance(node, ast.AugAssign) or _is_append(node)
        if isinstance(node, _PARTS):
            is_part = not all(_begins_as_sql(each, names) for each in node.elts)
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            is_part = any(isinstance(target, ast.Name) and target.id in names.composed for target in targets)
        waiting.extend((child, scope, is_part) for child in ast.iter_child_nodes(node))


class _Names:
    """What the names of a module are: texts that are bound once, and names that texts are put together from."""

    def __init__(self, tree: ast.Module) -> None:
        bound: dict[str, ast.expr] = {}
        count: Counter[str] = Counter()
        self.composed: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        count[target.id] += 1
                        bound[target.id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                count[node.target.id] += 1
                bound[node.target.id] = node.value
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                count[node.target.id] += 2
                self.composed.add(node.target.id)
            elif isinstance(node, ast.arg):
                count[node.arg] += 2
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                self.composed.update(side.id for side in (node.left, node.right) if isinstance(side, ast.Name))
            elif isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
                self.composed.add(node.value.id)
        self.constants: Mapping[str, ast.expr] = {
            name: value for name, value in bound.items() if count[name] == 1 and _is_text(value)
        }


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, (ast.Add, ast.Mod)) and (_is_text(node.left) or _is_text(node.right))
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "strip", "replace")
        and _is_text(node.func.value)
    )


def _others(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a text and is not text itself: holes and arguments."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FormattedValue) or not _is_text(child):
            yield child
        elif not isinstance(child, ast.Constant):
            yield from _others(child)


def _begins_as_sql(node: ast.expr, names: _Names) -> bool:
    return not _is_text(node) or _is_sql(list(_pieces(node, names.constants, 0)))


def _is_append(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "join")


def _pieces(node: ast.expr | ast.AST, constants: Mapping[str, ast.expr], depth: int) -> Iterator[Piece]:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from pieces_of(node.value, line, column, numbered=True)
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            if isinstance(part, ast.Constant):
                text = str(part.value)
                yield from pieces_of(text, line, column, numbered=True)
                line += text.count("\n")
            else:
                value = part.value if isinstance(part, ast.FormattedValue) else part
                for piece in _pieces(value, constants, depth):
                    yield piece._replace(line=line, column=1)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _pieces(node.left, constants, depth)
        yield from _pieces(node.right, constants, depth)
    elif isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
        yield from pieces_of(node.left.value, line, column, percent=True)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_text(node):
        yield from _pieces(node.func.value, constants, depth)
    elif isinstance(node, ast.Name) and node.id in constants and depth < _NESTED:
        yield from _pieces(constants[node.id], constants, depth + 1)
    else:
        yield Piece("", line, column, is_hole=True)


def _is_sql(pieces: list[Piece]) -> bool:
    """Return whether a text begins as SQL does, in one case of letters, and a SELECT has a FROM."""
    known = "".join("x" if piece.is_hole else piece.text for piece in pieces)
    found = _BEGINS.match(known)
    if found is None:
        return False
    word = found["word"].split()[0]
    if word not in (word.upper(), word.lower()):
        return False
    return word.upper() not in ("SELECT", "WITH") or re.search(r"\sFROM\s", known, re.IGNORECASE) is not None

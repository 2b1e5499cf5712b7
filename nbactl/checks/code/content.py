"""What one content has: the findings of our own rules and its ignore comments. No path is part of it."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from nbactl.checks.code.files import parse
from nbactl.checks.code.ignores import Ignore, find_ignores
from nbactl.checks.code.module import Walk
from nbactl.checks.code.rule import Edit, Hit
from nbactl.checks.code.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.checks.sql.content import SqlFound
    from nbactl.checks.sql.tables import Tables

Kind = Literal["python", "script", "sql", "embedded"]
"""What a content is looked at as; `embedded` is SQL inside of Python."""
_SHOWN: Final = 200


class Located(NamedTuple):
    """A hit with the text of its line, without which a baseline could not recognise it."""

    hit: Hit
    text: str


class Analysis(NamedTuple):
    """The findings and the ignore comments of one content; `passing` if another look may find something else.

    `unparsed` are lines of SQL that were not looked at, and why; `statements` counts those of SQL that were.
    """

    hits: list[Located]
    ignores: list[Ignore]
    passing: bool = False
    unparsed: list[tuple[int, str]] = []  # noqa: RUF012 - never changed
    statements: int = 0

    def encode(self) -> list[Any]:
        """Return it in JSON's types."""
        return [self.hits, self.ignores, self.passing, self.unparsed, self.statements]

    @classmethod
    def decode(cls, encoded: list[Any]) -> Analysis:
        """Return what `encode` was called on. Raises ValueError, TypeError for anything else."""
        hits, ignores, passing, unparsed, statements = encoded
        located = [Located(hit_of(hit), str(text)) for hit, text in hits]
        lines = [(int(line), str(why)) for line, why in unparsed]
        return cls(
            located,
            [_ignore_of(each) for each in ignores],
            passing=bool(passing),
            unparsed=lines,
            statements=int(statements),
        )


def hit_of(encoded: list[Any]) -> Hit:
    """Return a hit from JSON's types."""
    rule, line, column, end_line, message, scope, edit, span, table = encoded
    first, last = span
    return Hit(
        rule, line, column, end_line, message, scope, None if edit is None else Edit(*edit), (first, last), str(table)
    )


def _ignore_of(encoded: list[Any]) -> Ignore:
    line, column, target, rules, reason, removal = encoded
    return Ignore(line, column, target, tuple(rules), reason, Edit(*removal))


def digest_of(content: bytes, kind: Kind) -> str:
    """Return the name of a content."""
    return hashlib.blake2b(content, digest_size=20, person=kind.encode()).hexdigest()


def analyse(content: bytes, kind: Kind, tables: Tables | None = None) -> Analysis:
    """Look at one content with all rules of its kind. Nothing is raised for what is in it.

    `tables` are those that SQL may read.
    """
    try:
        if kind in ("sql", "embedded"):
            return _of_sql(content, kind, _sql(content, kind, tables))
        hits = _python_hits(content) if kind == "python" else _script_hits(content)
    except SyntaxError as error:
        return Analysis([unparsed(error.msg, error.lineno or 1)], [])
    hits.sort(key=lambda hit: (hit.line, hit.column, hit.rule))
    return Analysis(locate(hits, content), find_ignores(content, python=kind == "python"))


def _sql(content: bytes, kind: Kind, tables: Tables | None) -> SqlFound:
    from nbactl.checks.sql.content import look_at_file  # noqa: PLC0415 - brings the parser of SQL
    from nbactl.checks.sql.embedded import look_at_python  # noqa: PLC0415 - as above
    from nbactl.checks.sql.tables import Tables  # noqa: PLC0415 - as above

    look = look_at_file if kind == "sql" else look_at_python
    return look(content, Tables() if tables is None else tables)


def _of_sql(content: bytes, kind: Kind, found: SqlFound) -> Analysis:
    hits = sorted(set(found.hits), key=lambda hit: (hit.line, hit.column, hit.rule))
    broken = [unparsed(each.reason, each.line) for each in found.unparsed if each.is_error]
    ignores = find_ignores(content, python=False, mark="--")
    if kind == "embedded":
        ignores = sorted({*ignores, *find_ignores(content, python=True)})
    return Analysis(
        sorted([*locate(hits, content), *broken], key=lambda each: each.hit.line),
        ignores,
        unparsed=[(each.line, each.reason) for each in found.unparsed],
        statements=found.statements,
    )


def unreadable(why: str) -> Analysis:
    """Return the analysis of a file that could not be looked at now."""
    return Analysis([unparsed(why)], [], passing=True)


def unparsed(why: str, line: int = 1) -> Located:
    """Return the finding for a content that cannot be looked at."""
    return Located(Hit("not-parsed", max(line, 1), 1, max(line, 1), f"not looked at: {why}"), "")


def locate(hits: Iterable[Hit], content: bytes) -> list[Located]:
    """Return the hits with the text of their lines."""
    hits = list(hits)
    if not hits:
        return []
    lines = content.split(b"\n")
    return [Located(hit, _normalised(lines[hit.line - 1]) if hit.line <= len(lines) else "") for hit in hits]


def _normalised(line: bytes) -> str:
    return " ".join(line.decode("utf-8", errors="replace").split())[:_SHOWN]


@cache
def _walk() -> Walk:
    return Walk([rule for rule in RULES.values() if rule.visits or rule.finish])


def _python_hits(content: bytes) -> list[Hit]:
    tree = parse(content)
    try:
        module = _walk().module(tree)
    except RecursionError as error:
        raise SyntaxError("nested too deeply") from error
    hits = list(dict.fromkeys(module.hits))
    module.close()
    return hits


def _script_hits(content: bytes) -> list[Hit]:
    lines = content.decode("utf-8", errors="replace").split("\n")
    return [hit for rule in RULES.values() if rule.reads is not None for hit in rule.reads(lines)]

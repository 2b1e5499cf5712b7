"""One statement as the rules see it, and the parser that makes it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from sqlglot import exp  # noqa: TID253 - loaded when SQL is looked at
from sqlglot.dialects import BigQuery  # noqa: TID253 - as above
from sqlglot.errors import ParseError, SqlglotError  # noqa: TID253 - as above
from sqlglot.tokenizer_core import TokenType  # noqa: TID253 - as above

from nbactl.checks.sql.relations import Facts
from nbactl.checks.sql.resolve import Resolver
from nbactl.checks.sql.script import Chunk, TooDeepError, split_script
from nbactl.checks.sql.tables import INGESTION, KnownTable, Tables
from nbactl.ports.sql import plain_reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlglot.tokenizer_core import Token

_QUERY_BEGINS: Final = frozenset({"SELECT", "WITH", "("})


class NotParsedError(Exception):
    """A text that cannot be looked at; `offset` is where it stops being SQL, None if that is not known."""

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.statement: Statement | None = None
        """The statement that it is about, as far as it is known."""


class Statement(NamedTuple):
    """One statement. `words` are its tokens as `words_of` has them; `facts` are empty where it has no query."""

    tokens: Sequence[Token]
    words: Sequence[str]
    tree: exp.Expr | None
    facts: Facts
    is_open: bool = False
    """Whether something may be filled in or added that is not known."""

    @property
    def is_query(self) -> bool:
        """Whether it returns rows to the caller."""
        return isinstance(self.tree, exp.Query)


def place_of(node: exp.Expr) -> int:
    """Return the offset at which a part of a statement begins."""
    starts = [start for each in node.walk() if each._meta and (start := each._meta.get("start")) is not None]  # noqa: SLF001 - `meta` makes one for each
    return min(starts, default=0)


class _Scripts(BigQuery):  # type: ignore[misc]
    """BigQuery's dialect, in which no statement is a text that nobody looks into."""

    class Tokenizer(BigQuery.Tokenizer):  # type: ignore[misc]
        KEYWORDS: ClassVar = {
            word: kind
            for word, kind in BigQuery.Tokenizer.KEYWORDS.items()
            if kind is not TokenType.COMMAND and word != "BEGIN TRANSACTION"
        }
        COMMANDS: ClassVar[set[TokenType]] = set()


_DIALECT: Final = _Scripts()


def read_script(text: str, tables: Tables, *, is_open: bool) -> tuple[list[Statement], list[NotParsedError]]:
    """Return the statements of a text, and what of it cannot be parsed. Tables that it creates are known behind it.

    Raises NotParsedError for a text that is not SQL at all.
    """
    with _quiet():
        try:
            script = split_script(_DIALECT.tokenize(text))
        except (TooDeepError, RecursionError) as error:
            raise NotParsedError("nested too deeply") from error
        except SqlglotError as error:
            raise NotParsedError("a text, name or comment is not closed, or a character is not SQL") from error
        found, failures = [], []
        for chunk in script.chunks:
            try:
                tree = _parse(chunk, text)
                facts = Facts() if tree is None else _facts(tree, tables, script.variables, is_open=is_open)
            except NotParsedError as error:
                if chunk.kind != "unknown":
                    error.statement = Statement(chunk.tokens, chunk.words, None, Facts(), is_open)
                failures.append(error)
                continue
            except RecursionError:
                failures.append(NotParsedError("nested too deeply", chunk.tokens[0].start))
                continue
            except Exception as error:  # noqa: BLE001 - a tree that nobody thought of must not end a run over all files
                reason = f"the rules failed: {type(error).__name__}: {error}"
                failures.append(NotParsedError(reason, chunk.tokens[0].start))
                continue
            found.append(Statement(chunk.tokens, chunk.words, tree, facts, is_open))
            if isinstance(tree, exp.Create) and (created := created_table(tree)) is not None:
                tables = tables.add([created])
        return found, failures


def _facts(tree: exp.Expr, tables: Tables, variables: Collection[str], *, is_open: bool) -> Facts:
    def view(name: str) -> exp.Expr | None:
        known = tables.find("", name)
        return None if known is None or known.query is None else _view_query(known.query)

    return Resolver(tables, variables, view, is_open=is_open).statement(tree)


@lru_cache(maxsize=1024)
def _view_query(text: str) -> exp.Expr | None:
    try:
        (chunk, *_) = split_script(_DIALECT.tokenize(text)).chunks
        tree = _parse(chunk, text)
    except (SqlglotError, NotParsedError, TooDeepError, RecursionError, ValueError):
        return None
    return tree if isinstance(tree, exp.Query) else None


def _parse(chunk: Chunk, text: str) -> exp.Expr | None:
    """Return the tree of a statement, None if it has no query. Raises NotParsedError."""
    first = chunk.tokens[0]
    if chunk.kind == "unknown":
        raise NotParsedError(f"no statement of BigQuery begins with {first.text[:30]}", first.start)
    if chunk.kind == "other" or (chunk.kind == "expression" and "SELECT" not in chunk.words):
        return None
    tokens = list(chunk.tokens)
    try:
        tree = _parsed(tokens, text)
        if not isinstance(tree, exp.Command):
            return tree
    except ParseError as error:
        if (tail := _tail(chunk)) is None:
            details = error.errors[0] if error.errors else {}
            raise NotParsedError(
                _described(str(details.get("description") or error)), _offset(details, text, first)
            ) from error
    except (SqlglotError, ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
        raise NotParsedError("the parser does not know this syntax", first.start) from error
    else:
        tail = _tail(chunk)
    try:
        return None if tail is None else _parsed(tokens[tail:], text)
    except SqlglotError:
        return None


def _parsed(tokens: list[Token], text: str) -> exp.Expr | None:
    try:
        trees = _DIALECT.parser().parse(tokens, text)
    except ParseError:
        plain = [token for at, token in enumerate(tokens) if not _is_marker(tokens, at)]
        if len(plain) == len(tokens):
            raise
        trees = _DIALECT.parser().parse(plain, text)
    return trees[0] if trees else None


def _is_marker(tokens: list[Token], at: int) -> bool:
    """Return whether a token is MODEL or TABLE before the argument of a table function.

    The parser knows the word in ML.PREDICT and a few others, not in all of them
    (https://cloud.google.com/bigquery/docs/reference/standard-sql/bigqueryml-syntax-weights).
    """
    word = tokens[at].text.upper()
    if word not in ("MODEL", "TABLE") or not 0 < at < len(tokens) - 2 or tokens[at - 1].text not in ("(", ","):
        return False
    name, behind = tokens[at + 1], tokens[at + 2].text
    return name.token_type is TokenType.IDENTIFIER or behind == "." or (word == "TABLE" and behind in (",", ")"))


def _tail(chunk: Chunk) -> int | None:
    """Return where the query of a CREATE begins whose head the parser does not know, None if it has none."""
    if chunk.words[0] != "CREATE":
        return None
    depth = 0
    for at, word in enumerate(chunk.words[:-1]):
        depth += (word == "(") - (word == ")")
        if depth == 0 and word == "AS" and chunk.words[at + 1] in _QUERY_BEGINS:
            return at + 1
    return None


def _described(text: str) -> str:
    return " ".join(plain_reason(text).split("\n")[0].split())[:120].rstrip(".")


def _offset(details: dict[str, object], text: str, first: Token) -> int:
    """Return where the parser stopped; it names line and column of the end of the token."""
    line, column = details.get("line"), details.get("col")
    if not isinstance(line, int) or not isinstance(column, int):
        return first.start
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return min(start + max(column - 1, 0), max(len(text) - 1, 0))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the parser from warning about statements that it does not know."""
    logger = logging.getLogger("sqlglot")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def created_table(tree: exp.Create) -> KnownTable | None:
    """Return the table or view that a statement creates."""
    schema = tree.this
    node = schema.this if isinstance(schema, exp.Schema) else schema
    if tree.kind not in ("TABLE", "VIEW") or not isinstance(node, exp.Table):
        return None
    name = f"{node.db}.{node.name}" if node.db else node.name
    query = tree.args.get("expression")
    if tree.kind == "VIEW":
        return None if query is None else KnownTable(name, query=query.sql("bigquery"))
    partition: tuple[str, ...] = ()
    clustering: tuple[str, ...] = ()
    for part in (tree.args.get("properties") or exp.Properties()).expressions:
        if isinstance(part, exp.PartitionedByProperty):
            column = part.find(exp.Column) or part.find(exp.Identifier)
            by = "" if column is None else column.name.lower()
            partition = INGESTION if by in INGESTION else (by,) if by else ()
        elif isinstance(part, exp.ClusterProperty):
            clustering = tuple(each.name.lower() for each in part.expressions)
    columns = (
        tuple(part.name.lower() for part in schema.expressions if isinstance(part, exp.ColumnDef))
        if isinstance(schema, exp.Schema)
        else ()
    )
    if partition == INGESTION:
        columns = (*columns, *INGESTION) if columns else ()
    return KnownTable(name, columns, partition, clustering)

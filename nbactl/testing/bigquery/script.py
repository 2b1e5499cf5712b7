"""The procedural language: a script's text as a tree of statements.

https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from nbactl.testing.bigquery.errors import ApiError, invalid_query

_TOKEN: Final = re.compile(
    r"""
    (?P<blank>\s+ | --[^\n]* | \#[^\n]* | /\*.*?\*/)
  | (?P<text>(?:[rR][bB]?|[bB][rR]?)?(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
  | (?P<quoted>`[^`]*`)
  | (?P<word>@{0,2}[A-Za-z_][A-Za-z_0-9]*)
  | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ENDS: Final = {"END", "ELSE", "ELSEIF", "THEN", "EXCEPTION", "WHEN"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word or sign and where it is."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The word in upper case, nothing for what is not one."""
        return self.text.upper() if self.kind == "word" else self.text if self.kind == "sign" else ""


@dataclass(slots=True)
class Statement:
    """A statement: its kind, the text of its parts, the statements in it, and where it begins in the script."""

    kind: str
    text: str
    start: int
    names: list[str] = field(default_factory=list)
    type: str = ""
    value: str = ""
    value_start: int = 0
    branches: list[tuple[str, int, list[Statement]]] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)
    handler: list[Statement] | None = None


def tokens(sql: str) -> list[Token]:
    """Return the words and signs of a text, without blanks and comments."""
    return [
        Token(found.lastgroup or "", found.group(), found.start(), found.end())
        for found in _TOKEN.finditer(sql)
        if found.lastgroup != "blank"
    ]


def place(sql: str, position: int) -> str:
    """Return `[line:column]` of a position."""
    before = sql[:position]
    return f"[{before.count(chr(10)) + 1}:{position - (before.rfind(chr(10)) + 1) + 1}]"


def padded(sql: str, start: int, text: str) -> str:
    """Return a part of a script with blanks before it, so that its lines and columns stay what they are."""
    before = sql[:start]
    return "\n" * before.count("\n") + " " * (start - (before.rfind("\n") + 1)) + text


def parse(sql: str) -> list[Statement]:
    """Return the statements of a script. Raises ApiError with line and column."""
    parser = _Parser(sql)
    statements = parser.statements(set())
    if parser.peek() is not None:
        raise parser.unexpected()
    if not statements:
        raise invalid_query("Syntax error: Unexpected end of script at [1:1]")
    return statements


def is_script(statements: list[Statement]) -> bool:
    """Say whether it is a script, and not a single statement."""
    return len(statements) > 1 or statements[0].kind != "SQL"


class _Parser:
    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._tokens = tokens(sql)
        self._at = 0

    def peek(self, ahead: int = 0) -> Token | None:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else None

    def unexpected(self) -> Exception:
        token = self.peek()
        if token is None:
            return invalid_query(f"Syntax error: Unexpected end of script at {place(self._sql, len(self._sql))}")
        return invalid_query(f'Syntax error: Unexpected "{token.text}" at {place(self._sql, token.start)}')

    def statements(self, ends: set[str]) -> list[Statement]:
        found: list[Statement] = []
        while (token := self.peek()) is not None:
            if token.word == ";":
                self._at += 1
            elif token.word in ends:
                break
            elif token.word in _ENDS:
                raise self.unexpected()
            elif token.word == "DECLARE" and any(one.kind != "DECLARE" for one in found):
                where = place(self._sql, token.start)
                raise invalid_query(
                    f"Variable declarations are allowed only at the start of a block or script at {where}"
                )
            else:
                found.append(self._statement(token))
        return found

    def _word(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return token.word if token is not None else ""

    def _expect(self, *words: str) -> Token:
        token = self.peek()
        for word in words:
            token = self.peek()
            if token is None or token.word != word:
                raise self.unexpected()
            self._at += 1
        return token  # type: ignore[return-value]

    def _accept(self, word: str) -> bool:
        if self._word() == word:
            self._at += 1
            return True
        return False

    def _statement(self, first: Token) -> Statement:
        word, following = first.word, self._word(1)
        if word == "BEGIN" and following in ("TRANSACTION", ";", ""):
            return self._simple("BEGIN_TRANSACTION", first)
        if word in ("COMMIT", "ROLLBACK"):
            return self._simple(f"{word}_TRANSACTION", first)
        rule = {
            "BEGIN": self._block,
            "DECLARE": self._declare,
            "SET": self._set,
            "IF": self._if,
            "RAISE": self._raise,
            "ASSERT": self._assert,
            "WHILE": self._while,
            "LOOP": self._loop,
        }.get(word)
        if rule is not None:
            return rule(first)
        if word in ("BREAK", "LEAVE", "CONTINUE", "ITERATE", "RETURN"):
            return self._simple({"LEAVE": "BREAK", "ITERATE": "CONTINUE"}.get(word, word), first)
        if word in ("FOR", "REPEAT", "CALL", "EXECUTE", "CASE"):
            where = place(self._sql, first.start)
            raise ApiError("notImplemented", f"The test server does not know {word} in scripts at {where}")
        text, start = self._until(set())
        return Statement("SQL", text, start)

    def _until(self, ends: set[str]) -> tuple[str, int]:
        """Take everything up to `;` or one of these words outside of brackets and CASE."""
        first, depth, cases = self.peek(), 0, 0
        if first is None:
            raise self.unexpected()
        last = None
        while (token := self.peek()) is not None:
            word = token.word
            if not depth and (word == ";" or (not cases and word in ends)):
                break
            depth += (word in ("(", "[")) - (word in (")", "]"))
            cases += (word == "CASE") - (word == "END" and cases > 0)
            last = token
            self._at += 1
        if last is None:
            raise self.unexpected()
        return self._sql[first.start : last.end], first.start

    def _simple(self, kind: str, first: Token) -> Statement:
        text, start = self._until(set())
        return Statement(kind, text, start if start == first.start else first.start)

    def _block(self, first: Token) -> Statement:
        self._expect("BEGIN")
        body = self.statements({"END", "EXCEPTION"})
        handler = None
        if self._accept("EXCEPTION"):
            self._expect("WHEN", "ERROR", "THEN")
            handler = self.statements({"END"})
        end = self._expect("END")
        return Statement("BLOCK", self._sql[first.start : end.end], first.start, body=body, handler=handler)

    def _declare(self, first: Token) -> Statement:
        self._expect("DECLARE")
        names = [self._name()]
        while self._accept(","):
            names.append(self._name())
        kind = self._type() if self._word() != "DEFAULT" else ""
        value, start = "", 0
        if self._accept("DEFAULT"):
            value, start = self._until(set())
        end = self._tokens[self._at - 1].end
        return Statement("DECLARE", self._sql[first.start : end], first.start, names, kind, value, start)

    def _type(self) -> str:
        return self._until({"DEFAULT"})[0]

    def _name(self) -> str:
        token = self.peek()
        if token is None or token.kind not in ("word", "quoted"):
            raise self.unexpected()
        self._at += 1
        return token.text.strip("`").lower()

    def _set(self, first: Token) -> Statement:
        self._expect("SET")
        names = []
        if self._accept("("):
            names.append(self._name())
            while self._accept(","):
                names.append(self._name())
            self._expect(")")
        else:
            names.append(self._name())
        self._expect("=")
        value, start = self._until(set())
        end = self._tokens[self._at - 1].end
        return Statement("SET", self._sql[first.start : end], first.start, names, "", value, start)

    def _if(self, first: Token) -> Statement:
        branches = []
        word = "IF"
        while True:
            self._expect(word)
            condition, start = self._until({"THEN"})
            self._expect("THEN")
            branches.append((condition, start, self.statements({"ELSEIF", "ELSE", "END"})))
            word = self._word()
            if word != "ELSEIF":
                break
        if self._accept("ELSE"):
            branches.append(("", 0, self.statements({"END"})))
        end = self._expect("END", "IF")
        return Statement("IF", self._sql[first.start : end.end], first.start, branches=branches)

    def _raise(self, first: Token) -> Statement:
        self._expect("RAISE")
        value, start = "", first.start
        if self._accept("USING"):
            self._expect("MESSAGE", "=")
            value, start = self._until(set())
        end = self._tokens[self._at - 1].end
        return Statement("RAISE", self._sql[first.start : end], first.start, value=value, value_start=start)

    def _assert(self, first: Token) -> Statement:
        self._expect("ASSERT")
        condition, start = self._until({"AS"})
        message = ""
        if self._accept("AS"):
            message, _ = self._until(set())
        end = self._tokens[self._at - 1].end
        return Statement("ASSERT", self._sql[first.start : end], first.start, [message], "", condition, start)

    def _while(self, first: Token) -> Statement:
        self._expect("WHILE")
        condition, start = self._until({"DO"})
        self._expect("DO")
        body = self.statements({"END"})
        end = self._expect("END", "WHILE")
        return Statement(
            "WHILE", self._sql[first.start : end.end], first.start, value=condition, value_start=start, body=body
        )

    def _loop(self, first: Token) -> Statement:
        self._expect("LOOP")
        body = self.statements({"END"})
        end = self._expect("END", "LOOP")
        return Statement("WHILE", self._sql[first.start : end.end], first.start, value="TRUE", body=body)

"""What a rule is, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator, Mapping

    from nbactl.checks.code.module import Module, Scope
    from nbactl.checks.sql.statement import Statement

Severity = Literal["error", "warning"]
ENGINE_RULES: Final = ("not-parsed", "unused-ignore", "invalid-ignore")
"""What the engine itself reports; no comment and no baseline hides these."""


class Edit(NamedTuple):
    """A safe rewrite inside one line: replace the bytes from `start` to `end` of line `line` (from 1) by `text`."""

    line: int
    start: int
    end: int
    text: str


class Hit(NamedTuple):
    """A finding inside one content, whatever files have that content. Lines and columns count from 1."""

    rule: str
    line: int
    column: int
    end_line: int
    message: str
    scope: str = ""
    """The function and class that it is in, such as `Loader.run`."""
    edit: Edit | None = None
    span: tuple[int, int] = (0, 0)
    """First and last line of the statement around, where a comment may be as well; (0, 0) if there is none."""
    table: str = ""
    """The table that it is about, of a finding in SQL."""


class Spot(NamedTuple):
    """What a rule over SQL reports: `offset` is a place in the text of the statement."""

    offset: int
    message: str
    table: str = ""
    edit: tuple[int, int, str] | None = None
    """A safe rewrite: replace the text between two offsets."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    `why` and `fix` are sentences for `nbactl check explain`. `bad` are pieces of code that it must report, `good` ones
    that it must not. `visits` are called during the walk, by type of node; `finish` is called when the walk is over and
    all bindings of the module are known. `reads` looks at the lines of shell scripts and YAML, `statements` at
    statements of SQL. `ruff` are the rules of ruff that are reported under this name.
    """

    name: str
    severity: Severity
    summary: str
    why: str
    fix: str
    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    visits: Mapping[type[ast.AST], Callable[[Module, Any, Scope], None]] = field(default_factory=dict)
    finish: Callable[[Module], None] | None = None
    reads: Callable[[list[str]], Iterator[Hit]] | None = None
    statements: Callable[[Statement], Iterator[Spot]] | None = None
    ruff: tuple[str, ...] = ()
    in_tests: bool = True
    """Whether it holds for test code, too."""

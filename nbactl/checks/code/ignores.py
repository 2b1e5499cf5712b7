"""`# nbactl: ignore[rule] reason`: findings that somebody has looked at, with the reason."""

from __future__ import annotations

import io
import re
import tokenize
from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.checks.code.rule import Edit, Hit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

MARK: Final = b"nbactl: ignore"
_COMMENT: Final = re.compile(r"(?:#|--)\s*nbactl: ignore(?:\[([^\]]*)\])?\s*(.*)")


class Ignore(NamedTuple):
    """One comment: the line it is on, the line it holds for, the rules it names, and how to remove it."""

    line: int
    column: int
    target: int
    rules: tuple[str, ...]
    reason: str
    removal: Edit


def find_ignores(content: bytes, *, python: bool, mark: str = "#") -> list[Ignore]:
    """Return the comments of a file. One that is alone on its line holds for the next line with code.

    `mark` is what comments begin with that are not Python's.
    """
    if MARK not in content:
        return []
    text = content.decode("utf-8", errors="replace")
    lines = text.splitlines()
    found = []
    for number, column, comment in _python_comments(text) if python else _line_comments(lines, mark):
        match = _COMMENT.match(comment)
        if match is None:
            continue
        before = lines[number - 1][:column]
        target = number
        if not before.strip():
            following = range(number, len(lines))
            target = 1 + next(
                (at for at in following if lines[at].strip() and not lines[at].lstrip().startswith(("#", mark))), number
            )
        rules = tuple(name.strip() for name in (match[1] or "").split(",") if name.strip())
        start = len(before.rstrip().encode())
        removal = Edit(number, start, len(lines[number - 1].encode()), "")
        found.append(Ignore(number, column + 1, target, rules, match[2].strip(), removal))
    return found


def _python_comments(text: str) -> Iterator[tuple[int, int, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.start[1], token.string
    except (tokenize.TokenError, SyntaxError):
        return  # the file is reported as not parsed


def _line_comments(lines: Sequence[str], mark: str) -> Iterator[tuple[int, int, str]]:
    for number, line in enumerate(lines, 1):
        found = re.search(rf"(?:^|(?<=\s)){mark}\s*nbactl: ignore", line)
        if found:
            yield number, found.start(), line[found.start() :]


def apply_ignores(
    hits: Iterable[Hit], ignores: Sequence[Ignore], known: Collection[str], active: Callable[[str], bool]
) -> list[Hit]:
    """Return the hits that no comment ignores, and those about the comments.

    A comment is unused if none of its rules finds anything; rules that are not `active` were not asked.
    """
    used: set[tuple[int, str]] = set()
    left = []
    valid = [each for each in ignores if each.rules and each.reason]
    for hit in hits:
        first, last = hit.span if hit.span[0] else (hit.line, hit.end_line)
        by = [each for each in valid if hit.rule in each.rules and first <= each.target <= last]
        used.update((each.line, hit.rule) for each in by)
        if not by:
            left.append(hit)
    for each in ignores:
        unknown = [name for name in each.rules if name not in known]
        if not each.rules or not each.reason or unknown:
            what = f"there is no rule {unknown[0]}" if unknown else "it needs rules in brackets and a reason"
            left.append(Hit("invalid-ignore", each.line, each.column, each.line, f"this comment has no effect: {what}"))
            continue
        idle = [name for name in each.rules if (each.line, name) not in used and active(name)]
        if idle:
            edit = each.removal if len(idle) == len(each.rules) else None
            message = f"nothing to ignore here for {', '.join(idle)}"
            left.append(Hit("unused-ignore", each.line, each.column, each.line, message, "", edit))
    return left

"""YAML text to plain data, remembering the position of everything.

Scalars follow the YAML 1.2 core schema, so `on`, `22:00` and `1_000` are text. Keys are always text. What the schema
allows and a configuration does not need is refused: tags, several documents, keys that are not scalars.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Any

import yaml

from nbactl.config.problems import Problem
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_NODES = 100_000
"""Values a file may hold once its aliases are written out: far above real files, far below what hurts."""
MAX_DEPTH = 50

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBERS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"[-+]?[0-9]{1,4000}"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: float("nan")),
)


@frozen
class Node:
    """A value with the place where it begins (line and column from 1); a mapping also has the positions of its keys."""

    data: Any
    line: int
    column: int
    size: int = 1
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    children: dict[Any, Node] = field(default_factory=dict)


@frozen
class Positions:
    """The positions of the keys and values of one file."""

    file: str
    root: Node

    def value(self, path: Sequence[Any]) -> tuple[int, int]:
        """Return line and column of the value at `path`, or of its nearest ancestor that is there."""
        node = self.root
        for step in path:
            if step not in node.children:
                break
            node = node.children[step]
        return node.line, node.column

    def key(self, path: Sequence[Any]) -> tuple[int, int]:
        """Return line and column of the key that `path` ends with, or of the value where there is no such key."""
        node = self.root
        for step in path[:-1]:
            if step not in node.children:
                return node.line, node.column
            node = node.children[step]
        return node.keys.get(path[-1]) or self.value(path) if path else (node.line, node.column)

    def problem(
        self, path: Sequence[Any], message: str, suggestion: str | None = None, *, key: bool = False
    ) -> Problem:
        """Return a problem that points at the value at `path`, or at its key."""
        return Problem(self.file, *(self.key(path) if key else self.value(path)), message, suggestion)


class YamlError(Exception):
    """The text cannot be read as YAML at all."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line, self.column, self.message = line, column, message


def parse(text: str, file: str) -> tuple[Node, list[Problem]]:
    """Return the one document in `text`, and the duplicate keys in it; the first of each is kept.

    Sequences become tuples. Raises YamlError for anything but a single YAML document.
    """
    builder = _Builder(file)
    try:
        return builder.document(yaml.parse(text, Loader=yaml.CBaseLoader)), builder.problems
    except yaml.reader.ReaderError as error:
        before = text.encode()[: error.position].decode(errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise YamlError(line, column, f"a control character (code {error.character}) is not allowed here") from error
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from error


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> YamlError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    if line < len(lines) and "\t" in lines[line][: column + 1]:
        return YamlError(line + 1, lines[line].index("\t") + 1, "YAML is indented with spaces, this is a tab")
    message = error.problem or "this is not YAML"
    if error.context and error.context_mark:
        message += f" ({error.context} that began in line {error.context_mark.line + 1})"
    return YamlError(line + 1, column + 1, message)


class _Builder:
    """Builds nodes from parser events. Depth and size are bounded: aliases could multiply a small file without end."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node] = {}

    def document(self, events: Iterator[yaml.Event]) -> Node:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise YamlError(*_place(event), "a second document begins here; one file holds one document")
                root = self._node(next(events), events, 0)
        if root is None:
            raise YamlError(1, 1, "the file is empty")
        return root

    def _node(self, event: Any, events: Iterator[yaml.Event], depth: int) -> Node:  # noqa: ANN401 - untyped events
        line, column = _place(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise YamlError(line, column, f"*{event.anchor} refers to itself or to nothing before it")
            return self._anchors[event.anchor]
        if event.tag is not None:
            raise YamlError(line, column, f"tags such as {event.tag} are not allowed")
        if depth > MAX_DEPTH:
            raise YamlError(line, column, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.ScalarEvent):
            data = _scalar(event.value) if event.implicit[0] else event.value
            node = Node(data, line, column)
        elif isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(line, column, events, depth)
        else:
            node = self._sequence(line, column, events, depth)
        if node.size > MAX_NODES:
            raise YamlError(line, column, f"more than {MAX_NODES:,} values once aliases are written out")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _mapping(self, line: int, column: int, events: Iterator[yaml.Event], depth: int) -> Node:
        data: dict[str, Any] = {}
        keys: dict[str, tuple[int, int]] = {}
        children: dict[Any, Node] = {}
        size = 1
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlError(*_place(event), "a key must be text")
            key, place = event.value, _place(event)
            child = self._node(next(events), events, depth + 1)
            size += child.size
            if key in keys:
                message = f"'{key}' is given again, first in line {keys[key][0]}"
                self.problems.append(Problem(self.file, *place, message))
                continue
            data[key], keys[key], children[key] = child.data, place, child
        return Node(data, line, column, size, keys, children)

    def _sequence(self, line: int, column: int, events: Iterator[yaml.Event], depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._node(event, events, depth + 1))
        size = 1 + sum(item.size for item in items)
        return Node(tuple(item.data for item in items), line, column, size, {}, dict(enumerate(items)))


def _place(event: Any) -> tuple[int, int]:  # noqa: ANN401 - untyped events
    return event.start_mark.line + 1, event.start_mark.column + 1


def _scalar(text: str) -> Any:  # noqa: ANN401 - any scalar
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] in "0123456789+-.":
        for pattern, convert in _NUMBERS:
            if pattern.fullmatch(text):
                return convert(text)
    return text

"""Turn a file's data into its record, or into problems that point at the offending key or value."""

from __future__ import annotations

import math
import re
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from nbactl.config.base import REQUIRED, Convert, Pattern, Rule, Strict
from nbactl.config.problems import Problem, shown, suggest
from nbactl.config.yamltext import Node, Positions
from nbactl.core._support.names import closest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Path = tuple[Any, ...]
Model = TypeVar("Model", bound=Strict)

_MUST_BE: Final = {
    bool: "must be true or false",
    int: "must be a whole number",
    float: "must be a number",
    str: "must be text",
}
_SPELT_OTHERWISE: Final = {
    word: f"Write {truth}, without quotes."
    for truth, words in {"true": ("on", "yes", "true"), "false": ("off", "no", "false")}.items()
    for word in words
}


class _Valid(NamedTuple):
    """A value that is right, and the node of what is right in it."""

    value: Any
    node: Node


def validate(model: type[Model], positions: Positions) -> tuple[Model | None, Positions, list[Problem]]:
    """Return the record, the positions of what is in it, and the problems.

    Where there are problems, the record is made of the parts that are right, so that these can be checked further in
    the same go; it is None where too little is left.
    """
    reader = _Reader(positions)
    valid = reader.read(model, positions.root, ())
    if valid is None:
        return None, positions, reader.problems
    return valid.value, Positions(positions.file, valid.node), reader.problems


def describe(path: Sequence[Any]) -> str:
    """Return `phases.phase3.tasks[2]` for a path."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the file"


class _Reader:
    """Reads nodes as types. What is wrong becomes a problem, and is left out of what contains it."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self.problems: list[Problem] = []

    def read(self, kind: Any, node: Node, path: Path) -> _Valid | None:  # noqa: ANN401, PLR0911 - one return a type form
        origin = get_origin(kind)
        if origin is Annotated:
            return self._annotated(*get_args(kind), node=node, path=path)
        if origin in (Union, UnionType):
            (inner,) = (member for member in get_args(kind) if member is not NoneType)
            return _Valid(None, node) if node.data is None else self.read(inner, node, path)
        if origin is Literal:
            return self._literal(get_args(kind), node, path)
        if origin is dict:
            return self._mapping(*get_args(kind), node=node, path=path)
        if origin is tuple:
            return self._sequence(get_args(kind)[0], node, path)
        if isinstance(kind, type) and issubclass(kind, Strict):
            return self._record(kind, node, path)
        return self._scalar(kind, node, path)

    def _refuse(self, node: Node, path: Path, message: str, meant: str | None = None) -> _Valid | None:
        """Note that the value is wrong; returns None, as `read` does then."""
        message = f"{describe(path)} is {shown(node.data)}: {message}"
        self.problems.append(self._positions.problem(path, message, meant))
        return None

    def _annotated(self, kind: Any, *rules: Any, node: Node, path: Path) -> _Valid | None:  # noqa: ANN401
        if isinstance(rules[0], Convert):
            try:
                return _Valid(rules[0].function(node.data), node)
            except ValueError as error:
                return self._refuse(node, path, str(error))
        valid = self.read(kind, node, path)
        for rule in rules:
            if valid is None:
                break
            if isinstance(rule, Pattern) and not rule.pattern.fullmatch(valid.value):
                return self._refuse(node, path, f"must match ^{rule.pattern.pattern}$")
            if isinstance(rule, Rule) and not rule.holds(valid.value):
                return self._refuse(node, path, rule.message)
        return valid

    def _literal(self, choices: tuple[Any, ...], node: Node, path: Path) -> _Valid | None:
        if any(type(node.data) is type(choice) and node.data == choice for choice in choices):
            return _Valid(node.data, node)
        *others, last = map(repr, choices)
        texts = [choice for choice in choices if isinstance(choice, str)]
        match = closest(node.data, texts) if isinstance(node.data, str) else None
        expected = f"{', '.join(others)} or {last}" if others else last
        return self._refuse(node, path, f"must be {expected}", f"Did you mean '{match}'?" if match else None)

    def _scalar(self, kind: Any, node: Node, path: Path) -> _Valid | None:  # noqa: ANN401
        value = node.data
        if kind is float and isinstance(value, float) and not math.isfinite(value):
            return self._refuse(node, path, "must be a finite number")
        if kind is Any or type(value) is kind:
            return _Valid(value, node)
        if kind is float and type(value) is int:
            return _Valid(float(value), node)
        return self._refuse(node, path, _MUST_BE[kind], _SPELT_OTHERWISE.get(value) if kind is bool else None)

    def _sequence(self, kind: Any, node: Node, path: Path) -> _Valid | None:  # noqa: ANN401
        if not isinstance(node.data, tuple):
            return self._refuse(node, path, "must be a list")
        read = [self.read(kind, child, (*path, index)) for index, child in node.children.items()]
        valid = [item for item in read if item is not None]
        children = dict(enumerate(item.node for item in valid))
        return _Valid(tuple(item.value for item in valid), _with_children(node, children))

    def _mapping(self, keys: Any, kind: Any, *, node: Node, path: Path) -> _Valid | None:  # noqa: ANN401
        if not isinstance(node.data, dict):
            return self._refuse(node, path, "must be a mapping")
        values: dict[str, Any] = {}
        children: dict[Any, Node] = {}
        for key, child in node.children.items():
            here = (*path, key)
            valid = self.read(kind, child, here)
            if get_origin(keys) is Annotated and not get_args(keys)[1].pattern.fullmatch(key):
                self.problems.append(self._bad_name(key, here))
            elif valid is not None:
                values[key], children[key] = valid
        return _Valid(values, _with_children(node, children))

    def _bad_name(self, name: str, path: Path) -> Problem:
        message = f"the name '{name}' may hold lower-case letters, digits, '_' and '.', and begins with a letter"
        better = re.sub("[^a-z0-9_.]+", "_", name.lower()).lstrip("0123456789_.")
        return self._positions.problem(path, message, f"Write '{better}'." if better else None, key=True)

    def _record(self, model: type[Strict], node: Node, path: Path) -> _Valid | None:
        given = node.children
        if model.short_form is not None and not isinstance(node.data, dict):
            if not isinstance(node.data, str):
                return self._refuse(node, path, model.short_form[1])
            given = {model.short_form[0]: node}
        elif not isinstance(node.data, dict):
            return self._refuse(node, path, "must be a mapping")
        misspelt = self._unknown_keys(model, given, path)
        values: dict[str, Any] = {}
        children: dict[Any, Node] = {}
        complete = True
        for name, kind in model.types().items():
            key, required = model.keys[name], model.defaults[name] is REQUIRED
            if key not in given:
                if required and key not in misspelt:
                    message = f"{describe(path)} lacks '{key}'"
                    self.problems.append(self._positions.problem(path, message, key=True))
                complete &= not required
            elif (valid := self.read(kind, given[key], (*path, key))) is not None:
                values[name], children[key] = valid
            else:
                complete &= not required
        if not complete:
            return None
        return _Valid(model(**values), _with_children(node, children) if given is node.children else node)

    def _unknown_keys(self, model: type[Strict], given: Mapping[Any, Node], path: Path) -> set[str | None]:
        """Note the keys that the record does not have; returns those that were probably meant."""
        known = list(model.keys.values())
        misspelt = set()
        for key in given:
            if key not in known:
                misspelt.add(closest(key, known))
                message = f"unknown key '{key}' in {describe(path)}"
                self.problems.append(self._positions.problem((*path, key), message, suggest(key, known), key=True))
        return misspelt


def _with_children(node: Node, children: dict[Any, Node]) -> Node:
    """Return the node with what is right of its children; the names of the others stay known in `keys`."""
    if len(children) == len(node.children) and all(children[key] is node.children.get(key) for key in children):
        return node
    data: Any = (
        tuple(child.data for child in children.values())
        if isinstance(node.data, tuple)
        else {key: child.data for key, child in children.items()}
    )
    return Node(data, node.line, node.column, node.size, node.keys, children)

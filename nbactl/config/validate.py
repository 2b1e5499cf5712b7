"""Turn a file's data into its model, or into problems that point at the offending key or value."""

from __future__ import annotations

import re
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from nbactl.config.problems import Problem, shown, suggest
from nbactl.config.yamltext import Node, Positions
from nbactl.core._support.names import closest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

Path = tuple[Any, ...]
Model = TypeVar("Model", bound=BaseModel)

_MUST_BE = {
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_type": "must be a whole number",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "model_type": "must be a mapping",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": "must be text",
    "too_short": "must have {min_length} or more entries",
    "tuple_type": "must be a list",
    "value_error": "{error}",
}
"""What pydantic's error types mean, in words for somebody who reads YAML."""
_SPELT_OTHERWISE = {
    word: f"Write {truth}, without quotes."
    for truth, words in {"true": ("on", "yes", "true"), "false": ("off", "no", "false")}.items()
    for word in words
}
_ROUNDS = 10


def validate(model: type[Model], positions: Positions) -> tuple[Model | None, Positions, list[Problem]]:
    """Return the model, the positions of what is in it, and the problems.

    Where there are problems, the model is made of the parts that are right, so that these can be checked further in
    the same go; it is None where too little is left.
    """
    problems: list[Problem] = []
    root = positions.root
    for attempt in range(_ROUNDS):
        try:
            return model.model_validate(root.data), Positions(positions.file, root), problems
        except ValidationError as error:
            errors = error.errors(include_url=False)
            if attempt == 0:  # later rounds only see what the pruning itself tore open
                problems = _problems(model, positions, errors)
            doomed = {_blamed(root, each) for each in errors}
            if () in doomed:
                break
            for path in sorted(doomed, reverse=True):  # children before parents, later items before earlier ones
                root = _without(root, path)
    return None, positions, problems


def describe(path: Sequence[Any]) -> str:
    """Return `phases.phase3.tasks[2]` for a path."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the file"


def _blamed(root: Node, error: ErrorDetails) -> Path:
    path = tuple(error["loc"])
    return path[:-1] if error["type"] == "missing" else _present(root, path)


def _present(root: Node, path: Path) -> Path:
    """Return as much of `path` as stands in the file: pydantic adds steps for keys and for what a short form hides."""
    node = root
    for depth, step in enumerate(path):
        if step not in node.children:
            return path[:depth]
        node = node.children[step]
    return path


def _problems(model: type[BaseModel], positions: Positions, errors: Sequence[ErrorDetails]) -> list[Problem]:
    problems, misspelt = [], set()
    for error in errors:
        path = tuple(error["loc"])
        if error["type"] == "extra_forbidden":
            parent, key = path[:-1], str(path[-1])
            known = _keys_at(model, parent)
            misspelt.add((*parent, closest(key, known)))
            told = f"unknown key '{key}' in {describe(parent)}"
            problems.append(positions.problem(path, told, suggest(key, known), key=True))
        elif error["type"] != "missing":
            problems.append(_problem(positions, path, error))
    missing = [tuple(error["loc"]) for error in errors if error["type"] == "missing"]
    return problems + [
        positions.problem(path[:-1], f"{describe(path[:-1])} lacks '{path[-1]}'", key=True)
        for path in missing
        if path not in misspelt
    ]


def _problem(positions: Positions, path: Path, error: ErrorDetails) -> Problem:
    if path[-1:] == ("[key]",):
        name = str(path[-2])
        told = f"the name '{name}' may hold lower-case letters, digits, '_' and '.', and begins with a letter"
        better = re.sub("[^a-z0-9_.]+", "_", name.lower()).lstrip("0123456789_.")
        return positions.problem(path[:-1], told, f"Write '{better}'." if better else None, key=True)
    path = _present(positions.root, path)
    told, meant = _told(error)
    return positions.problem(path, f"{describe(path)} {told}", meant)


def _told(error: ErrorDetails) -> tuple[str, str | None]:
    """Return what is wrong with a value, and what was probably meant."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    told = f"is {shown(value)}: {_MUST_BE[kind].format(**context) if kind in _MUST_BE else error['msg']}"
    if not isinstance(value, str):
        return told, None
    if kind == "literal_error" and (match := closest(value, re.findall(r"'([^']*)'", context["expected"]))):
        return told, f"Did you mean '{match}'?"
    return told, _SPELT_OTHERWISE.get(value) if kind == "bool_type" else None


def _keys_at(annotation: Any, path: Path) -> list[str]:  # noqa: ANN401 - any type form
    """Return the keys that the model allows at `path`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
        if not path:
            return list(fields)
        return _keys_at(fields[path[0]].annotation, path[1:]) if path[0] in fields else []
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (dict, tuple):
        return _keys_at(arguments[1 if origin is dict else 0], path[1:])
    inner = arguments[:1] if origin is Annotated else arguments if origin in (Union, UnionType) else ()
    return [key for argument in inner for key in _keys_at(argument, path)]


def _without(node: Node, path: Path) -> Node:
    """Return the node without what stands at `path`; the names of removed keys stay known in `keys`."""
    if path[0] not in node.children:
        return node
    children = dict(node.children)
    if len(path) == 1:
        del children[path[0]]
    else:
        children[path[0]] = _without(children[path[0]], path[1:])
    if isinstance(node.data, tuple):
        children = dict(enumerate(children.values()))
        data: Any = tuple(child.data for child in children.values())
    else:
        data = {key: child.data for key, child in children.items()}
    return Node(data, node.line, node.column, node.size, node.keys, children)

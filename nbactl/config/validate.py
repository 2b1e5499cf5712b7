"""Turn a file's data into its model, or into problems that point at the offending key or value."""

from __future__ import annotations

import re
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from nbactl.config.problems import Problem, closest
from nbactl.config.yamltext import Node, Positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

Path = tuple[Any, ...]
Model = TypeVar("Model", bound=BaseModel)

_MUST_BE = {
    "bool_type": "true or false",
    "date_type": "a date",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
}
_SPELT_OTHERWISE = {"on": "true", "yes": "true", "off": "false", "no": "false"}
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
                problems = [_problem(model, positions, each) for each in errors]
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


def _problem(model: type[BaseModel], positions: Positions, error: ErrorDetails) -> Problem:
    path, kind = tuple(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        told = f"unknown key '{path[-1]}' in {describe(path[:-1])}"
        return positions.problem(path, told, closest(str(path[-1]), known), key=True)
    if kind == "missing":
        return positions.problem(path[:-1], f"{describe(path[:-1])} lacks '{path[-1]}'", key=True)
    if path[-1:] == ("[key]",):
        name = str(path[-2])
        told = f"the name '{name}' may hold lower-case letters, digits, '_' and '.', and begins with a letter"
        return positions.problem(path[:-1], told, re.sub(r"[^a-z0-9_.]+", "_", name.lower()), key=True)
    path = _present(positions.root, path)
    told, meant = _told(kind, error)
    return positions.problem(path, f"{describe(path)} {told}", meant)


def _told(kind: str, error: ErrorDetails) -> tuple[str, str | None]:
    """Return what is wrong with a value, and what was probably meant."""
    value = error["input"]
    if kind == "value_error":
        return f"is {_shown(value)}: {error['ctx']['error']}", None
    if kind == "literal_error":
        expected = str(error["ctx"]["expected"])
        choices = re.findall(r"'([^']*)'", expected)
        return f"is {_shown(value)}, must be {expected}", closest(value, choices) if isinstance(value, str) else None
    if kind in _MUST_BE:
        meant = _SPELT_OTHERWISE.get(value) if kind == "bool_type" and isinstance(value, str) else None
        return f"is {_shown(value)}, must be {_MUST_BE[kind]}", meant
    return f"is {_shown(value)}: {error['msg'].lower()}", None


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"'{value}'" if isinstance(value, str) else str(value)


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

"""Records of the YAML files from plain data, without a file."""

from __future__ import annotations

from typing import Any, TypeVar

from nbactl.config.base import Strict
from nbactl.config.validate import validate
from nbactl.config.yamltext import Node, Positions

Model = TypeVar("Model", bound=Strict)


def model_of(model: type[Model], data: Any) -> Model:
    """Return the record that a file with this data would have. Raises ValueError with the problems."""
    valid, _, problems = validate(model, Positions("data", _node(data)))
    if valid is None or problems:
        raise ValueError("; ".join(map(str, problems)))
    return valid


def _node(data: Any) -> Node:
    if isinstance(data, dict):
        children = {key: _node(value) for key, value in data.items()}
        inside: Any = {key: child.data for key, child in children.items()}
        return Node(inside, 1, 1, keys=dict.fromkeys(children, (1, 1)), children=children)
    if isinstance(data, (list, tuple)):
        items = dict(enumerate(map(_node, data)))
        return Node(tuple(item.data for item in items.values()), 1, 1, children=items)
    return Node(data, 1, 1)

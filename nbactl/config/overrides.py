"""Timeouts that the environment sets: `NBACTL_TIMEOUT_WAREHOUSE_QUERY=90s` comes before timeouts.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.config.base import TIMEOUT_PREFIX
from nbactl.config.problems import Problem, suggest
from nbactl.config.yamltext import Positions
from nbactl.core._support.durations import parse_duration
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbactl.config.yamltext import Node

_SECTION: Final = "timeouts"


def variable_of(name: str) -> str:
    """Return the variable that sets the timeout `name`: NBACTL_TIMEOUT_WAREHOUSE_QUERY for `warehouse.query`."""
    return TIMEOUT_PREFIX + name.upper().replace(".", "_")


def without_overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without these variables, for callers that must work even if they are wrong."""
    return {name: value for name, value in environ.items() if not name.startswith(TIMEOUT_PREFIX)}


def override(positions: Positions, environ: Mapping[str, str]) -> tuple[Positions, dict[str, str], list[Problem]]:
    """Return timeouts.yaml with the limits that `environ` sets, the variable of each such timeout, and the problems.

    An empty variable counts as not set. A limit keeps the place in the file of the one that it replaces.
    """
    given = {name: text for name, text in environ.items() if name.startswith(TIMEOUT_PREFIX) and text}
    section = positions.root.children.get(_SECTION)
    if section is None or not isinstance(section.data, dict):
        return positions, {}, []  # the file itself is wrong
    names = {variable_of(name): name for name in section.children}
    problems = [*_ambiguous(positions, section.children)]
    taken: dict[str, str] = {}
    for variable, text in given.items():
        name = names.get(variable)
        if name is None:
            problems.append(Problem(variable, None, None, "no timeout has this variable", suggest(variable, names)))
        elif (wrong := _wrong(text)) is not None:
            problems.append(Problem(variable, None, None, f"'{text}' is {wrong}", "Write 90s, 30m, 4h or 7d."))
        elif isinstance(section.children[name].data, dict):
            taken[name] = variable
            section = _with(section, name, _with_limit(section.children[name], text))
    return Positions(positions.file, _with(positions.root, _SECTION, section)), taken, problems


def _wrong(text: str) -> str | None:
    try:
        parse_duration(text)
    except UsageError as error:
        return error.message.partition("' is ")[2]
    return None


def _ambiguous(positions: Positions, names: Iterable[str]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(variable_of(name), name)
        if first != name:
            message = f"'{name}' and '{first}' would have the same variable, {variable_of(name)}"
            yield positions.problem((_SECTION, name), message, key=True)


def _with_limit(timeout: Node, text: str) -> Node:
    limit = timeout.children.get("limit", timeout)
    return _with(timeout, "limit", replace(limit, data=text, keys={}, children={}))


def _with(parent: Node, key: str, child: Node) -> Node:
    """Return the mapping `parent` with `child` under `key`."""
    children = {**parent.children, key: child}
    data: Any = {name: node.data for name, node in children.items()}
    return replace(parent, data=data, children=children)

"""What a key of the three YAML files means: its value, its place, what refers to it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from nbactl.config.base import NO_ENTRIES, Strict
from nbactl.config.flags import FlagsFile
from nbactl.config.overrides import variable_of
from nbactl.config.timeouts import TimeoutsFile
from nbactl.config.workflows import WorkflowsFile
from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.loader import Config
    from nbactl.config.yamltext import Node

_MODELS: dict[str, type[Strict]] = {"workflows": WorkflowsFile, "timeouts": TimeoutsFile, "flags": FlagsFile}
Path = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One key. `keys` are those below it; `used_by` are the places that name it; unset, it has its default.

    `origin` is `file timeouts.yaml:75`, `env NBACTL_TIMEOUT_WAREHOUSE_QUERY` or `default`, as of settings.
    """

    key: str
    value: Any
    is_set: bool
    file: str
    line: int
    column: int
    meaning: str
    origin: str
    keys: tuple[str, ...] = ()
    used_by: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Keys with the same last name, if a short key was given."""


def explain(config: Config, key: str) -> Explanation:
    """Explain `phases.phase3.max_workers`, `timeouts.warehouse.query` or, shorter, `warehouse.query` or `max_workers`.

    The variable of a timeout, NBACTL_TIMEOUT_WAREHOUSE_QUERY, may be given instead. Raises NotFoundError.
    """
    key = {variable_of(name): f"timeouts.{name}" for name in config.timeouts.timeouts}.get(key, key)
    everything = [(file, path, node) for file, p in config.positions.items() for path, node in _walk(p.root, ())]
    for file, path, node in everything:
        if _dotted(path) == key:
            return _explain_set(config, file, path, node)
    if found := [(file, path, node) for file, path, node in everything if path and str(path[-1]) == key]:
        others = tuple(dict.fromkeys(_dotted(path) for _, path, _ in found[1:]))
        return replace(_explain_set(config, *found[0]), others=others)
    for file, path, node in everything:
        for name in _unset_fields(_MODELS[file], path, node):
            if key in (name, _dotted((*path, name))):
                return _explain_unset(config, file, path, name)
    known = {name for name, _ in keys_of(config)} | {str(path[-1]) for _, path, _ in everything if path}
    otherwise = "Keys are written as in phases.phase3.max_workers; `nbactl config show` lists the settings."
    raise NotFoundError(
        f"there is no key '{key}' in the configuration", next_step=did_you_mean(key, known, otherwise=otherwise)
    )


def keys_of(config: Config) -> list[tuple[str, str]]:
    """Return every key that is set, as it is written for `explain`, with its value or what it holds."""
    return [
        (_dotted(path), "" if isinstance(node.data, (dict, tuple)) else str(node.data))
        for positions in config.positions.values()
        for path, node in _walk(positions.root, ())
        if path and not any(isinstance(step, int) for step in path)
    ]


def _explain_set(config: Config, file: str, path: Path, node: Node) -> Explanation:
    line, column = config.positions[file].key(path)
    is_mapping = isinstance(node.data, dict)
    return Explanation(
        key=_dotted(path),
        value=node.data,
        is_set=True,
        file=config.positions[file].file,
        line=line,
        column=column,
        meaning=_said_in_file(node) or _at(_MODELS[file], path)[0],
        origin=_origin(config, file, path, line),
        keys=tuple(map(str, node.children)) if is_mapping else (),
        used_by=tuple(_references(config, str(path[-1]))) if is_mapping else (),
    )


def _explain_unset(config: Config, file: str, path: Path, name: str) -> Explanation:
    model = _model(_at(_MODELS[file], path)[1])
    line, column = config.positions[file].key(path)
    described, _ = _step(model, name)
    default = None if model is None else model.defaults[_fields(model)[name]]
    return Explanation(
        key=_dotted((*path, name)),
        value={} if default is NO_ENTRIES else default,
        is_set=False,
        file=config.positions[file].file,
        line=line,
        column=column,
        meaning=described,
        origin="default",
    )


def _origin(config: Config, file: str, path: Path, line: int) -> str:
    """Return where a value comes from; of a timeout, where its limit does."""
    section, name, key = (*path[:3], *(None,) * 3)[:3]
    if (file, section) == ("timeouts", "timeouts") and key in (None, "limit") and name in config.variables:
        return f"env {config.variables[name]}"
    return f"file {config.positions[file].file}:{line}"


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _walk(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    yield path, node
    for step, child in node.children.items():
        yield from _walk(child, (*path, step))


def _references(config: Config, name: str) -> Iterator[str]:
    for file, positions in config.positions.items():
        for path, node in _walk(positions.root, ()):
            if node.data == name and path and path[-1] not in ("description", "why"):
                yield f"{file}.yaml:{node.line} {_dotted(path)}"


def _said_in_file(node: Node) -> str:
    said = [node.children[key].data for key in ("why", "description") if key in node.children]
    return str(said[0]) if said else ""


def _unset_fields(model: type[Strict], path: Path, node: Node) -> list[str]:
    found = _model(_at(model, path)[1]) if isinstance(node.data, dict) else None
    return [name for name in _fields(found) if name not in node.children]


def _at(model: type[Strict], path: Path) -> tuple[str, Any]:
    """Return what the models say of the value at `path`, and its annotation."""
    described, annotation = "", model
    for step in path:
        described, annotation = _step(annotation, step)
    return described, annotation


def _step(annotation: Any, step: Any) -> tuple[str, Any]:  # noqa: ANN401 - any type form
    for form in _forms(annotation):
        if (model := _model(form)) is not None and step in _fields(model):
            name = _fields(model)[step]
            said = _field_docstrings(model)  # type: ignore[arg-type]  # records have no hash, their classes have
            return said.get(name, ""), model.types()[name]
        if get_origin(form) in (dict, tuple):
            inner = get_args(form)[1 if get_origin(form) is dict else 0]
            return _first_sentence(_model(inner)), inner
    return "", None


def _forms(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the types of `annotation`: a union's members, without Annotated."""
    if get_origin(annotation) is Annotated:
        yield from _forms(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _forms(member)
    else:
        yield annotation


def _model(annotation: Any) -> type[Strict] | None:  # noqa: ANN401
    return next((f for f in _forms(annotation) if isinstance(f, type) and issubclass(f, Strict)), None)


def _fields(model: type[Strict] | None) -> dict[str, str]:
    """Return the fields of a record by their keys in the file."""
    return {} if model is None else {key: name for name, key in model.keys.items()}


def _first_sentence(model: type[Strict] | None) -> str:
    return " ".join((model.__doc__ or "").partition("\n\n")[0].split()) if model else ""


@cache  # an unknown key is looked for in every model, and source text is slow to parse
def _field_docstrings(model: type[Strict]) -> dict[str, str]:
    """Return the strings written below the fields of a model and the models it extends."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, Strict) or base is Strict:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in pairwise(statements):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found

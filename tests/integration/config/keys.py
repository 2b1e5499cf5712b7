"""Every key of the YAML files, found by walking the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from nbactl.config.flags import FlagsFile
from nbactl.config.timeouts import TimeoutsFile
from nbactl.config.workflows import WorkflowsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODELS: dict[str, type[BaseModel]] = {
    "workflows.yaml": WorkflowsFile,
    "timeouts.yaml": TimeoutsFile,
    "flags.yaml": FlagsFile,
}
PROVED: set[str] = set()
"""The keys that have a test."""


def all_keys() -> set[str]:
    """Return `workflows.yaml: tasks.*.timeout` and all others with values; `*` is a name, `[]` a place in a list."""
    return {f"{file}: {key}" for file, model in MODELS.items() for key in _keys(model, "")}


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inside = list(_models(field.annotation))
        if not inside:
            yield key
        for suffix, inner in inside:
            yield from _keys(inner, f"{key}{suffix}.")


def _models(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    suffix = {dict: ".*", tuple: "[]"}.get(origin, "")
    for argument in arguments[:1] if origin is Annotated else arguments:
        yield from ((suffix + more, inner) for more, inner in _models(argument))


def proves(*keys: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test as failing if one of the keys is ignored."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        PROVED.update(keys)
        return test

    return mark

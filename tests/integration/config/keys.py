"""Every key of the YAML files, found by walking the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from nbactl.config.base import Strict
from nbactl.config.flags import FlagsFile
from nbactl.config.timeouts import TimeoutsFile
from nbactl.config.workflows import WorkflowsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODELS: dict[str, type[Strict]] = {
    "workflows.yaml": WorkflowsFile,
    "timeouts.yaml": TimeoutsFile,
    "flags.yaml": FlagsFile,
}
PROVED: set[str] = set()
"""The keys that have a test."""


def all_keys() -> set[str]:
    """Return `workflows.yaml: tasks.*.timeout` and all others with values; `*` is a name, `[]` a place in a list."""
    return {f"{file}: {key}" for file, model in MODELS.items() for key in _keys(model, "")}


def _keys(model: type[Strict], prefix: str) -> Iterator[str]:
    for name, annotation in model.types().items():
        key = f"{prefix}{model.keys[name]}"
        inside = list(_models(annotation))
        if not inside:
            yield key
        for suffix, inner in inside:
            yield from _keys(inner, f"{key}{suffix}.")


def _models(annotation: Any) -> Iterator[tuple[str, type[Strict]]]:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
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

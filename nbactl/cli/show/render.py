"""How a result or an error is written: for a person, as one JSON document, or as JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.stream import Stream
    from nbactl.config.settings import Output
    from nbactl.errors import NbactlError


@dataclass(frozen=True, slots=True)
class View:
    """The outcome of a command.

    `data` is the `data` of the JSON envelope; `show` prints it for a person; `items` names the list in `data`
    whose elements `-o jsonl` prints, one a line (without it jsonl prints `data` as one line). `error` says
    in one sentence why `exit_code` is not 0, where the data alone would leave a reader to guess. `once_told` is called
    when all of it was written: what must not be forgotten before somebody was told of it ends there.
    """

    data: Mapping[str, Any]
    show: Callable[[Console], None]
    items: str | None = None
    exit_code: int = 0
    run_id: str | None = None
    warnings: tuple[str, ...] = field(default=())
    error: NbactlError | None = None
    once_told: Callable[[], None] | None = None


def render(console: Console, result: View, *, command: str, target: str, output: Output) -> None:
    """Write the result of `command` in the form asked for."""
    for warning in result.warnings:
        console.warn(warning)
    if output == "json":
        document = _envelope(command, target, console.warnings, data=result.data, run_id=result.run_id)
        document["ok"] = result.exit_code == 0
        document["error"] = None if result.error is None else describe(result.error)
        _write(console.out, document)
    elif output == "jsonl":
        for item in [result.data] if result.items is None else result.data[result.items]:
            console.out.write(_line(item, console.out))
    else:
        result.show(console)
    console.out.flush()
    if result.error is not None:
        console.error(result.error)


def render_error(console: Console, error: NbactlError, *, command: str, target: str, output: Output) -> None:
    """Write a failure: to stderr for a person, and as the JSON document where one was asked for."""
    console.error(error)
    if output == "json":
        document = _envelope(command, target, console.warnings, run_id=error.details.get("run_id"))
        document["error"] = describe(error)
        _write(console.out, document)
    console.out.flush()


def describe(error: NbactlError) -> dict[str, Any]:
    """Return the `error` of the envelope."""
    described: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "cause": error.cause,
        "next": error.next_step,
        "retryable": error.retryable,
    }
    if error.details:
        described["details"] = error.details
    return described


def _envelope(
    command: str, target: str, warnings: list[str], *, data: Mapping[str, Any] | None = None, run_id: str | None
) -> dict[str, Any]:
    return {
        "schema": f"nbactl/{command}/v1",
        "ok": False,
        "target": target,
        "run_id": run_id,
        "data": data,
        "warnings": list(warnings),
        "error": None,
    }


def _write(stream: Stream, document: Mapping[str, Any]) -> None:
    if stream.is_terminal:
        stream.write(json.dumps(plain(document), indent=2, ensure_ascii=not stream.unicode) + "\n")
    else:
        stream.write(_line(document, stream))


def _line(value: Any, stream: Stream) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(plain(value), ensure_ascii=not stream.unicode, separators=(",", ":")) + "\n"


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - one return a type
    """Return `value` in JSON's types: instants and dates in ISO form, records as objects, NaN and infinity as null."""
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if is_dataclass(value) and not isinstance(value, type) and type(value).__str__ is object.__str__:
        return plain(asdict(value))
    return str(value)

"""How a result or an error is written: for a person, as one document in JSON or YAML, or as JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, field, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.controls import has_controls, json_safe
from nbactl.core._support.names import did_you_mean
from nbactl.core.observe.masking import mask
from nbactl.errors import NbactlError, UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.stream import Stream
    from nbactl.config.settings import Output


_UNBOUNDED = 2**31 - 1


@frozen
class View:
    """The outcome of a command.

    `data` is the `data` of the JSON envelope; `show` prints it for a person; `items` names the list in `data` whose
    elements `-o jsonl` prints, one a line (without it jsonl prints `data` as one line); where they are an iterator,
    json and jsonl print them as they come. `error` says in one sentence why `exit_code` is not 0, where the data
    alone do not say it. `warnings` go to stderr and into the envelope, `notes` to stderr only. `after_output` is
    called after all of it was written, for a command that must not forget something before it was shown. `touched`
    names what a command changes, or would change: a person reads it with the target and its project. `csv` are the
    lines of `-o csv`, the names of the columns first, for a command that has it. `paged` output that is longer than
    the terminal is shown in a pager. `undo` has the commands that take the change back, as words after `nbactl`.
    """

    data: Mapping[str, Any]
    show: Callable[[Console], None]
    items: str | None = None
    exit_code: int = 0
    run_id: str | None = None
    warnings: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())
    error: NbactlError | None = None
    after_output: Callable[[], None] | None = None
    touched: str | None = None
    csv: Iterable[Sequence[Any]] | None = None
    paged: bool = False
    undo: tuple[tuple[str, ...], ...] = ()


def render(
    console: Console,
    result: View,
    *,
    command: str,
    target: str,
    output: Output,
    fields: Sequence[str] = (),
    where: str | None = None,
) -> None:
    """Write the result of `command` in the form asked for; with `fields` only these keys of its items, or its data.

    `where` names the target with its project.
    Raises UsageError for a field that there is not.
    """
    for warning in result.warnings:
        console.warn(warning)
    for note in result.notes:
        console.note(note)
    items = None if result.items is None else result.data[result.items]
    if output == "json" and isinstance(items, Iterator):
        _write_streamed(console, result, command=command, target=target, items=items, fields=fields)
    elif output in ("json", "yaml"):
        whole = {**result.data, str(result.items): list(items)} if isinstance(items, Iterator) else result.data
        data = _only(result, fields) if fields else whole
        document = _envelope(command, target, console.warnings, data=data, run_id=result.run_id)
        document["ok"] = result.exit_code == 0
        document["error"] = None if result.error is None else describe(result.error)
        _write(console.out, document, output)
    elif output == "jsonl":
        lines = [result.data] if items is None else items
        for item in _picked(lines, fields) if fields else lines:
            console.out.write(_line(item, console.out))
    elif output == "csv" and result.csv is not None:
        _write_csv(console.out, result.csv, fields)
    else:
        with console.paged() if result.paged else nullcontext():
            result.show(console)
        if result.touched is not None:
            console.note(f"On {where or target}: {result.touched}.")
    console.out.flush()
    if result.error is not None:
        console.error(result.error)


def render_error(console: Console, error: NbactlError, *, command: str, target: str, output: Output) -> None:
    """Write a failure: to stderr for a person, and as the JSON document where one was asked for."""
    console.error(error)
    if output in ("json", "yaml") and not console.has_document:
        document = _envelope(command, target, console.warnings, run_id=error.details.get("run_id"))
        document["error"] = describe(error)
        _write(console.out, document, output)
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


_ITEMS: Final = "--items--"


def _write_streamed(
    console: Console, result: View, *, command: str, target: str, items: Iterable[Any], fields: Sequence[str]
) -> None:
    """Write the JSON document of a result whose items come one by one; at its end are the warnings until then.

    A failure on the way ends the document as a failed one and is raised.
    """
    stream = console.out
    form: dict[str, Any] = {"indent": 2} if stream.is_terminal else {"separators": (",", ":")}
    between = "\n      " if stream.is_terminal else ""

    def around(error: NbactlError | None, *, ok: bool) -> list[str]:
        """Return what comes before and after the items."""
        data = {**result.data, str(result.items): [_ITEMS]}
        document = _envelope(command, target, console.warnings, data=data, run_id=result.run_id)
        for name, value in (("ok", ok), ("error", None if error is None else describe(error))):
            del document[name]  # known at the end only
            document[name] = value
        return _json(document, stream, **form).split(f'"{_ITEMS}"')

    stream.write(around(None, ok=False)[0])
    try:
        for index, item in enumerate(_picked(items, fields) if fields else items):
            text = _json(item, stream, **form).replace("\n", between)
            stream.write(f",{between}{text}" if index else text)
    except BaseException as error:
        console.has_document = True
        known = error if isinstance(error, NbactlError) else NbactlError("the items are not complete")
        stream.write(around(known, ok=False)[1] + "\n")
        raise
    stream.write(around(result.error, ok=result.exit_code == 0)[1] + "\n")


def _only(result: View, fields: Sequence[str]) -> Mapping[str, Any]:
    """Return the data with these keys alone; of a list, its items with these keys."""
    if result.items is None:
        (data,) = _picked([result.data], fields)
        return data
    return {**result.data, result.items: list(_picked(list(result.data[result.items]), fields))}


def _picked(items: Iterable[Any], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the items with these keys; of a list that is complete any item may have a key, else the first one must."""
    known: dict[str, None] = {}
    for item in items:
        record = item if isinstance(item, Mapping) else plain(item)
        if not known:
            known = dict.fromkeys(key for one in (items if isinstance(items, list) else [record]) for key in one)
            _check_fields(fields, known)
        yield {field: record.get(field) for field in fields}


def _check_fields(fields: Sequence[str], known: Mapping[str, None]) -> None:
    for name in fields:
        if name not in known:
            known_line = f"Known: {', '.join(known)}."
            hint = did_you_mean(name, known, otherwise=known_line)
            next_step = hint if hint == known_line else f"{hint} {known_line}"
            raise UsageError(f"--fields: no field '{name}'", next_step=next_step)


def _write(stream: Stream, document: Mapping[str, Any], output: Output) -> None:
    if output == "yaml":
        stream.write(_yaml(plain(document), stream))
    elif stream.is_terminal:
        stream.write(_json(document, stream, indent=2) + "\n")
    else:
        stream.write(_line(document, stream))


def _write_csv(stream: Stream, lines: Iterable[Sequence[Any]], fields: Sequence[str]) -> None:
    from nbactl.cli.show.cells import csv_line  # noqa: PLC0415 - it needs this module

    picked: list[int] | None = None
    for line in lines:
        if picked is None:
            _check_fields(fields, dict.fromkeys(line))
            picked = [list(line).index(field) for field in fields or line]
        stream.write(csv_line([line[index] for index in picked]))


def _line(value: Any, stream: Stream) -> str:  # noqa: ANN401 - any JSON value
    return _json(value, stream, separators=(",", ":")) + "\n"


def _json(value: Any, stream: Stream, **form: Any) -> str:  # noqa: ANN401
    """Return the value as JSON in which a terminal finds nothing to obey."""
    text = json.dumps(plain(value), ensure_ascii=not stream.unicode, **form)
    return json_safe(text)


def _yaml(value: Any, stream: Stream) -> str:  # noqa: ANN401
    import yaml  # noqa: PLC0415 - few calls ask for it

    shown = stream.unicode and not has_controls(json.dumps(value, ensure_ascii=False))
    return str(yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=shown, sort_keys=False, width=_UNBOUNDED))


def numeric_text(value: Decimal) -> str:
    """Return a NUMERIC as BigQuery writes it: without exponent and trailing zeros, which a JSON number would lose."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_JSON: Final = frozenset({str, int, bool, type(None)})
"""Types that are JSON's own."""


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - one return a type
    """Return `value` in JSON's types: instants and dates in ISO form, records as objects.

    NaN and infinity are null, secrets are masked.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return mask(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return numeric_text(value)
    if isinstance(value, Mapping):
        return {mask(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if is_dataclass(value) and not isinstance(value, type) and type(value).__str__ is object.__str__:
        return plain(asdict(value))
    return mask(str(value))

"""The combined log of `nbactl up`, and how it ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.gamedate import EASTERN
from nbactl.core.observe.logging.cloud import LABELS, OURS, PREFIX
from nbactl.errors import CheckFailedError, StillRunningError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.bootstrap.up import UpResult
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.stream import Stream
    from nbactl.cli.show.text import Segment
    from nbactl.core._support.gamedate import GameDate
    from nbactl.errors import NbactlError
    from nbactl.services.instance import LogLine

_STYLES: Final = ("cyan", "green", "yellow", "bold cyan", "bold green", "bold yellow")
_SEVERE: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_WIDTH: Final = 12
"""Of the longest name of a service."""
_SHOWN: Final = ("rows", "reason", "error", "status", "path", "key")
"""What a line shows of what was logged beside its message; -o jsonl has all of it."""
_DECIDED: Final = "handoff.decided"
_SERVER: Final = "uvicorn"
_SLOW: Final = ("http.served", "run.finished", "task.finished")
"""Events that a service logs because they took long; a line of the run says the same."""


def log_writer(console: Console, names: tuple[str, ...], *, output: str, utc: bool) -> Callable[[LogLine], None]:
    """Return what writes a line: for a person, or as JSON with `-o jsonl`; with other outputs it goes to stderr."""
    styles = dict(zip(names, _STYLES, strict=False))
    stream = console.out if output in ("table", "wide", "jsonl") else console.err

    def write(line: LogLine) -> None:
        if output == "jsonl":
            stream.write(json.dumps(_data(line)) + "\n")
        elif line.message and not _is_noise(line):
            _write_line(stream, line, styles.get(line.service, "dim"), utc=utc)
        stream.flush()

    return write


def ended(result: UpResult, day: GameDate | None) -> View:
    """Show how it ended; `day` is the date that was started."""
    look = f"See the board: nbactl status --date {day}"
    data = {"outcome": result.outcome, "detail": result.detail, "restarts": result.restarts}
    error: NbactlError | None = None
    if result.outcome == "failed":
        error = CheckFailedError(result.detail, next_step=look)
    elif result.outcome == "running":
        error = StillRunningError(f"{day} has not ended yet", next_step=look)

    def show(console: Console) -> None:
        if error is None:
            console.print(f"{result.outcome}: {result.detail}" if result.detail else result.outcome)

    return View(data, show, exit_code=0 if error is None else error.exit_code, error=error)


def _write_line(stream: Stream, line: LogLine, style: str, *, utc: bool) -> None:
    time, severity = _time(line, utc=utc), _SEVERE.get(line.severity)
    head: list[Segment] = [time, " ", Styled(f"{line.service:<{_WIDTH}}", style), " "]
    indent = len(time) + _WIDTH + 2
    if severity is not None:
        word = f"{line.severity.lower()}: "
        head.append(Styled(word, severity))
        indent += len(word)
    stream.print_hanging(*head, text=_text(line), indent=indent)


def _is_noise(line: LogLine) -> bool:
    """Say whether a line only says what other lines say already."""
    if line.severity != "INFO":
        return False
    return str(line.entry.get("logger", "")).startswith(_SERVER) or line.message.startswith(_SLOW)


def _time(line: LogLine, *, utc: bool) -> str:
    at = line.entry.get("time")
    moment = datetime.now(UTC) if at is None else datetime.fromisoformat(str(at))
    return moment.astimezone(UTC if utc else EASTERN).strftime("%H:%M:%S")


def _text(line: LogLine) -> str:
    labels: Mapping[str, Any] = line.entry.get(LABELS) or {}
    place = labels.get("task") or labels.get("workflow")
    beside = " ".join(f"{name}={line.entry[name]}" for name in _SHOWN if line.entry.get(name) is not None)
    event, _, phase = line.message.partition(": ")
    if event == _DECIDED:
        text = f"{phase}: leads to the next phase"
    else:
        text = f"{place}: {line.message}" if place else line.message
    return f"{text}  {beside}" if beside else text


def _data(line: LogLine) -> dict[str, Any]:
    beside = {name: value for name, value in line.entry.items() if name not in OURS and not name.startswith(PREFIX)}
    return {
        "time": line.entry.get("time"),
        "service": line.service,
        "severity": line.severity,
        "message": line.message,
        "labels": line.entry.get(LABELS) or {},
        **beside,
    }

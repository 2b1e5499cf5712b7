"""Events from the logs of services."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.gamedate import EASTERN
from nbactl.ports.logs import LogQuery

if TYPE_CHECKING:
    from datetime import date

    from nbactl.ports.logs import LogRecord
    from nbactl.reporting.trace.model import Collecting, TraceSources

LINES: Final = 200
"""Lines of services that a trace has at most, the newest."""
_DAYS: Final = 7
"""How far back an id is looked for."""
_NIGHT: Final = timedelta(days=2)
"""How long after the beginning of a game date its work is logged."""
_IDS: Final = 20
_LONGEST: Final = 300
"""Characters of a message that a trace shows."""


def lines_of_ids(sources: TraceSources, found: Collecting, text: str, now: datetime) -> None:
    """Tell of the lines that carry the id, or a run or correlation id that it led to."""
    ids = list(dict.fromkeys((text, *sorted(found.runs | found.ids))))
    since = now - timedelta(days=_DAYS)
    if _tell(sources, found, LogQuery(since=since, ids=ids[:_IDS]), f"nbactl logs id {text}"):
        found.kinds.setdefault("id in logs", None)
    found.not_looked_at.append(
        f"lines of services before {since.astimezone(EASTERN):%Y-%m-%d}: --since of nbactl logs id"
    )
    if len(ids) > _IDS:
        found.not_looked_at.append(f"lines of services with {len(ids) - _IDS} further ids")


def lines_of_player(sources: TraceSources, found: Collecting, player: str, day: date) -> None:
    """Tell of the lines about a player of the two days from a game date on."""
    since = datetime.combine(day, time(), EASTERN).astimezone(UTC)
    query = LogQuery(since=since, until=since + _NIGHT, labels={"player": player})
    _tell(sources, found, query, f"nbactl logs search --player {player} --since {day}")


def _tell(sources: TraceSources, found: Collecting, query: LogQuery, command: str) -> bool:
    lines = list(sources.service_logs().search(query, limit=LINES + 1, newest_first=True))
    for record in lines[:LINES]:
        found.add(record.at, f"log of {record.service}", _text(record), 1)
    if len(lines) > LINES:
        found.not_looked_at.append(f"lines of services before the newest {LINES}: {command}")
    return bool(lines)


def _text(record: LogRecord) -> str:
    first, _, rest = record.message.partition("\n")
    message = first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"
    severity = "" if record.severity in ("INFO", "DEFAULT") else f"{record.severity}: "
    return f"{severity}{message}{' …' if rest else ''}"

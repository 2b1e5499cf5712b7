"""The state of a game, in every spelling that sources have for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

GameStatus = Literal["scheduled", "in_progress", "final", "postponed", "cancelled", "suspended", "forfeited", "unknown"]
NOT_PLAYED: Final[tuple[GameStatus, ...]] = ("postponed", "cancelled", "forfeited")
"""Games of which a date has no contexts: they are not played on it, or not on the floor."""

_NUMBERS: Final[Mapping[int, GameStatus]] = {1: "scheduled", 2: "in_progress", 3: "final"}
_WORDS: Final[Mapping[GameStatus, tuple[str, ...]]] = {
    "postponed": (r"ppd.*", r"postponed.*", r"pst", r"postp", r"rescheduled.*"),
    "cancelled": (r"cancell?ed.*", r"cancell?ation", r"canc?", r"cncl", r"cxl", r"cnl", r"abandoned.*", r"abd"),
    "suspended": (r"suspended.*", r"susp", r"sus", r"interrupted.*", r"int"),
    "forfeited": (r"forfeit.*", r"forf", r"walkover", r"w/?o", r"awarded.*"),
    "final": (
        r"final(?!s|ist).*",
        r"f(?:[/(-]?\d*ots?\d*\)?)?",
        r"ft(?:/?\d*ot)?",
        r"fulltime",
        r"aot",
        r"afterot",
        r"(?:game)?over",
        r"completed?",
        r"closed",
        r"finished",
        r"(?:game)?ended",
        r"end(?:of)?game",
    ),
    "in_progress": (
        r"(?:1st|2nd|3rd|4th|first|second|third|fourth|[1-4])(?:qtr|quarter|q|half|period).*",
        r"(?:q|qtr|quarter|period|p)[1-4].*",
        r"\d*ot\d*.*",
        r"overtime.*",
        r"half(?:time)?",
        r"ht",
        r"(?:start|begin|beginning|end|middle)of.*",
        r"end(?:1st|2nd|3rd|4th|q|\d*ot).*",
        r"live",
        r"in",
        r"in-?progress",
        r"in-?play",
        r"playing",
        r"started",
        r"underway",
        r"timeout",
    ),
    "scheduled": (
        r"scheduled",
        r"sched",
        r"pre-?(?:game)?",
        r"ns",
        r"notstarted",
        r"upcoming",
        r"created",
        r"fixture",
        r"(?:time-?)?tb[da]",
        r"delayed.*",
        r"\d{1,2}:\d{2}(?::\d{2})?(?:[ap]m?)?(?:\(?(?:et|est|edt|ct|mt|pt)\)?)?",
        r"\d{4}-\d{2}-\d{2}.*",
        r"\d{1,2}/\d{1,2}.*",
    ),
}
"""What a status is in full, in lower case and without spaces; what was not played comes first."""
_PATTERNS: Final[Mapping[GameStatus, re.Pattern[str]]] = {
    status: re.compile("|".join(words)) for status, words in _WORDS.items()
}
_STATES: Final[Mapping[str, GameStatus]] = {"pre": "scheduled", "in": "in_progress", "post": "final"}
"""What a field beside the status says; the status itself is more exact."""
_OVERTIMES: Final = re.compile(r"(?P<before>\d*)ots?(?P<after>\d*)")
_REGULATION: Final = 4


def read_status(status: Any, *, number: Any = None, state: Any = None) -> GameStatus:  # noqa: ANN401 - raw input
    """Return the state of a game from its status, the league's number for it, and a coarser state beside it.

    A text that says that the game was not played goes before the number: the league leaves 1 there. Returns
    `unknown` where something is given and none of it is known, `scheduled` where nothing is given.
    """
    given = [value for value in (status, number, state) if value not in (None, "")]
    texts = [_of_text(status), _of_number(number), _of_state(state)]
    known = [found for found in texts if found is not None]
    special = next((found for found in known if found in ("postponed", "cancelled", "suspended", "forfeited")), None)
    if special is not None:
        return special
    if "final" in known:
        return "final"
    if known:
        return known[0]
    return "unknown" if given else "scheduled"


def overtimes_of(status: Any) -> int:  # noqa: ANN401 - raw input
    """Return how many overtimes a status names: 1 in `Final/OT`, 2 in `F/2OT`; 0 where it names none."""
    match = _OVERTIMES.search(_plain(status))
    return int(match["before"] or match["after"] or 1) if match else 0


def periods_of(status: Any, stated: int | None) -> int | None:  # noqa: ANN401 - raw input
    """Return the periods of a game that is over, as stated or as its status implies."""
    overtimes = overtimes_of(status)
    if overtimes:
        return max(stated or 0, _REGULATION + overtimes)
    return stated


def _of_text(value: Any) -> GameStatus | None:  # noqa: ANN401 - raw input
    plain = _plain(value)
    if not plain:
        return None
    found = next((status for status, pattern in _PATTERNS.items() if pattern.fullmatch(plain)), None)
    return found or _of_number(value)


def _of_number(value: Any) -> GameStatus | None:  # noqa: ANN401 - raw input
    text = str(value).strip().removesuffix(".0")
    return _NUMBERS.get(int(text)) if not isinstance(value, bool) and text.isdecimal() else None


def _of_state(value: Any) -> GameStatus | None:  # noqa: ANN401 - raw input
    return _STATES.get(_plain(value)) or _of_text(value)


def _plain(value: Any) -> str:  # noqa: ANN401 - raw input
    """Return the text in lower case without spaces, full stops and an `STATUS_` before it."""
    if not isinstance(value, str):
        return "" if value is None or isinstance(value, bool) else str(value)
    return re.sub(r"[\s._]+", "", value.strip().lower()).removeprefix("status")

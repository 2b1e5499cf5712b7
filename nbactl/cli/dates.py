"""Game dates and instants as they are typed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.durations import parse_duration
from nbactl.core._support.gamedate import EASTERN, FIRST_DAY, LAST_DAY, GameDate
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container


_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)


def game_date(app: Container, text: str | None) -> GameDate:
    """Return the date that `text` means; without a text the newest of the source, on gcp today. Raises UsageError."""
    text = text or ("latest" if app.settings.target == "local" else "today")
    return GameDate.parse(text, now=app.clock.now(), latest=lambda: GameDate(app.source.latest()))


def game_dates(app: Container, date: str | None, first: str | None, last: str | None) -> tuple[GameDate, ...]:
    """Return the dates of `--date`, or of `--from` and `--to`, oldest first. Raises UsageError."""
    if date and (first or last):
        raise UsageError(
            "--date does not go together with --from and --to",
            next_step="Use --date for one date, or --from and --to for all dates between them.",
        )
    if first is None:
        if last:
            raise UsageError("--to needs --from", next_step="Add the first date: --from YYYY-MM-DD.")
        return (game_date(app, date),)
    begin, end = game_date(app, first), game_date(app, last)
    if begin > end:
        raise UsageError(f"--from {begin} is after --to {end}", next_step=f"Swap them: --from {end} --to {begin}.")
    return tuple(begin.until(end))


def since_time(app: Container, text: str) -> datetime:
    """Return the start of the time range that a duration or a date means. Raises UsageError."""
    if text[:1].isdigit() and "-" not in text:
        return app.clock.now() - timedelta(seconds=parse_duration(text))
    return datetime.combine(game_date(app, text).day, time(), EASTERN)


def dates_to_check(app: Container, date: str | None, first: str | None, last: str | None) -> tuple[GameDate, ...]:
    """Return the dates that the options name, by default last night and today. Raises UsageError.

    Of files that end before last night it is by default their newest date.
    """
    if date or first or last:
        return game_dates(app, date, first, last)
    today = GameDate.of(app.clock.now())
    last_night = today.plus(-1)
    if app.settings.target == "local" and app.source.has_history:
        played = app.source.game_dates(FIRST_DAY, LAST_DAY)
        if not played or played[-1] < last_night.day:
            return (GameDate(app.source.latest()),)
    return last_night, today


def instant(option: str, text: str) -> datetime:
    """Return the instant that the text of an option means, in UTC. Raises UsageError; a time zone is required."""
    refusal = UsageError(f"{option}: '{text}' is not a valid time", next_step="Example: 2024-01-15T12:00:00-05:00.")
    if not _INSTANT.fullmatch(text):
        raise refusal
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise refusal from error
    if given.tzinfo is None:
        raise UsageError(f"{option}: '{text}' has no time zone", next_step=f"Use {text}-05:00, or {text}Z for UTC.")
    if not FIRST_DAY <= given.date() <= LAST_DAY:
        raise UsageError(f"{option}: '{text}' is out of range", next_step=f"Use a time from {FIRST_DAY} to {LAST_DAY}.")
    return given.astimezone(UTC)

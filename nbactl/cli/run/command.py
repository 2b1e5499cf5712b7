"""From the options of `nbactl run` to a request, and back to the command that goes on with it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nbactl.cli.ask import PLACE_OPTIONS, given_options
from nbactl.core._support.durations import parse_duration
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import UsageError
from nbactl.workflows.model import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nbactl.config.settings import Settings
    from nbactl.workflows.model import Mode, Upstream


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of `nbactl run` as they were given."""

    names: tuple[str, ...]
    date: str | None = None
    first: str | None = None
    last: str | None = None
    mode: Mode | None = None
    max_workers: int | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    resume: str | None = None
    force: bool = False
    upstream: Upstream = "auto"
    timeout: str | None = None
    wait: bool = True


class Calendar:
    """What dates mean for one call: `default` is the date when none is given, `latest` the source's newest."""

    def __init__(self, now: datetime, default: Literal["latest", "today"], latest: Callable[[], GameDate]) -> None:
        self._now = now
        self._default = default
        self._latest = latest

    def day(self, text: str | None) -> GameDate:
        """Return the date that `text` means. Raises UsageError."""
        return GameDate.parse(text or self._default, now=self._now, latest=self._latest)

    def days(self, first: str, last: str | None) -> tuple[GameDate, ...]:
        """Return every date from `first` to `last`, oldest first. Raises UsageError."""
        begin, end = self.day(first), self.day(last)
        if begin > end:
            raise UsageError(f"--from {begin} is after --to {end}", next_step=f"Swap them: --from {end} --to {begin}.")
        return tuple(begin.until(end))


def to_request(options: RunOptions, calendar: Calendar, target: str) -> RunRequest:
    """Check how the options go together and return the request. Raises UsageError."""
    _refuse_contradictions(options, target)
    dates = calendar.days(options.first, options.last) if options.first else (calendar.day(options.date),)
    return RunRequest(
        names=options.names,
        dates=dates,
        mode=options.mode,
        max_workers=options.max_workers,
        only=options.only,
        skip=options.skip,
        resume=options.resume,
        force=options.force,
        upstream=options.upstream,
        timeout=parse_duration(options.timeout) if options.timeout else None,
    )


def resume_command(options: RunOptions, request: RunRequest, settings: Settings) -> str:
    """Return the command that goes on with a request: the same one, with its dates spelled out and no --force."""
    words = ["nbactl", "run", *request.names]
    if len(request.dates) > 1:
        words += ["--from", str(request.dates[0]), "--to", str(request.dates[-1])]
    else:
        words += ["--date", str(request.dates[0])]
    words += [word for name in request.only for word in ("--only", name)]
    words += [word for name in request.skip for word in ("--skip", name)]
    given = {
        "--mode": request.mode,
        "--max-workers": request.max_workers,
        "--upstream": request.upstream if request.upstream != "auto" else None,
        "--timeout": options.timeout,
    }
    words += [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
    return shlex.join([*words, *given_options(settings, ("source", *PLACE_OPTIONS))])


def split_names(values: list[str] | None) -> tuple[str, ...]:
    """Return the names of an option that may be repeated and may hold several, joined by commas."""
    return tuple(name.strip() for value in values or () for name in value.split(",") if name.strip())


def _refuse_contradictions(options: RunOptions, target: str) -> None:
    if options.date and (options.first or options.last):
        raise UsageError(
            "--date does not go together with --from and --to",
            next_step="Give --date for one date, or --from and --to for all dates between them.",
        )
    if options.last and not options.first:
        raise UsageError("--to needs --from", next_step="Say where to begin: --from YYYY-MM-DD.")
    if options.resume and options.force:
        raise UsageError(
            "--resume does not go together with --force",
            cause="--resume goes on with what an earlier run left, --force starts afresh.",
            next_step="Leave one of them out.",
        )
    if options.mode == "sequential" and (options.max_workers or 1) > 1:
        raise UsageError(
            f"--mode sequential does not go together with --max-workers {options.max_workers}",
            next_step="Leave --max-workers out, or choose --mode parallel.",
        )
    if both := sorted(set(options.only) & set(options.skip)):
        raise UsageError(f"{', '.join(both)}: given to --only and to --skip", next_step="Decide for one of them.")
    if not options.wait and target == "local":
        raise UsageError(
            "--no-wait does not work on target local",
            cause="There the run lives in this very process and ends with it.",
            next_step="Leave --no-wait out; in a shell, `nbactl run … &` puts the run in the background.",
        )

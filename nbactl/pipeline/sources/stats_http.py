"""Requests to stats.nba.com through the nba_api package, with what it leaves out: time-outs, backoff, errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.calls.deadline import remaining
from nbactl.core.calls.policy import CallPolicy
from nbactl.core.retry_after import retry_after_seconds
from nbactl.errors import DataError, NbactlError, NotAuthorisedError, TimedOutError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.core._support.clock import Clock

BASE_URL: Final = "https://stats.nba.com/stats/{endpoint}"
_TOO_MANY: Final = 429
_REQUEST_TIMEOUT: Final = 408
_UNAUTHORISED: Final = (401, 403)
_SHOWN: Final = 80
"""Characters of an answer that an error quotes."""


class StatsHttp:
    """Requests of one task, one connection after the other kept open. Raises NbactlError for whatever goes wrong."""

    def __init__(
        self,
        *,
        clock: Clock,
        timeouts: TimeoutsFile,
        rng: Random,
        base_url: str = BASE_URL,
        policy: CallPolicy | None = None,
    ) -> None:
        from nba_api.stats.library.http import NBAStatsHTTP
        from requests import Response, Session

        self._clock = clock
        settings = timeouts.call_policies["scraper"].settings("scraper", timeouts)
        self._policy = policy or CallPolicy(settings, clock=clock, rng=rng)
        self._limits = (timeouts["http.connect"], timeouts["http.request"])
        self._answer: Response | None = None
        session = Session()

        # The package keeps status and body of an answer, but not Retry-After.
        def keep(response: Response, **_: object) -> None:
            self._answer = response

        session.hooks["response"].append(keep)
        self._session = session
        self._http = type("_Http", (NBAStatsHTTP,), {"base_url": base_url, "_session": session})()

    def get(self, endpoint: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        """Return the JSON object that the endpoint answers, after as many tries as the policy `scraper` allows."""
        return self._policy.call(self._try, endpoint, parameters)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _try(self, endpoint: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        from requests import RequestException, Timeout

        self._answer = None
        what = f"stats.nba.com {endpoint}"
        try:
            limits = tuple(map(remaining, self._limits))
            answer = self._http.send_api_request(endpoint, dict(parameters), timeout=limits)
        except Timeout as error:
            raise TimedOutError(f"{what} did not answer in time", cause=str(error)) from error
        except RequestException as error:
            raise UnavailableError(f"{what} could not be reached", cause=str(error), next_step=_LATER) from error
        if self._answer is None:
            raise UnavailableError(f"{what} gave no answer", next_step=_LATER)
        if self._answer.status_code != 200:  # noqa: PLR2004 - HTTP OK
            raise self._refusal(what, self._answer.status_code, self._answer.headers.get("Retry-After"))
        return _object(what, answer.get_response())

    def _refusal(self, what: str, status: int, retry_after: str | None) -> NbactlError:
        if status in (_TOO_MANY, _REQUEST_TIMEOUT) or status >= 500:  # noqa: PLR2004 - server errors
            message, cause = f"{what} answered {status}", f"Retry-After: {retry_after}" if retry_after else None
            wait, longest = retry_after_seconds(retry_after, self._clock.now()), self._policy.settings.retry.cap
            if wait is not None and wait > longest:
                when = f"Run again in {wait:.0f} s, which is longer than a task waits ({longest:.0f} s)."
                return UnavailableError(message, cause=cause, next_step=when, retryable=False)
            return UnavailableError(message, cause=cause, next_step=_LATER, retry_after=wait)
        if status in _UNAUTHORISED:
            return NotAuthorisedError(
                f"{what} refused the request ({status})",
                cause="stats.nba.com turns away the addresses of cloud providers and clients it does not know.",
                next_step="Run it from another network, or set NBA_API_PROXY.",
            )
        return DataError(f"{what} refused the request ({status})", cause="The endpoint or its parameters have changed.")


_LATER: Final = "Run it again later; what was collected stays."


def _object(what: str, text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError as error:
        # A page saying "busy", or an answer that was cut: both come with status 200.
        start = " ".join(text[:_SHOWN].split())
        raise UnavailableError(f"{what} answered no JSON", cause=f"{error}: {start!r}", next_step=_LATER) from error
    if not isinstance(answer, dict):
        raise DataError(f"{what} answered a JSON {type(answer).__name__}, not an object")
    return answer

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nbactl.core.calls.http import check_status
from nbactl.errors import (
    DataError,
    NbactlError,
    NotAuthorisedError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
MEANINGS = {
    100: DataError, 301: DataError, 304: DataError, 400: DataError, 401: NotAuthorisedError, 403: NotAuthorisedError,
    404: NotFoundError, 408: UnavailableError, 409: PreconditionError, 410: NotFoundError, 412: PreconditionError,
    422: DataError, 425: UnavailableError, 429: UnavailableError, 500: UnavailableError, 501: UnavailableError,
    503: UnavailableError, 599: UnavailableError,
}  # fmt: skip


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_an_answer_of_success_is_none_that_raises(status: int) -> None:
    check_status("GET /form", status, now=NOW, retry_after="60", body="fine")


@pytest.mark.parametrize(("status", "kind"), MEANINGS.items())
def test_every_other_answer_says_whether_it_is_worth_another_try(status: int, kind: type[NbactlError]) -> None:
    with pytest.raises(NbactlError, match=f"GET /form answered {status}") as refused:
        check_status("GET /form", status, now=NOW, body=" not now\n")
    assert type(refused.value) is kind
    assert refused.value.retryable is (kind is UnavailableError)
    assert refused.value.cause == "not now"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Mon, 15 Jan 2024 12:01:00 GMT", 60.0), ("soon", None), (None, None)]
)
def test_the_wait_that_the_server_asks_for_is_kept(header: str | None, seconds: float | None) -> None:
    with pytest.raises(UnavailableError) as busy:
        check_status("GET /form", 429, now=NOW, retry_after=header)
    assert busy.value.retry_after == seconds

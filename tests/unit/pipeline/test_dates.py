"""Game dates in the spellings of sources: read surely, or refused."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.pipeline.dates import UnsureDateError, day_of, is_tip_off, is_utc_midnight, states_day
from nbactl.pipeline.quarantine import RejectedRecordError

EASTERN = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    "given_date",
    [
        "2025-01-15",
        "2025-1-15",
        "2025/01/15",
        "2025.01.15",
        "20250115",
        "01/15/2025",
        "1/15/2025",
        "1/15/2025 7:30 PM",
        "01/15/2025 00:00:00",
        "JAN 15, 2025",
        "Jan 15 2025",
        "Jan. 15, 2025",
        "January 15, 2025",
        "Wed, Jan 15, 2025",
        "Wednesday, January 15th, 2025",
        "15 Jan 2025",
        "15-Jan-2025",
        "15 January 2025",
        " 2025-01-15 ",
    ],
)
def test_dates_are_read_in_every_form_that_is_sure(given_date: str) -> None:
    assert day_of(given_date) == date(2025, 1, 15)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2025-01-15T03:30:00Z", 14),
        ("2025-01-15T03:30Z", 14),
        ("2025-01-15 03:30:00+00:00", 14),
        ("2025-01-15 03:30:00 UTC", 14),
        ("2025-01-15T03:30:00.000Z", 14),
        ("20250115T033000Z", 14),
        ("Wed, 15 Jan 2025 03:30:00 GMT", 14),
        ("2025-01-14T22:30:00-05:00", 14),
        ("2025-01-14T22:30:00-0500", 14),
        ("2025-01-15T04:30:00+01:00", 14),
        ("2025-01-14T19:30:00-08", 14),
        ("2025-01-15T05:00:00Z", 15),
        ("2025-01-15T00:00:00-05:00", 15),
        ("2025-01-15T00:00:00+01:00", 14),
        ("2025-01-14T22:30:00 ET", 14),
        ("2025-01-14T22:30:00", 14),
    ],
)
def test_inv_14_an_instant_becomes_the_date_in_new_york(instant: str, day: int) -> None:
    assert day_of(instant) == date(2025, 1, day)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2025-03-09T04:59:59Z", date(2025, 3, 8)),
        ("2025-03-10T03:59:59Z", date(2025, 3, 9)),
        ("2025-03-10T04:00:00Z", date(2025, 3, 10)),
        ("2025-11-02T03:59:59Z", date(2025, 11, 1)),
        ("2025-11-03T04:59:59Z", date(2025, 11, 2)),
    ],
)
def test_inv_14_the_nights_when_clocks_change(instant: str, day: date) -> None:
    assert day_of(instant) == day


@pytest.mark.parametrize(
    "midnight",
    [
        "2019-01-30T00:00:00.000Z",
        "2019-01-30T00:00:00Z",
        "2019-01-30T00:00Z",
        "2019-01-30T00:00:00+00:00",
        "2019-01-30 00:00:00 UTC",
    ],
)
def test_midnight_utc_is_a_date_without_a_time(midnight: str) -> None:
    assert day_of(midnight) == date(2019, 1, 30)
    assert is_utc_midnight(midnight)
    assert not is_tip_off(midnight)


def test_among_tip_offs_midnight_utc_is_the_evening_before() -> None:
    assert is_tip_off("2019-01-30T03:30:00Z")
    assert not is_tip_off("2019-01-30T03:30:00")
    assert states_day("2019-01-30T00:00:00Z", date(2019, 1, 30))
    assert states_day("2019-01-30T00:00:00Z", date(2019, 1, 29))
    assert not states_day("2019-01-30", date(2019, 1, 29))
    assert not states_day("2019-01-30T03:30:00Z", date(2019, 1, 30))


@pytest.mark.parametrize(
    "unsure",
    [
        "01/15/25",
        "1/2",
        "15-Jan-25",
        "Jan 15, 25",
        "25-01-15",
        "15/01/2025",
        "2025-15-01",
        "15.01.2025",
        "01-15-2025",
        "0025-01-15",
        "45672",
        "1736912345",
        45672,
        1736912345.0,
        "2025-01-15T03:30:00 PST",
        "2025-01-15T03:30:00 CST",
        "2025-01-15T25:00:00Z",
        "2025-01-15T03:30:00Z[UTC]",
        "2025-W03-2",
    ],
)
def test_what_looks_like_a_date_and_may_be_another_is_unsure(unsure: object) -> None:
    with pytest.raises(UnsureDateError) as caught:
        day_of(unsure)
    assert str(unsure) in caught.value.message


@pytest.mark.parametrize("short", ["01/15/25", "15-Jan-25", "Jan 15, 25", "25-01-15", "15.01.25"])
def test_a_two_digit_year_is_named_as_one(short: str) -> None:
    with pytest.raises(UnsureDateError, match="has a two-digit year"):
        day_of(short)


@pytest.mark.parametrize("nothing", ["soon", "", None, "2025-02-30", True, ["2025-01-15"]])
def test_what_is_no_date_is_rejected_alone(nothing: object) -> None:
    with pytest.raises(RejectedRecordError) as caught:
        day_of(nothing)
    assert not isinstance(caught.value, UnsureDateError)


@given(st.datetimes(datetime(1950, 1, 2), datetime(2090, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - bounds
def test_inv_14_every_offset_leads_to_the_date_in_new_york(instant: datetime) -> None:
    offset = instant.utcoffset()
    if offset is None or offset.total_seconds() % 60 or not (offset or instant.time().replace(microsecond=0)):
        return
    text = instant.replace(microsecond=0).isoformat()
    if is_utc_midnight(text):
        return
    assert day_of(text) == instant.astimezone(EASTERN).date()

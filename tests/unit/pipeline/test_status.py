"""The state of a game in every spelling."""

from __future__ import annotations

import pytest

from nbactl.pipeline.status import overtimes_of, periods_of, read_status

SPELLINGS: dict[str, list[object]] = {
    "final": [
        "Final", "FINAL", "final", "Final/OT", "Final/2OT", "FINAL/3OT", "F", "F/OT", "F/2OT", "F(OT)", "Final - OT",
        "Final (OT)", "Final: 2OT", "Final, OT", "Final/OT2", "Final OT", "STATUS_FINAL", "STATUS_FINAL_OVERTIME",
        "Completed", "closed", "Game Over", "Ended", "AOT", "FT", 3, "3", 3.0,
    ],
    "postponed": ["Postponed", "PPD", "ppd", "PPD.", "PPD - Weather", "Postponed/COVID", "STATUS_POSTPONED"],
    "cancelled": ["Canceled", "Cancelled", "CANCELED", "CANC", "CNCL", "Cancelled - Weather", "STATUS_CANCELED"],
    "suspended": ["Suspended", "SUSP", "SUSPENDED - power", "STATUS_SUSPENDED", "Interrupted"],
    "forfeited": ["Forfeit", "Forfeited", "FORFEIT - BOS", "STATUS_FORFEIT", "Walkover"],
    "in_progress": [
        "1st Qtr", "2nd Qtr", "Halftime", "HALF", "Q3 5:23", "4th Qtr 2:31", "End of 3rd", "End Q1", "OT", "2OT 1:20",
        "OT1", "In Progress", "STATUS_IN_PROGRESS", "STATUS_HALFTIME", "live", 2, "2",
    ],
    "scheduled": [
        "7:30 pm ET", "8:00 PM", "19:30", "2025-01-16T00:30:00Z", "Scheduled", "STATUS_SCHEDULED", "TBD", "TBA",
        "Delayed", "pre", 1, "1", None, "",
    ],
    "unknown": ["No idea", "Finals MVP", "??", 9],
}  # fmt: skip
CASES = [(given, status) for status, spellings in SPELLINGS.items() for given in spellings]


@pytest.mark.parametrize(("given", "status"), CASES)
def test_a_state_is_known_in_every_spelling(given: object, status: str) -> None:
    assert read_status(given) == status


@pytest.mark.parametrize(
    ("text", "number", "state", "status"),
    [
        ("PPD", 1, None, "postponed"),
        ("Final", 2, None, "final"),
        ("7:00 pm ET", 3, None, "final"),
        ("TBD", 1, None, "scheduled"),
        ("Halftime", None, "in", "in_progress"),
        ("No idea", None, "final", "final"),
        ("No idea", None, "post", "final"),
        ("STATUS_POSTPONED", None, "post", "postponed"),
        ("No idea", None, None, "unknown"),
    ],
)
def test_what_was_not_played_goes_before_number_and_state(
    text: str, number: object, state: object, status: str
) -> None:
    assert read_status(text, number=number, state=state) == status


@pytest.mark.parametrize(
    ("text", "stated", "periods"),
    [
        ("Final", 4, 4),
        ("Final", None, None),
        ("Final/OT", 5, 5),
        ("Final/OT", None, 5),
        ("Final/OT", 4, 5),
        ("F/2OT", 0, 6),
        ("Final/OT3", None, 7),
    ],
)
def test_overtimes_in_the_status_are_periods(text: str, stated: int | None, periods: int | None) -> None:
    assert periods_of(text, stated) == periods
    assert overtimes_of("Final") == 0

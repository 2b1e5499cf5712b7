"""What the instrumentation hook hears, in the log."""

from __future__ import annotations

import logging
import re

import pytest

from nbactl.core.observe.events import _LEVELS, Event, EventLog
from tests.kit.paths import ROOT

DOCS = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`[a-z_]+\.[a-z_]+`.*?) \| .*? \| (.*?) ?\|$", DOCS, re.MULTILINE)
KINDS = {kind for kinds, _ in ROWS for kind in re.findall(r"`([a-z_]+\.[a-z_]+)`", kinds)}
FIELDS = {field for _, fields in ROWS for field in re.findall(r"`([a-z_]+)`", fields)}


def test_an_event_is_found_by_its_kind_its_name_and_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nbactl.events"):
        EventLog(5.0)(Event("retry.again", "odds", {"attempt": 2, "pause": 0.5}))
    [record] = caplog.records
    told = record.__dict__
    assert (told["event"], told["subject"], told["attempt"], told["pause"]) == ("retry.again", "odds", 2, 0.5)
    assert record.levelno == logging.INFO


@pytest.mark.parametrize(("seconds", "heard"), [(4.9, 0), (5.0, 1), (None, 0)])
def test_only_what_was_slow_is_worth_a_line_that_others_are_not(
    seconds: float | None, heard: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "nbactl.events"):
        EventLog(5.0)(Event("http.served", "/push", {"status": 204, "seconds": seconds}))
        EventLog(5.0)(Event("idempotency.claimed", "1"))
    assert len(caplog.records) == heard


def test_no_field_of_an_event_is_a_field_of_every_log_record() -> None:
    """Such a one would make the hook fail, which it must not."""
    assert len(FIELDS) > 15
    assert FIELDS & (vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "event", "subject"}) == set()


def test_every_kind_that_has_a_level_is_one_that_there_is() -> None:
    assert set(_LEVELS) <= KINDS

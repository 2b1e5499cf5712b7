"""Misspelt names: a suggestion stays readable however many names there are."""

from __future__ import annotations

from nbactl.core._support.names import did_you_mean


def test_of_many_names_a_part_is_listed() -> None:
    names = [f"svc-{number:02}" for number in range(60)]
    said = did_you_mean("other", names)
    assert said.endswith("svc-19 and 40 more.")
    assert did_you_mean("svc01", names) == "Did you mean 'svc-01'?"
    assert did_you_mean("other", names[:2]) == "Known: svc-00, svc-01."

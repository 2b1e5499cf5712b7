from __future__ import annotations

import json
import sys
from unicodedata import category

import pytest

from nbactl.core._support.controls import has_controls, json_safe, visible, visible_lines


def test_inv_28_no_character_that_a_terminal_obeys_is_left_as_it_is() -> None:
    unseen = [char for char in map(chr, range(sys.maxunicode + 1)) if category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert not has_controls(visible("".join(unseen)))
    assert not has_controls(json_safe("".join(char for char in unseen if ord(char) > 0x7F)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc", r"a\nb\tc"),
        ("a\u202egpj.exe", r"a\u202egpj.exe"),
        ("Jo\u200bhn", r"Jo\u200bhn"),
        ("\ufeffName", r"\ufeffName"),
        ("\x9b31m", r"\x9b31m"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("Dončić\u00a0L. 🏀", "Dončić\u00a0L. 🏀"),
    ],
)
def test_inv_28_what_is_not_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_and_tabs_may_stay() -> None:
    assert visible_lines("a\tb\nc\rd") == "a\tb\nc\\rd"


@pytest.mark.parametrize("value", ["\u202e", "\x7f", "\U000e0041", "\ud800", "a\nb"])
def test_json_keeps_its_meaning(value: str) -> None:
    text = json_safe(json.dumps({"name": value}, ensure_ascii=False))
    assert not has_controls(text)
    assert json.loads(text) == {"name": value}

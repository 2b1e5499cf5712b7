"""What an operator can do with a flag, and that it can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.core.flags.moves import OFF, UNSET, Position, move, parse_percent, position_of, roll_back
from nbactl.errors import UsageError
from tests.kit.flags import flag, state

if TYPE_CHECKING:
    from nbactl.core.flags import State

STAGES = [10.0, 50.0, 100.0]


@pytest.mark.parametrize(("text", "percent"), [("0", 0), ("50", 50), ("12.5%", 12.5), ("33.333", 33.333), ("1e1", 10)])
def test_a_percentage_is_read(text: str, percent: float) -> None:
    assert parse_percent(text) == percent


@pytest.mark.parametrize("text", ["101", "-1", "nan", "inf", "", "half", "5 0", "0x10", "true", "100.001"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a percentage") as refused:
        parse_percent(text)
    assert refused.value.exit_code == 2


def test_a_percentage_finer_than_a_bucket_is_refused_and_not_rounded() -> None:
    with pytest.raises(UsageError, match=r"finer than the steps of 0\.001 %"):
        parse_percent("0.0004")


@pytest.mark.parametrize(
    ("before", "after", "stage"),
    [(None, Position(10, enabled=True), 1), (state(10), Position(50, enabled=True), 2), (state(10), OFF, None)],
)
def test_a_move_knows_where_it_starts_which_version_it_saw_and_its_stage(
    before: State | None, after: Position, stage: int | None
) -> None:
    made = move("fast", before, after, salt="fast", stages=STAGES)
    assert (made.before, made.after, made.changes) == (position_of(before), after, True)
    assert made.change.expected_version == (0 if before is None else before.version)
    assert (made.change.percent, made.change.enabled, made.change.stage) == (after.percent, after.enabled, stage)


@pytest.mark.parametrize(("before", "after"), [(state(0), UNSET), (state(50), Position(50, enabled=True))])
def test_a_flag_that_is_there_already_is_not_moved(before: State | None, after: Position) -> None:
    assert not move("fast", before, after, salt="fast", stages=STAGES).changes


def test_a_flag_that_was_never_set_is_set_where_it_is() -> None:
    assert move("fast", None, UNSET, salt="fast", stages=STAGES).changes
    assert not roll_back("fast", None, 10.0, salt="fast", stages=STAGES).changes


def test_a_flag_that_is_on_by_default_starts_at_everybody() -> None:
    on = flag(default=True)
    assert (on.is_on_by_default, on.off) == (True, False)
    assert position_of(None, on) == Position(100, enabled=True)
    off = roll_back("fast", None, None, salt="fast", stages=STAGES, definition=on)
    assert (off.before, off.after) == (Position(100, enabled=True), OFF)


@pytest.mark.parametrize(
    ("before", "salt"),
    [
        (None, "new"),
        (state(0), "new"),
        (state(100), "new"),
        (state(50, enabled=False), "new"),
        (state(0.001), "fast"),
        (state(99.999), "fast"),
    ],
)
def test_a_new_salt_is_taken_up_when_nobody_would_be_reshuffled(before: State | None, salt: str) -> None:
    assert move("fast", before, Position(70, enabled=True), salt="new", stages=STAGES).change.salt == salt


@pytest.mark.parametrize(
    ("before", "to", "after"),
    [
        (state(50), None, OFF),
        (None, None, OFF),
        (state(50), 10.0, Position(10, enabled=True)),
        (state(10), 50.0, Position(10, enabled=True)),
        (state(0, enabled=False), 10.0, OFF),
        (None, 10.0, UNSET),
    ],
)
def test_a_rollback_never_moves_up(before: State | None, to: float | None, after: Position) -> None:
    assert roll_back("fast", before, to, salt="fast", stages=STAGES).after == after


@pytest.mark.parametrize("position", [OFF, UNSET, Position(12.5, enabled=True)])
def test_every_position_is_named_by_the_option_that_leads_back_to_it(position: Position) -> None:
    option, _, text = position.option.partition(" ")
    again = OFF if option == "--off" else Position(parse_percent(text), enabled=True)
    assert again == position

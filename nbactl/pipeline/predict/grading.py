"""The predictions of a date against what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from nbactl.pipeline.processor import ProcessorResources


def grade(resources: ProcessorResources, game_date: date, *, labels: Mapping[str, str] | None = None) -> int:
    """Grade the predictions of the day before `game_date`; returns how many were graded.

    A player who did not play is not graded. Grading again replaces the grades of the same keys.
    """
    raise NotImplementedError

"""Validations: whether what ran did what it should have done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.bootstrap.overnight import make_overnight

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.core._support.gamedate import GameDate
    from nbactl.reporting.overnight.model import OvernightReport


def validate_overnight(app: Container, day: GameDate) -> OvernightReport:
    """Return what is to be said of the night after a game date."""
    return make_overnight(app).validate(day, app.clock.now())

"""The validation of a night, built from the container."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.bootstrap.container import Container
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.core.phases.history import ProcessorRun
    from nbactl.reporting.overnight.judging import Overnight


def make_overnight(app: Container) -> Overnight:
    """Return what validates nights. Nothing is read yet."""
    from nbactl.bootstrap.outputs import make_grids
    from nbactl.reporting.overnight.judging import Overnight
    from nbactl.reporting.overnight.sessions import NightRecords

    known = {name: expectation.known for name, expectation in app.expectations.items()}
    timeouts = app.config.timeouts

    def phase_documents(days: Sequence[GameDate]) -> Mapping[tuple[str, GameDate], PhaseDocument]:
        from nbactl.core.phases.documents import read_phases

        return read_phases(app.documents, known, days)

    def history(first: GameDate, last: GameDate) -> Sequence[ProcessorRun]:
        from nbactl.core.phases.history import runs_of_dates

        names = {name for of_phase in known.values() for name in of_phase}
        return runs_of_dates(app.warehouse, names, first, last, timeout=timeouts["status.history"])

    recorded = {name for name, expectation in app.expectations.items() if expectation.declared or expectation.batch}
    unrecorded = () if app.settings.target == "local" else app.expectations.keys() - recorded
    return Overnight(
        app.config.workflows,
        NightRecords(
            app.ledger,
            app.source.key,
            app.documents,
            app.expectations,
            phase_documents,
            None if app.settings.target == "local" else history,
        ),
        lambda first, last: make_grids(app).draw(first, last),
        timeouts["overnight.total"],
        unrecorded,
    )

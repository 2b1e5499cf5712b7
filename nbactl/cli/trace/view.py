"""A trace as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console
    from nbactl.reporting.trace.model import Trace


def traced(found: Trace) -> View:
    """Show what is known, line by line."""

    def show(console: Console) -> None:
        console.print(Styled(found.subject, "bold"), f"  {', '.join(found.kinds)}")
        console.table(
            ["when", "where", "what"],
            [
                (Styled("not recorded", "dim") if event.at is None else moment(event.at), event.where, event.what)
                for event in found.events
            ],
        )
        if found.absent:
            console.note(f"Nothing in {', '.join(found.absent)}.")
        for text in found.not_looked_at:
            console.note(Styled(f"Not looked at: {text}", "dim"))

    data = {
        "subject": found.subject,
        "kinds": list(found.kinds),
        "events": [{"at": event.at, "where": event.where, "what": event.what} for event in found.events],
        "looked_at": list(found.looked_at),
        "nothing_in": list(found.absent),
        "not_looked_at": list(found.not_looked_at),
    }
    return View(data, show, items="events", paged=True)

"""The command line of `nbactl demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from nbactl.cli.app import container, settings
from nbactl.cli.demo import view
from nbactl.cli.demo.command import create_demo, grow_live_batch
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View
from nbactl.cli.signals import until_left
from nbactl.core._support.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core._support.clock import Clock

app = single()

_WRITE_EVERY: Final = 0.5
"""Seconds between two completions of the live batch."""


@command(app, "demo", examples=["nbactl demo", "nbactl demo --write 2s"])
def demo(
    ctx: typer.Context,
    write: Annotated[
        str | None,
        typer.Option(
            help="Record completions in the sample batch demo-live for this long, or until Ctrl-C.", metavar="DURATION"
        ),
    ] = None,
) -> View:
    """Create sample batches to rehearse the completions migration on, and list the commands.

    They are in a folder of their own, STATE_DIR/demo, with waiting times of seconds instead of days: arrays, a wrong
    counter, an old batch without some fields, an unreadable one, and one that is not complete. Existing batches are
    never changed. On target gcp it is refused (exit 5).
    """
    app_ = container(ctx, reads_only=True)
    made = create_demo(app_)
    if write is None:
        return view.demo_created(made, settings(ctx))
    return view.completions_recorded(list(grow_live_batch(app_, _rounds(app_.clock, parse_duration(write)))))


def _rounds(clock: Clock, seconds: float) -> Iterator[None]:
    end = clock.monotonic() + seconds
    for _ in until_left(_WRITE_EVERY):
        if clock.monotonic() >= end:
            return
        yield

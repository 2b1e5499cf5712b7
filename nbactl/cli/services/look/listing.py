"""The table of services, written region by region as they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.bootstrap.deployed import declared_specs
from nbactl.cli.services.look.words import ago, image_tag, instances, short_name, short_traffic, state_of
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled, lay_out
from nbactl.deployments.desired import tag_of
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.services.look.command import ListedRegion, ListedService
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment

_COLUMNS: Final = ("service", "state", "traffic", "instances", "image", "drift", "revision", "deployed", "by", "region")
_OPTIONAL: Final = ("region", "by", "revision", "image", "deployed", "instances")
"""What a narrow terminal has no room for, the first named first."""
_NOT_HERE: Final = ("image", "drift", "region")
"""Columns that services of this machine have not."""
_STYLES: Final = {"ready": "green", "not ready": "red", "deploying": "yellow", "no address": "red"}


class ServiceTable:
    """Writes rows as they come. The columns of the first region are those of all."""

    def __init__(
        self, console: Console, now: datetime, *, expected: Collection[str] = (), left_out: Collection[str] = ()
    ) -> None:
        """`expected` are names that may come, so that there is room for them from the first row on."""
        self._console = console
        self._now = now
        self._columns = [name for name in _COLUMNS if name not in left_out]
        self._rows: list[list[Segment | None]] = [[name, *[None] * (len(_COLUMNS) - 1)] for name in expected]
        self._hidden: list[str] | None = None

    def add(self, listed: ListedRegion) -> None:
        """Write the services of a region below those that were written before."""
        if not listed.services:
            return
        out, first = self._console.out, self._hidden is None
        width = 10_000 if out.wide else out.width
        before = len(self._rows)
        self._rows += [_row(one, listed.region, self._now) for one in listed.services]
        if self._hidden is None:
            self._hidden = lay_out(self._columns, self._picked(self._columns), width, _OPTIONAL).hidden
        columns = [name for name in self._columns if name not in self._hidden]
        rows = self._picked(columns)
        lines, written = lay_out(columns, rows, width, ()).lines, len(lay_out(columns, rows[:before], width, ()).lines)
        for line in [*(lines[:1] if first else ()), *lines[written:]]:
            out.print(*line)
        out.flush()

    def _picked(self, columns: Sequence[str]) -> list[list[Segment | None]]:
        places = [_COLUMNS.index(name) for name in columns]
        return [[row[place] for place in places] for row in self._rows]

    def end(self) -> None:
        """Say which columns were left out."""
        if self._hidden:
            plural = "" if len(self._hidden) == 1 else "s"
            hidden = ", ".join(self._hidden)
            self._console.note(Styled(f"{len(self._hidden)} column{plural} hidden ({hidden}): use -o wide.", "dim"))


def service_list(app: Container, listed: Iterator[ListedRegion]) -> View:
    """Show services as their regions answer. Fails, after the others are shown, if a region does not answer.

    Fails too if nothing is deployed at all: then it is the wrong project or region, or `up` was never run here.
    """
    now, failed = app.clock.now(), []

    def regions() -> Iterator[ListedRegion]:
        count = 0
        for region in listed:
            count += len(region.services)
            if region.error is not None:
                failed.append(region.error)
            yield region
        if failed:
            raise failed[0]
        if not count:
            raise _nothing(app)

    def items() -> Iterator[dict[str, Any]]:
        for region in regions():
            yield from (listed_json(one, region.region) for one in region.services)

    def show(console: Console) -> None:
        left_out = () if app.target.HAS_DEPLOYED_SERVICES else _NOT_HERE
        table = ServiceTable(console, now, expected=declared_specs(app), left_out=left_out)
        try:
            for region in regions():
                table.add(region)
        finally:
            table.end()

    return View({"services": items()}, show, items="services")


def _nothing(app: Container) -> NotFoundError:
    if not app.target.HAS_DEPLOYED_SERVICES:
        return NotFoundError("no service has run on this machine", next_step="Start the services: nbactl up")
    regions = ", ".join(app.target.service_regions(app))
    return NotFoundError(
        f"no service is deployed in {regions} of {app.settings.project}",
        next_step="Give another --region or --project, or declare regions under `services` in workflows.yaml.",
    )


def listed_json(one: ListedService, region: str) -> dict[str, Any]:
    """Return a row as JSON."""
    service = one.service
    return {
        "service": service.name,
        "region": region,
        "state": state_of(service),
        "problem": service.problem,
        "revision": service.latest_ready_revision,
        "traffic": short_traffic(service),
        "latest_percent": service.latest_share,
        "follows_latest": service.follows_latest,
        "min_instances": service.settings.get("min_instances"),
        "max_instances": service.settings.get("max_instances"),
        "image_tag": tag_of(service.image),
        "deployed_at": service.deployed_at,
        "deployed_by": service.deployed_by,
        "declared": one.drift is not None,
        "drift": one.drift,
    }


def _row(one: ListedService, region: str, now: datetime) -> list[Segment | None]:
    service, state = one.service, state_of(one.service)
    drift: Segment = Styled("not declared", "dim") if one.drift is None else str(one.drift)
    if one.drift:
        drift = Styled(str(one.drift), "yellow")
    traffic = short_traffic(service)
    return [
        service.name,
        Styled(state, _STYLES[state]),
        traffic if service.follows_latest else Styled(traffic, "yellow"),
        instances(service),
        image_tag(service),
        drift,
        service.latest_ready_revision,
        ago(now, service.deployed_at),
        short_name(service.deployed_by),
        region,
    ]

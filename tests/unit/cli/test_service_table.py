"""The table of `services list`: rows are written as regions answer, below one heading."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING

from nbactl.cli.services.look.command import ListedRegion, ListedService
from nbactl.cli.services.look.listing import ServiceTable
from nbactl.cli.show.console import Console
from nbactl.ports.services import DeployedService, Traffic

if TYPE_CHECKING:
    import pytest

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def region(name: str, *services: str) -> ListedRegion:
    rows = []
    for service in services:
        traffic = (Traffic(100, None),)
        deployed = DeployedService(service, "https://x", {}, frozenset(), f"{service}-1", f"{service}-1", traffic, "1")
        rows.append(ListedService(deployed, 0))
    return ListedRegion(name, tuple(rows))


def test_rows_of_a_region_are_written_before_the_next_region_answers() -> None:
    out = StringIO()
    table = ServiceTable(
        Console(environ={}, stdout=out, stderr=StringIO()), NOW, expected=("a-service-with-a-long-name", "short")
    )
    table.add(region("us-west2", "short"))
    first = out.getvalue().splitlines()
    assert [line.split()[0] for line in first] == ["SERVICE", "short"]
    table.add(region("us-central1"))
    table.add(region("us-west1", "a-service-with-a-long-name", "other"))
    lines = out.getvalue().splitlines()
    assert lines[:2] == first
    assert [line.split()[0] for line in lines[2:]] == ["a-service-with-a-long-name", "other"]
    assert {line.index("ready") for line in lines[1:]} == {first[0].index("STATE")}


def test_a_narrow_terminal_has_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "60")
    out, err = Terminal(), Terminal()
    table = ServiceTable(Console(environ={"TERM": "dumb"}, stdout=out, stderr=err), NOW, expected=("a-long-name" * 2,))
    table.add(region("us-west2", "one", "two", "three"))
    table.add(region("us-west1", "four"))
    table.end()
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["SERVICE", "one", "two", "three", "four"]
    assert max(map(len, lines)) <= 60
    assert "columns hidden" in err.getvalue()

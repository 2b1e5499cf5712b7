"""A rollback says of newer revisions why they are not chosen, and nothing of those that are older than its goal."""

from __future__ import annotations

from datetime import UTC, datetime

from nbactl.deployments.traffic import previous_ready
from nbactl.ports.services import DeployedService, Revision, Traffic

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def revision(name: str, *, problem: str | None = None) -> Revision:
    return Revision(name, NOW, problem is None, problem, {}, frozenset(), {}, "")


def test_only_what_is_newer_than_the_goal_is_passed_over() -> None:
    service = DeployedService("s", "http://s", {}, frozenset(), "s-5", "s-5", (Traffic(100, None),), "1")
    broken = revision("s-4", problem="it crashes"), revision("s-2", problem="it hangs")
    revisions = [revision("s-5"), broken[0], revision("s-3"), broken[1], revision("s-1")]
    previous = previous_ready(service, revisions, None)
    assert (previous.revision.name, previous.passed_over) == ("s-3", ("s-4 is not ready: it crashes",))

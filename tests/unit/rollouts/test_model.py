from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nbactl.errors import ConfigError, DataError
from nbactl.rollouts.health import parse_urls
from nbactl.rollouts.model import (
    Rollout,
    RolloutAction,
    RolloutEntry,
    RolloutGuard,
    RolloutStage,
    RolloutStatus,
    fields_of,
    rollout_of,
)

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
ROLLOUT = Rollout(
    key="query_caching",
    status=RolloutStatus.RUNNING,
    stages=(RolloutStage(10.0, 60.0), RolloutStage(100.0, 60.0)),
    guards=(RolloutGuard("failures", "workflow_failure_rate", 0.02, 3600.0, 50),),
    stage=1,
    entered_at=NOW,
    started_at=NOW,
    before=0.0,
    was_enabled=True,
    flag_version=1,
    version=1,
    alerted_version=1,
    history=(RolloutEntry(NOW, RolloutAction.START, 10.0, "ann", "new"),),
)


def test_a_rollout_is_the_same_after_it_was_kept() -> None:
    assert rollout_of("rollouts/query_caching", fields_of(ROLLOUT)) == ROLLOUT


@pytest.mark.parametrize(
    "damage",
    [{"status": "going"}, {"stage": 7}, {"stages": "all"}, {"guards": [{"name": "x"}]}, {"history": [{"at": 1}]}],
)
def test_a_damaged_one_is_refused_with_the_way_out(damage: dict[str, object]) -> None:
    with pytest.raises(DataError, match="cannot be read") as refused:
        rollout_of("rollouts/query_caching", {**fields_of(ROLLOUT), **damage})
    assert refused.value.next_step == "Start it again: nbactl flags rollout start query_caching --force"


def test_addresses_of_services_are_read_by_name() -> None:
    assert parse_urls(" worker=https://w.example/ , c=http://127.0.0.1:8080,") == {
        "worker": "https://w.example", "c": "http://127.0.0.1:8080"
    }  # fmt: skip


@pytest.mark.parametrize("text", ["worker", "=https://x", "worker=", "worker=ftp://x"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not NAME=URL"):
        parse_urls(text)

"""What minimum instances cost, and what a service can take at once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.cloudrun.resources import resources_of
from nbactl.deployments.effects import scale_effect
from nbactl.deployments.prices import PRICES_FILE, instance_prices
from nbactl.errors import ConfigError
from nbactl.ports.measurements import RequestStats
from nbactl.ports.services import DeployedService, Resources

if TYPE_CHECKING:
    from pathlib import Path

ONE = Resources(1.0, 1.0)


def service(name: str = "any", **fields: Any) -> DeployedService:
    return DeployedService(name, "", {}, frozenset(), None, None, [], "1", region="us-west1", **fields)


def test_an_idle_instance_costs_by_region_and_by_the_way_of_billing() -> None:
    prices = instance_prices()
    month = 730 * 3600
    assert prices.a_month("us-west1", ONE, 1) == Decimal("13.14") == round(Decimal("0.000005") * month, 2)
    assert prices.a_month("us-west2", ONE, 2) == Decimal("36.79")
    assert prices.a_month("somewhere", ONE, 1) == prices.a_month("us-west2", ONE, 1), "as the dearest"
    assert prices.a_month("us-west1", Resources(1.0, 1.0, always_billed=True), 1) == Decimal("52.56")
    assert prices.a_month("us-west1", ONE, 0) == 0


def test_a_price_list_with_a_mistake_is_refused_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(PRICES_FILE.read_text().replace("memory: 0.0000025", "memory: -1"))
    with pytest.raises(ConfigError, match=r"prices\.yaml"):
        instance_prices(file)


def test_what_is_not_set_counts_with_the_defaults_of_the_platform() -> None:
    effect = scale_effect(service(), {"concurrency": 10}, {})
    assert (effect.before.workers, effect.after.workers) == (8000, 1000)
    assert effect.assumed
    assert list(effect.sentences())[1] == "requests a minute: not known, because no request was measured"


def test_measured_seconds_are_weighted_by_requests_and_win_over_typical_ones() -> None:
    settings: Any = {"max_instances": 10, "concurrency": 1}
    stats = {"r1": RequestStats(30, 0, 1.0, 2.0), "r2": RequestStats(10, 0, 5.0, 6.0), "r3": RequestStats(0, 0)}
    effect = scale_effect(service("prediction-worker", settings=settings), {}, stats)
    assert (effect.seconds, effect.measured, effect.before.a_minute) == (2.0, True, 300.0)
    assert effect.requests == "players"
    effect = scale_effect(service("prediction-coordinator", settings=settings), {}, {})
    assert (effect.seconds, effect.measured, effect.requests) == (44, False, "requests")


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([{"resources": {"limits": {"cpu": "1000m", "memory": "512Mi"}}}], Resources(1.0, 0.5)),
        ([{}], Resources(1.0, 0.5)),
        ([{"resources": {"limits": {"cpu": "2", "memory": "4Gi"}, "cpuIdle": False}}, {}], Resources(3.0, 4.5, True)),  # noqa: FBT003
        ([{"resources": {"limits": {"cpu": "many"}}}], None),
        ([], None),
    ],
)
def test_the_resources_of_all_containers_are_added(containers: list[Any], expected: Resources | None) -> None:
    assert resources_of({"containers": containers}) == expected

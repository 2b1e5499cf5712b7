"""What minimum instances cost on Cloud Run, and what a request takes on a normal night: prices.yaml."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from nbactl.config.base import NOT_EMPTY, Convert, Strict, above
from nbactl.config.problems import config_error
from nbactl.config.source import read_positions
from nbactl.config.validate import validate

if TYPE_CHECKING:
    from nbactl.ports.services import Resources

PRICES_FILE: Final = Path(__file__).with_name("prices.yaml")
_HOURS: Final = 730
"""Hours of a month, as Google's price calculator counts them."""
_CENT: Final = Decimal("0.01")
Price = Annotated[float, above(0)]


def _date(value: Any) -> date:  # noqa: ANN401 - raw YAML
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError("write a date as YYYY-MM-DD") from error


as_date: Final = Convert(_date)


class InstancePrice(Strict):
    """US dollars for a second: of each vCPU, and of each GiB of memory."""

    cpu: Price
    memory: Price

    def a_second(self, resources: Resources) -> float:
        """Return the price of an instance for a second."""
        return self.cpu * resources.cpu + self.memory * resources.memory


class PriceTier(Strict):
    """The prices of the regions of one tier, by the way of billing."""

    idle: InstancePrice
    always: InstancePrice


class InstancePrices(Strict):
    """prices.yaml of this folder."""

    as_of: Annotated[date, as_date]
    tiers: Annotated[dict[str, PriceTier], NOT_EMPTY]
    regions: Annotated[dict[str, str], NOT_EMPTY]
    typical_seconds: dict[str, Price]
    players: tuple[str, ...]

    def a_month(self, region: str, resources: Resources, instances: float) -> Decimal:
        """Return what so many idle instances cost in a month, in US dollars."""
        dearest = max(self.tiers.values(), key=lambda tier: tier.idle.a_second(resources))
        tier = self.tiers.get(self.regions.get(region, ""), dearest)
        price = tier.always if resources.always_billed else tier.idle
        cost = price.a_second(resources) * instances * _HOURS * 3600
        return Decimal(str(cost)).quantize(_CENT, ROUND_HALF_UP)


@cache
def instance_prices(path: Path = PRICES_FILE) -> InstancePrices:
    """Return the price list. Raises ConfigError that names every problem of the file with line and column."""
    positions, problems = read_positions(path)
    if positions is None:
        raise config_error(problems)
    file, _, more = validate(InstancePrices, positions)
    if more or problems or file is None:
        raise config_error([*problems, *more])
    return file

"""What a query costs on BigQuery: prices.yaml, and how bytes are rounded up."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from nbactl.config.base import NOT_EMPTY, Convert, Pattern, Strict, above
from nbactl.config.problems import config_error
from nbactl.config.source import read_positions
from nbactl.config.validate import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

PRICES_FILE: Final = Path(__file__).with_name("prices.yaml")
_TIB: Final = 2**40
_MIB: Final = 2**20
_LEAST_BILLED: Final = 10 * _MIB
"""A query that reads anything is billed for 10 MB at least ("Charges are rounded up" of the pricing page)."""
_CENT_OF_A_CENT: Final = Decimal("0.0001")


def _date(value: Any) -> date:  # noqa: ANN401 - raw YAML
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError("write a date as YYYY-MM-DD") from error


as_date: Final = Convert(_date)
Location = Annotated[str, Pattern(re.compile(r"[a-z][a-z0-9-]*"))]


Price = Annotated[float, above(0)]
EDITIONS: Final = ("standard", "enterprise", "enterprise_plus")


class Editions(Strict):
    """US dollars for an hour of a slot, as you go, in each edition."""

    standard: Price
    enterprise: Price
    enterprise_plus: Price


class PricesFile(Strict):
    """prices.yaml. Prices are US dollars per TiB, and per hour of a slot."""

    as_of: Annotated[date, as_date]
    usd_per_tib: Annotated[dict[Location, Price], NOT_EMPTY]
    usd_per_slot_hour: Annotated[dict[Location, Editions], NOT_EMPTY]


@dataclass(frozen=True, slots=True)
class Prices:
    """The price of bytes and slots in one location. `as_of` is when the list was true; `editions` by name."""

    location: str
    usd_per_tib: Decimal
    as_of: date
    editions: Mapping[str, Decimal] = field(default_factory=dict)

    def of(self, read: int) -> Decimal:
        """Return the price in US dollars of a query that reads so many bytes, rounded to a hundredth of a cent."""
        return (self.usd_per_tib * billed_bytes(read) / _TIB).quantize(_CENT_OF_A_CENT, ROUND_HALF_UP)

    def billed(self, count: int) -> Decimal:
        """Return the price in US dollars of bytes that were billed."""
        return (self.usd_per_tib * count / _TIB).quantize(_CENT_OF_A_CENT, ROUND_HALF_UP)

    def capacity(self, slot_hours: float) -> dict[str, Decimal]:
        """Return what so many hours of a slot cost in each edition, in US dollars.

        A reservation costs more: it is paid while it is scaled up, in steps of 50 slots and for a minute at least
        (https://cloud.google.com/bigquery/docs/slots-autoscaling-intro).
        """
        hours = Decimal(str(slot_hours))
        return {name: (price * hours).quantize(_CENT_OF_A_CENT, ROUND_HALF_UP) for name, price in self.editions.items()}

    def bytes_for(self, usd: Decimal) -> int:
        """Return how many bytes may be read for so much: BigQuery's limit for a query, in whole MiB."""
        return max(_LEAST_BILLED, int(usd * _TIB / self.usd_per_tib) // _MIB * _MIB)


def billed_bytes(read: int) -> int:
    """Return the bytes that BigQuery bills for a query that reads so many."""
    return 0 if read <= 0 else max(_LEAST_BILLED, math.ceil(read / _MIB) * _MIB)


@cache
def load_prices(path: Path = PRICES_FILE) -> PricesFile:
    """Return the price list. Raises ConfigError that names every problem of the file with line and column."""
    positions, problems = read_positions(path)
    if positions is None:
        raise config_error(problems)
    file, _, more = validate(PricesFile, positions)
    if more or problems or file is None:
        raise config_error([*problems, *more])
    return file


def prices_in(location: str, file: PricesFile | None = None) -> Prices:
    """Return the prices of a location; of one that is not listed, the dearest price of all."""
    listed = file or load_prices()
    by_location: Mapping[str, float] = listed.usd_per_tib
    price = by_location.get(location.lower(), max(by_location.values()))
    slots = listed.usd_per_slot_hour
    dearest = max(slots.values(), key=lambda editions: editions.enterprise)
    editions = slots.get(location.lower(), dearest)
    by_edition = {name: Decimal(str(getattr(editions, name))) for name in EDITIONS}
    return Prices(location, Decimal(str(price)), listed.as_of, by_edition)

"""The price list, and how bytes are rounded up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import ConfigError
from nbactl.warehouse.prices import billed_bytes, load_prices, prices_in

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20
SLOTS = """usd_per_slot_hour:
  us: {standard: 1, enterprise: 2, enterprise_plus: 3}
  eu: {standard: 4, enterprise: 5, enterprise_plus: 6}
"""


def test_the_shipped_list_has_the_region_of_the_pipeline() -> None:
    prices = prices_in("us-west2")
    assert prices.usd_per_tib > 0
    assert prices.of(2**40) == prices.usd_per_tib.quantize(Decimal("0.0001"))
    assert prices_in("US-WEST2").usd_per_tib == prices.usd_per_tib


def test_every_key_of_the_file_counts(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(f"as_of: 2030-05-06\nusd_per_tib: {{us: 5, eu: 7.5}}\n{SLOTS}")
    listed = load_prices(file)
    assert prices_in("us", listed).of(2**40) == 5
    assert prices_in("us", listed).as_of == date(2030, 5, 6)
    assert prices_in("mars", listed).usd_per_tib == Decimal("7.5")
    assert prices_in("us", listed).capacity(2) == {"standard": 2, "enterprise": 4, "enterprise_plus": 6}
    assert prices_in("mars", listed).editions["standard"] == 4


@pytest.mark.parametrize(
    "text",
    ["as_of: soon\nusd_per_tib: {us: 5}\n", "as_of: 2030-05-06\nusd_per_tib: {us: 0}\n", "usd_per_tib: {us: 5}\n",
     "as_of: 2030-05-06\nusd_per_tib: {us: 5}\nusd_per_gib: 3\n",
     "as_of: 2030-05-06\nusd_per_tib: {us: 5}\nusd_per_slot_hour: {}\n"],
)  # fmt: skip
def test_a_wrong_file_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text if "usd_per_slot_hour" in text else f"{text}{SLOTS}")
    with pytest.raises(ConfigError):
        load_prices(file)


def test_bytes_are_billed_in_whole_mebibytes_and_ten_at_least() -> None:
    assert [billed_bytes(read) for read in (0, 1, 10 * MIB, 10 * MIB + 1)] == [0, 10 * MIB, 10 * MIB, 11 * MIB]


def test_a_price_buys_the_bytes_that_it_is_the_price_of() -> None:
    prices = prices_in("us-west2")
    most = prices.bytes_for(Decimal("0.05"))
    assert prices.of(most) <= Decimal("0.05") < prices.of(most + 20 * MIB)
    assert prices.bytes_for(Decimal(0)) == 10 * MIB

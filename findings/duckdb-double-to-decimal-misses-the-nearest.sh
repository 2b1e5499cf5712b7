#!/usr/bin/env bash
# DuckDB 2.0.0 casts a DOUBLE to DECIMAL(38,9) by a multiplication in floating point: the last digits are often not those
# of the nearest decimal.
#
# Of 4,000 repeatable values between 0 and 1,000,000 178 differ in the ninth digit from the correctly rounded
# decimal of the DOUBLE (Python's decimal module). Going through text with enough digits, printf('%.30f', x), gives the
# right one for all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.0

"$folder/venv/bin/python" - <<'PYTHON'
from decimal import ROUND_HALF_UP, Decimal, localcontext
from random import Random

import duckdb

rng = Random(1)
values = [rng.uniform(0, 1_000_000) for _ in range(4000)]
with localcontext() as context:
    context.prec = 60
    exact = [Decimal(value).quantize(Decimal("1e-9"), rounding=ROUND_HALF_UP) for value in values]


def misses(expression: str) -> int:
    rows = duckdb.execute(f"SELECT CAST({expression} AS DECIMAL(38,9)) FROM (SELECT UNNEST($v) AS x)", {"v": values})
    return sum(found != wanted for (found,), wanted in zip(rows.fetchall(), exact, strict=True))


direct, by_text = misses("x"), misses("printf('%.30f', x)")
print(f"of {len(values)} values differ: {direct} by a direct cast, {by_text} through text")
assert direct > 100
assert by_text == 0
PYTHON

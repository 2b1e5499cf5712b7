"""Each rule over SQL reports its bad cases and none of its good ones.

That Google's own grammar agrees about syntax: tests/integration/adapters/bigquery/test_googlesql.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nbactl.checks.code.content import analyse
from nbactl.checks.sql import rules as package
from nbactl.checks.sql.rules import SQL_RULES
from nbactl.checks.sql.tables import Tables, known_table
from nbactl.warehouse.tables import load_tables

TABLES = Tables(known_table(schema, size=12_400_000_000) for schema in load_tables().values())
CASES = [
    (rule.name, expected, case)
    for rule in SQL_RULES
    for expected, cases in ((True, rule.bad), (False, rule.good))
    for case in cases
]


@pytest.mark.parametrize(("name", "expected", "case"), CASES, ids=[f"{name}-{expected}" for name, expected, _ in CASES])
def test_a_case_is_found_or_left_alone(name: str, expected: bool, case: str) -> None:
    found = {located.hit.rule for located in analyse(case.encode(), "sql", TABLES).hits}
    assert (name in found) is expected, f"{case}\nfound: {found}"
    assert "not-parsed" not in found


def test_every_file_of_rules_is_asked() -> None:
    files = {path.stem for path in Path(package.__path__[0]).glob("[a-z]*.py")}
    assert files == {rule.name.replace("-", "_") for rule in SQL_RULES}

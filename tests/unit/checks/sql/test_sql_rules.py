"""Each rule over SQL reports its bad cases and none of its good ones, and Google's own grammar agrees."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbactl.checks.code.content import analyse
from nbactl.checks.sql import rules as package
from nbactl.checks.sql.rules import SQL_RULES
from nbactl.checks.sql.tables import Tables, known_table
from nbactl.warehouse.tables import load_tables
from tests.kit.googlesql import refusal_of_script

TABLES = Tables(known_table(schema, size=12_400_000_000) for schema in load_tables().values())
CASES = [
    (rule.name, expected, case)
    for rule in SQL_RULES
    for expected, cases in ((True, rule.bad), (False, rule.good))
    for case in cases
]
RUNS_ALL_THE_SAME = {"DELETE FROM d.t", "UPDATE d.t SET a = 1", "SELECT a FROM d.t UNION SELECT a FROM d.u"}
"""What the open grammar takes with all of its features, and BigQuery refuses."""


@pytest.mark.parametrize(("name", "expected", "case"), CASES, ids=[f"{name}-{expected}" for name, expected, _ in CASES])
def test_a_case_is_found_or_left_alone(name: str, expected: bool, case: str) -> None:
    found = {located.hit.rule for located in analyse(case.encode(), "sql", TABLES).hits}
    assert (name in found) is expected, f"{case}\nfound: {found}"
    assert "not-parsed" not in found


def test_every_file_of_rules_is_asked() -> None:
    files = {path.stem for path in Path(package.__path__[0]).glob("[a-z]*.py")}
    assert files == {rule.name.replace("-", "_") for rule in SQL_RULES}


def test_google_refuses_what_is_called_another_databases_syntax_and_takes_every_other_case() -> None:
    for name, expected, case in CASES:
        refused = refusal_of_script(case.replace("{conditions}", "TRUE"))
        statement = case.strip()
        of_names = " AS id " in case and "WHERE" in case  # the grammar does not look at names
        if name == "not-bigquery" and expected and statement not in RUNS_ALL_THE_SAME and not of_names:
            assert refused is not None, case
        elif not (name == "clustering-columns" and expected):
            assert refused is None, f"{case}: {refused}"

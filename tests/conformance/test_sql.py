"""Everything that the local warehouse lists gives BigQuery's answer, and what is not listed is refused by name."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlglot import exp  # noqa: TID253 - the operators of the list are its classes

from nbactl.adapters.duckdb.dialect import translate_query
from nbactl.adapters.duckdb.sql.expressions import RULES
from nbactl.adapters.duckdb.sql.functions.instead import INSTEAD
from nbactl.adapters.duckdb.sql.parse import parse
from nbactl.adapters.duckdb.sql.types import SCALARS
from nbactl.errors import DataError, NotFoundError
from tests.kit.sql_proofs import PAGE, ROOMS, functions, page, proofs
from tests.kit.warehouse_process import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse

TIMEOUT: Final = 60.0
_NO_PROOF: Final = {
    exp.CurrentDatetime: "it is CURRENT_DATETIME()",
    exp.CurrentTimestamp: "it is CURRENT_TIMESTAMP()",
}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbWarehouse]:
    path: Path = tmp_path_factory.mktemp("warehouse") / "w.duckdb"
    warehouse = open_warehouse(path)
    yield warehouse
    warehouse.close()


def same(found: Any, wanted: Any) -> bool:
    """Say whether two values are equal, type included; FLOAT64 up to what the order of operations changes."""
    if isinstance(found, (list, tuple)) and isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(found, float) and isinstance(wanted, float) and math.isfinite(wanted):
        return math.isclose(found, wanted, rel_tol=1e-14)
    if isinstance(found, float) and isinstance(wanted, float):
        return str(found) == str(wanted)
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[key], wanted[key]) for key in found)
    return type(found) is type(wanted) and found == wanted


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_what_is_listed_gives_the_documented_answer(local: DuckDbWarehouse, room: str) -> None:
    wrong: list[Any] = []
    for proof in proofs():
        if proof.room != room:
            continue
        try:
            result = local.query(proof.sql, timeout=TIMEOUT)
        except (DataError, NotFoundError) as error:
            if proof.want is not None:
                wrong.append((proof.sql, error.message, error.cause))
            continue
        if proof.want is None or not same(result.rows, proof.want):
            wrong.append((proof.sql, result.rows, proof.want))
        elif proof.columns is not None and list(result.columns) != proof.columns:
            wrong.append((proof.sql, result.columns, proof.columns))
    assert wrong == []


def test_every_listed_function_has_proofs_and_every_proof_is_of_a_listed_function() -> None:
    proved = {
        (proof.entry, proof.see)
        for proof in proofs()
        if proof.room not in ("operators", "clauses") and proof.want is not None
    }
    assert proved == {(name, section) for name, (section, _) in functions().items()}
    unused = [
        proof.sql
        for proof in proofs()
        if (proof.entry, proof.see) in proved
        and proof.want is not None
        and proof.entry not in translate_query(proof.sql, {}, lambda _: ()).functions
    ]
    assert unused == []


def test_every_listed_operator_has_a_proof() -> None:
    seen = {type(node) for proof in proofs() if proof.want is not None for node in parse(proof.sql).walk()}
    outside = {exp.Parameter, *_NO_PROOF}  # parameters are in the suite of the port
    assert {rule.__name__ for rule in RULES.keys() - seen - outside} == set()


def test_every_type_is_the_result_of_a_proof() -> None:
    given = {
        str(kind).partition("<")[0]
        for proof in proofs()
        if proof.want is not None
        for _, kind in translate_query(proof.sql, {}, lambda _: ()).columns
    }
    assert given - {"NULL"} == {*SCALARS.keys() - {"INTERVAL"}, "ARRAY", "STRUCT"}


@pytest.mark.parametrize("name", sorted(INSTEAD))
def test_a_function_that_cannot_be_equal_is_refused_with_an_alternative(local: DuckDbWarehouse, name: str) -> None:
    with pytest.raises(DataError, match=rf"cannot answer {name} as BigQuery does \(line 2, column 3\)") as caught:
        local.query(f"SELECT\n  {name}(1) AS x", timeout=TIMEOUT)
    assert caught.value.next_step == INSTEAD[name]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT SOUNDEX('a')", "SOUNDEX"),
        ("SELECT NET.HOST('a')", "NET.HOST"),
        ("SELECT CAST(1 AS BIGNUMERIC)", "BIGNUMERIC"),
        ("SELECT CAST(1 AS NUMERIC(10, 2))", "the type"),
        ("SELECT CAST(DATE '2024-01-01' AS STRING FORMAT 'YYYY')", "FORMAT of CAST"),
        ("SELECT INTERVAL 1 DAY", "INTERVAL"),
        ("SELECT TIMESTAMP '2024-01-01 00:00:00+00' + INTERVAL 1 DAY", "INTERVAL"),
        ("SELECT DATE '2024-01-02' - DATE '2024-01-01'", "DATE - DATE"),
        ("SELECT 1 & 2", "BITWISEAND"),
        ("SELECT FORMAT_DATE('%J', DATE '2024-01-01')", "%J"),
        ("SELECT FORMAT_DATE(f, DATE '2024-01-01') FROM UNNEST(['%F']) AS f", "a format that is not a literal"),
        ("SELECT DATE(TIMESTAMP '2024-01-01 00:00:00+00', z) FROM UNNEST(['UTC']) AS z", "a time zone"),
        ("SELECT REGEXP_EXTRACT('a', p) FROM UNNEST(['a']) AS p", "a pattern that is not a literal"),
        ("SELECT JSON_VALUE('{}', '$..a')", "JSONPath"),
        ("SELECT SAFE.ROUND(1.5)", "SAFE.ROUND"),
        ("SELECT POW(NUMERIC '2', 2)", "POW of NUMERIC"),
        ("SELECT [1] = [1]", "= of ARRAY"),
        ("SELECT x FROM UNNEST([1]) AS x TABLESAMPLE SYSTEM (10 PERCENT)", ""),
        ("SELECT * FROM (SELECT 1 AS a) PIVOT(SUM(a) FOR a IN (1))", "PIVOT"),
        ("SELECT COUNT(*) FROM UNNEST([1]) AS x GROUP BY CUBE(x)", "GROUP BY CUBE"),
        ("SELECT SUM(x) FILTER (WHERE x > 1) FROM UNNEST([1]) AS x", "FILTER"),
        ("WITH RECURSIVE t AS (SELECT 1 AS x) SELECT x FROM t", "RECURSIVE"),
        ("SELECT t FROM (SELECT 1 AS a) AS t", "a whole row"),
        ("SELECT RAND()", "RAND"),
    ],
)
def test_what_is_not_listed_is_refused_by_name(local: DuckDbWarehouse, sql: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        local.query(sql, timeout=TIMEOUT)
    assert what in caught.value.message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "1 / (" * 15 + "2.0" + ")" * 15,
        "SELECT " + "DATE_ADD(" * 15 + "DATE '2024-01-01'" + ", INTERVAL 1 DAY)" * 15,
        "SELECT " + "(" * 2000 + "1" + ")" * 2000,
    ],
)
def test_what_is_nested_beyond_what_can_be_computed_is_refused_at_once(local: DuckDbWarehouse, sql: str) -> None:
    with pytest.raises(DataError, match="nested"):
        local.query(sql, timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("sql", "message", "cause"),
    [
        ("SELECT x, COUNT(*) FROM UNNEST([1]) AS x", "not valid", "a column is neither in GROUP BY nor"),
        ("SELECT x FROM UNNEST([1]) AS x WHERE COUNT(*) > 1", "not valid", "WHERE and ON cannot contain aggregate"),
        ("SELECT SUM(ROW_NUMBER() OVER ()) FROM UNNEST([1]) AS x", "not valid", "a window function is inside"),
        ("SELECT 9223372036854775807 + 1", "on these data", "a value is out of range for INT64"),
        ("SELECT CAST(9.3e18 AS INT64)", "on these data", "a value is out of range for INT64"),
        ("SELECT NUMERIC '9e28' * 10", "on these data", "a value is out of range for NUMERIC"),
        ("SELECT 1 / 0", "on these data", "^division by zero$"),
        ("SELECT (SELECT x FROM UNNEST([1, 2]) AS x)", "on these data", "gives more than one row"),
        ("SELECT DATE(TIMESTAMP '0001-01-01 00:00:00+00', '-05:00')", "on these data", "not in the years 1 to 9999"),
        ("SELECT 'abc", "line 1, column 8", "a ' is not closed"),
        ("SELECT 1 FROM", "line 1, column", "got the end"),
        ("SELECT 1 FROM t WHERE", "line 1, column", "WHERE has nothing behind it"),
    ],
)
def test_an_error_speaks_of_the_query_and_not_of_the_engine(
    local: DuckDbWarehouse, sql: str, message: str, cause: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        local.query(sql, timeout=TIMEOUT)
    assert re.search(cause, caught.value.cause or ""), caught.value.cause


def test_an_unknown_query_of_with_is_suggested(local: DuckDbWarehouse) -> None:
    with pytest.raises(DataError, match="no table gamse") as caught:
        local.query("WITH games AS (SELECT 1 AS x) SELECT x FROM gamse", timeout=TIMEOUT)
    assert caught.value.next_step == "Did you mean 'games'?"


def test_the_page_shows_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"

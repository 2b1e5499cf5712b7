#!/usr/bin/env bash
# sqlglot 30.30.0 translates BigQuery's NUMERIC and BIGNUMERIC to DuckDB types of another scale, without a warning.
#
# NUMERIC (38 digits, 9 of them fractional) becomes a bare DECIMAL, which is DECIMAL(18,3) in DuckDB, and BIGNUMERIC
# becomes DECIMAL(38, 5). CAST('0.0005' AS NUMERIC) so becomes 0.001 on DuckDB 2.0.0: the value is rounded, and nothing
# fails. A value of 16 digits before the point, which NUMERIC holds, is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.0 sqlglot==30.30.0

"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import sqlglot

for kind in ("NUMERIC", "BIGNUMERIC"):
    query = f"SELECT CAST('0.0005' AS {kind}), CAST('0.0000005' AS {kind})"
    (sql,) = sqlglot.transpile(query, read="bigquery", write="duckdb")
    print(f"{query}\n  {sql}\n  {[str(value) for value in duckdb.execute(sql).fetchone()]}")

(sql,) = sqlglot.transpile("SELECT CAST('0.0005' AS NUMERIC)", read="bigquery", write="duckdb")
assert sql == "SELECT CAST('0.0005' AS DECIMAL)", sql
assert str(duckdb.execute(sql).fetchone()[0]) == "0.001"
(sql,) = sqlglot.transpile("SELECT CAST('0.0000005' AS BIGNUMERIC)", read="bigquery", write="duckdb")
assert sql == "SELECT CAST('0.0000005' AS DECIMAL(38, 5))", sql
assert str(duckdb.execute(sql).fetchone()[0]) == "0.00000"
PYTHON

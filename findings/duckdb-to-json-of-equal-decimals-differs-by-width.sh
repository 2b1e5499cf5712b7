#!/usr/bin/env bash
# DuckDB 2.0.0 writes equal DECIMAL values to JSON with or without their trailing zeros, depending on the declared width.
#
# to_json(CAST('1.10' AS DECIMAL(15,2))) is 1.1, to_json(CAST('1.10' AS DECIMAL(16,2))) is 1.10: up to 15 digits the
# trailing zeros are dropped, above they are kept. The values compare as equal, and CAST(… AS VARCHAR) gives 1.10 for
# both. So a digest over to_json(row) changes when a DECIMAL column or a sum over it is given more digits, although no
# value changed. CAST to VARCHAR with the trailing zeros trimmed does not depend on the width.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.0

"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

narrow, wide = "CAST('1.10' AS DECIMAL(15,2))", "CAST('1.10' AS DECIMAL(16,2))"
row = duckdb.execute(
    f"SELECT {narrow} = {wide}, to_json({narrow})::VARCHAR, to_json({wide})::VARCHAR, "
    f"rtrim({narrow}::VARCHAR, '0') = rtrim({wide}::VARCHAR, '0')"
).fetchone()
print("equal: {}; as JSON: {} and {}; equal as trimmed text: {}".format(*row))
assert row == (True, "1.1", "1.10", True)
PYTHON

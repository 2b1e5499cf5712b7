#!/usr/bin/env bash
# With sqlglot[c] 30.30.0 a dialect of one's own that extends the parser cannot be used; without the extra it can.
#
# The extra installs sqlglotc, which has the parsers as compiled modules. A subclass of a compiled parser, which is how
# sqlglot documents dialects of one's own, can be defined, and raises TypeError when it is first made: "interpreted
# classes cannot inherit from compiled". So installing the extra for one program breaks another one of the environment.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"

cat > "$folder/own.py" <<'PYTHON'
import sqlglot
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.parsers.bigquery import BigQueryParser


class Own(BigQuery):
    class Parser(BigQueryParser):
        FUNCTIONS = {name: build for name, build in BigQueryParser.FUNCTIONS.items() if name != "DATE_TRUNC"}


try:
    print(sqlglot.parse_one("SELECT DATE_TRUNC(d, MONTH)", dialect=Own()).sql("bigquery"))
except TypeError as error:
    print(f"TypeError: {error}")
PYTHON

"$folder/venv/bin/pip" install -q --disable-pip-version-check sqlglot==30.30.0
plain=$("$folder/venv/bin/python" "$folder/own.py")
"$folder/venv/bin/pip" install -q --disable-pip-version-check "sqlglot[c]==30.30.0"
compiled=$("$folder/venv/bin/python" "$folder/own.py")
printf 'without the extra: %s\nwith the extra:    %s\n' "$plain" "$compiled"
[[ $plain == "SELECT DATE_TRUNC(d, MONTH)" ]]
[[ $compiled == *"TypeError: "* ]]

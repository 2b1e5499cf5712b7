#!/usr/bin/env bash
# DuckDB's Python package (2.0.0, built with nanobind) prints leak warnings at exit when the process called gc.freeze().
#
# gc.freeze() moves every tracked object out of the reach of the garbage collector; it is a documented way to spare a
# process the last search for garbage. With a duckdb connection still referenced by a module, the interpreter then never
# frees DuckDB's types, and the extension writes "nanobind: leaked N types!" and the like to stderr, although the program
# is correct and its exit code is 0. Without gc.freeze() the same program ends silently.
#
# Seen on Python 3.11.7: 0 lines on stderr without gc.freeze(), several that begin with "nanobind: leaked" with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.0

cat > "$folder/program.py" <<'PYTHON'
import gc
import sys

import duckdb

connection = duckdb.connect()
assert connection.execute("SELECT 42").fetchall() == [(42,)]
connection.close()
if "freeze" in sys.argv:
    gc.freeze()
PYTHON

"$folder/venv/bin/python" "$folder/program.py" 2> "$folder/plain"
"$folder/venv/bin/python" "$folder/program.py" freeze 2> "$folder/frozen"
plain=$(grep -c '^nanobind: leaked' "$folder/plain" || true)
frozen=$(grep -c '^nanobind: leaked' "$folder/frozen" || true)
echo "leak warnings at exit: $plain without gc.freeze(), $frozen with it"
[ "$plain" = 0 ] && [ "$frozen" -gt 0 ]

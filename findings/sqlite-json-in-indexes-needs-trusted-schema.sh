#!/usr/bin/env bash
# SQLite 3.40.1 calls a file malformed that has an index over json_valid() when PRAGMA trusted_schema is off.
#
# SQLite's documentation recommends to switch trusted_schema off, and lists its own JSON functions among the built-in
# ones. In 3.40.1 they are not marked as innocuous: with trusted_schema off, creating an index over json_valid(data) or
# json_extract(data, ...) fails with "unsafe use of json_valid()". A connection with trusted_schema on can create it; from
# then on a connection with trusted_schema off calls the file malformed. The pragma is per connection, so that a
# file may be usable by one program and not by another.
#
# Seen with Python 3.11.7 and its SQLite 3.40.1: "unsafe use of json_valid()", then "malformed database schema (i)". A newer SQLite may accept both.
set -euo pipefail
python3 - <<'PYTHON'
import os
import sqlite3
import sys
import tempfile

path = os.path.join(tempfile.mkdtemp(), "a.db")
INDEX = "CREATE INDEX i ON t (CASE WHEN json_valid(data) THEN json_extract(data, '$.a') END)"


def attempt(trusted: str, statement: str) -> str:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA trusted_schema = {trusted}")
    try:
        connection.execute(statement)
        connection.commit()
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()
    return "done"


attempt("ON", "CREATE TABLE t (data TEXT)")
created_off = attempt("OFF", INDEX)
created_on = attempt("ON", INDEX)
inserted_off = attempt("OFF", "INSERT INTO t VALUES ('{}')")
print(f"SQLite {sqlite3.sqlite_version}: create with OFF: {created_off}; with ON: {created_on}; insert with OFF: {inserted_off}")
sys.exit(0 if "unsafe use" in created_off and created_on == "done" and "unsafe use" in inserted_off else 1)
PYTHON

"""A process that looks at the files named on stdin and writes one line for each: `python -m nbactl.checks.code.worker`.

It imports the standard library and the rules alone, so that it starts fast and a crash of the parser ends only it.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

from nbactl.checks.code.content import analyse, digest_of, unreadable
from nbactl.checks.code.files import read
from nbactl.checks.sql.tables import Tables


def main() -> None:
    """Read kind and path of each file as JSON, and answer with its digest and analysis.

    For SQL the first line has the tables that are known.
    """
    tables = Tables.decode(json.loads(sys.stdin.readline())) if sys.argv[1:] == ["sql"] else None
    if tables is None:
        gc.disable()  # trees have no cycles; what a module binds is taken apart when it is done with
    for line in sys.stdin:
        kind, path = json.loads(line)
        try:
            content = read(Path(path))
        except OSError as error:
            found = ["", unreadable(error.strerror or str(error)).encode()]
        else:
            found = [digest_of(content, kind), analyse(content, kind, tables).encode()]
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

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


def main() -> None:
    """Read kind and path of each file as JSON, and answer with its digest and analysis."""
    gc.disable()  # trees have no cycles; what a module binds is taken apart when it is done with
    for line in sys.stdin:
        kind, path = json.loads(line)
        try:
            content = read(Path(path))
        except OSError as error:
            found = ["", unreadable(error.strerror or str(error)).encode()]
        else:
            found = [digest_of(content, kind), analyse(content, kind).encode()]
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

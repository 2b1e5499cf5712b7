"""Rules that ruff has: run once as a process, reported under the names of this project."""

from __future__ import annotations

from typing import Final

from nbactl.checks.code.rule import Rule

BARE_EXCEPT: Final = Rule(
    name="bare-except",
    severity="error",
    summary="`except:` without an exception.",
    why="It catches KeyboardInterrupt and SystemExit, too: Ctrl-C and SIGTERM do not end the work, and a bug looks like an answer.",
    fix="Name the exception that is expected. At a process boundary write `except Exception` and report it.",
    bad=("try:\n    work()\nexcept:\n    report()\n",),
    good=("try:\n    work()\nexcept ValueError:\n    report()\n",),
    ruff=("E722",),
)
BROAD_EXCEPT: Final = Rule(
    name="broad-except",
    severity="warning",
    summary="`except Exception` that neither raises nor logs the traceback.",
    why="A handler for everything also handles the bug that nobody foresaw, and hides where it is.",
    fix="Name the exceptions that are expected. At a process boundary log with the traceback (logger.exception).",
    bad=("try:\n    work()\nexcept Exception as error:\n    print(error)\n",),
    good=("try:\n    work()\nexcept Exception:\n    raise\n",),
    ruff=("BLE001",),
    in_tests=False,
)
HTTP_NO_TIMEOUT: Final = Rule(
    name="http-no-timeout",
    severity="error",
    summary="A request has no timeout.",
    why="requests waits forever for a server that accepts the connection and does not answer.",
    fix="Pass timeout= with the limit of timeouts.yaml (http.request), or call through a call policy.",
    bad=("import requests\nrequests.get(url)\n", "import requests\nrequests.post(url, timeout=None)\n"),
    good=("import requests\nrequests.get(url, timeout=limit)\n",),
    ruff=("S113",),
    in_tests=False,
)
NAIVE_DATETIME: Final = Rule(
    name="naive-datetime",
    severity="warning",
    summary="A time without a zone.",
    why="On a laptop it is local time and on Cloud Run UTC: comparisons, dates and deadlines are off by hours.",
    fix="Write datetime.now(UTC), or take the time from the clock that is passed in.",
    bad=(
        "import datetime\nnow = datetime.datetime.utcnow()\n",
        "from datetime import datetime\nnow = datetime.now()\n",
        "from datetime import datetime\nat = datetime.fromtimestamp(0)\n",
    ),
    good=("from datetime import datetime, timezone\nnow = datetime.now(timezone.utc)\n",),
    ruff=("DTZ",),
    in_tests=False,
)
RULES: Final = (BARE_EXCEPT, BROAD_EXCEPT, HTTP_NO_TIMEOUT, NAIVE_DATETIME)

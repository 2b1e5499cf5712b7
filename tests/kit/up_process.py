"""`nbactl up` with some of the services only, as a process of its own: `up_process.py STATE_DIR SERVICE…`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from nbactl.bootstrap import Container
from nbactl.bootstrap.up import Up, UpRequest
from nbactl.config.settings import load_settings


def main(folder: Path, services: tuple[str, ...]) -> None:
    settings = load_settings({"state_dir": str(folder)}, os.environ, folder)
    with Container(settings) as app:
        up = Up(app, UpRequest(None, services=services), lambda line: say(f"{line.service} {line.message}"))
        signal.signal(signal.SIGTERM, lambda *_: up.request_stop())
        say(up.run().outcome)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]))

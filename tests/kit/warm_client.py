"""`nbactl` on the PATH of a shell: `python -S warm_client.py SOCKET ARGUMENTS…` has the warm process be the command."""

from __future__ import annotations

import json
import os
import socket
import sys


def main(path: str, *arguments: str) -> int:
    """Run the command with the files, folder and environment of this process; returns its exit code."""
    request = json.dumps({"arguments": arguments, "cwd": os.getcwd(), "env": dict(os.environ)}).encode()  # noqa: PTH109 - pathlib takes longer to load than all of this
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            answer.readline()  # the pid
            code = int(answer.readline())
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

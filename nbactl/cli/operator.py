"""Who gives the command, as histories name them."""

from __future__ import annotations


def operator() -> str:
    """Return `user@host`; a user without a name is shown by number."""
    import getpass  # noqa: PLC0415 - few commands ask
    import os  # noqa: PLC0415
    import socket  # noqa: PLC0415

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid{os.getuid()}"
    return f"{user}@{socket.gethostname()}"

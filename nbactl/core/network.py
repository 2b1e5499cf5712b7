"""Which of Python's errors tell that the network, or who is behind it, did not answer."""

from __future__ import annotations

import errno
import sys
from typing import Final

_UNREACHABLE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ETIMEDOUT}
)
_LAZY: Final = (("socket", ("gaierror", "herror")), ("http.client", ("IncompleteRead", "BadStatusLine")))
"""Names that were not found, and answers that broke off. Who raised one has loaded its module."""


def is_network_failure(error: BaseException) -> bool:
    """Say whether `error` is a time-out, a connection that failed or broke off, or a name that was not found."""
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return True
    return any(
        isinstance(error, getattr(module, name))
        for loaded, names in _LAZY
        if (module := sys.modules.get(loaded)) is not None
        for name in names
    )

"""Parts of addresses that others wrote: one that cannot be read has no host."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def split_url(url: str) -> SplitResult:
    """Return the parts of an address; one that cannot be read is a path."""
    try:
        return urlsplit(url)
    except ValueError:  # such as http://[half-an-address
        return SplitResult("", "", url, "", "")


def host_of(url: str) -> str:
    """Return the name of the host."""
    return split_url(url).hostname or ""


def origin_of(url: str) -> str:
    """Return what comes before the path: scheme, host and port."""
    parts = split_url(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

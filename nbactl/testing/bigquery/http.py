"""Requests as the methods see them."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbactl.testing.bigquery.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent: `path` without its prefix and query, `raw` the body."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def json(self) -> dict[str, Any]:
        """The body. Raises ApiError if it is not a JSON object."""
        try:
            found = json.loads(self.raw or b"{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ApiError("badRequest", "Invalid JSON payload received.")
        return found

    @property
    def text(self) -> str:
        """Method, path and body, for tests that pick requests by a part of them."""
        return f"{self.method} {self.path}\n{self.raw.decode(errors='replace')}"

    @property
    def if_match(self) -> str | None:
        """The etag that the resource must have."""
        return self.headers.get("if-match")

    def number(self, name: str, otherwise: int) -> int:
        """Return a parameter that is a number. Raises ApiError for another text."""
        written = self.parameters.get(name)
        if written is None:
            return otherwise
        if not written.isdigit():
            raise ApiError("invalid", f"Invalid value '{written}' for {name}. Values must be at least 0")
        return int(written)

    def page(self, found: Sequence[T], otherwise: int = 1000) -> tuple[Sequence[T], dict[str, str]]:
        """Return the part of a list that this request asks for, and the token of the next part, if any."""
        start = offset(self.parameters.get("pageToken"))
        size = self.number("maxResults", otherwise)
        return found[start : start + size], next_token(start + size, len(found))


def next_token(start: int, total: int) -> dict[str, str]:
    """Return the token of what begins at `start`, nothing at the end."""
    if start >= total:
        return {}
    return {"nextPageToken": token_of(start)}


def token_of(start: int) -> str:
    """Return the token of a page."""
    return base64.urlsafe_b64encode(f"row:{start}".encode()).decode()


def offset(token: str | None) -> int:
    """Return where a page begins. Raises ApiError for a token that this server did not make."""
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("row:"))
    except (ValueError, binascii.Error):
        raise ApiError("invalid", "Invalid page token") from None

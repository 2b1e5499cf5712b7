"""Where the requests of a service go: shares as Cloud Run has them, and as the services port has them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nbactl.ports.services import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LATEST: Final = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
_REVISION: Final = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"


def shares_in_force(raw: Mapping[str, Any]) -> list[Traffic]:
    """Return where the requests of a service go now."""
    return [_read(status) for status in raw.get("trafficStatuses", ())]


def shares_asked_for(raw: Mapping[str, Any]) -> list[Traffic]:
    """Return where the requests of a service are to go: what was set last, in force or not."""
    return [_read(target) for target in raw.get("traffic", ())]


def with_tags(wanted: Sequence[Traffic], raw: Mapping[str, Any]) -> list[Traffic]:
    """Return the shares together with the tags that exist and that they do not name."""
    named = {share.tag for share in wanted}
    kept = [share for share in shares_asked_for(raw) if share.tag and share.tag not in named]
    return [*wanted, *(Traffic(0, share.revision, share.tag) for share in kept)]


def targets(shares: Iterable[Traffic], raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return shares as Cloud Run takes them. A target that stays keeps what this version does not know."""
    known = {_key(_read(target)): target for target in raw.get("traffic", ())}
    return [_target(share, known.get(_key(share), {})) for share in shares]


def is_same(one: Iterable[Traffic], other: Iterable[Traffic]) -> bool:
    """Say whether shares mean the same, however they are written."""
    return _meaning(one) == _meaning(other)


def _meaning(shares: Iterable[Traffic]) -> tuple[Counter[str | None], dict[str, str | None]]:
    percent: Counter[str | None] = Counter()
    tags = {}
    for share in shares:
        percent[share.revision] += share.percent
        if share.tag:
            tags[share.tag] = share.revision
    return +percent, tags


def _read(raw: Mapping[str, Any]) -> Traffic:
    """Return a share. It may have the full name of its revision."""
    revision = None if raw.get("type") == _LATEST else raw.get("revision", "").rpartition("/")[2] or None
    return Traffic(raw.get("percent", 0), revision, raw.get("tag") or None)


def _key(share: Traffic) -> tuple[str | None, str | None]:
    return share.revision, share.tag


def _target(share: Traffic, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return a target; Cloud Run's answers do not have zeros."""
    kind = _REVISION if share.revision else _LATEST
    made = {"type": kind, "revision": share.revision, "percent": share.percent, "tag": share.tag}
    return {key: value for key, value in {**known, **made}.items() if value or key not in made}

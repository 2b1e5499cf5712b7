"""Alerts that were sent to a channel outside of this process: they are messages of the outbox, and kept as long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbactl.core.alerts import topic_of
from nbactl.core.outbox.messages import COLLECTION as OUTBOX
from nbactl.errors import DataError
from nbactl.frozen import frozen
from nbactl.ports.documents import Filter, Order, Query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.ports.documents import Document, Reader


@frozen
class SentAlert:
    """An alert in the outbox. `sent_at` is None while it waits; `problem` is then what the channel answered last."""

    key: str
    severity: str
    title: str
    channel: str
    raised_at: datetime
    sent_at: datetime | None
    problem: str | None


def sent_alerts(store: Reader, channel: str, since: datetime, limit: int) -> Sequence[SentAlert]:
    """Return the alerts of a channel since then, the newest first, by one query."""
    wanted = (Filter("topic", "==", topic_of(channel)), Filter("created_at", ">=", since))
    newest = (Order("created_at", descending=True),)
    found = (_alert(document, channel) for document in store.query(Query(OUTBOX, wanted, newest, limit=limit)))
    return [alert for alert in found if alert is not None]


def _alert(document: Document, channel: str) -> SentAlert | None:
    try:
        data = document.data
        alert = json.loads(data["data"])
        return SentAlert(
            alert["key"],
            alert["severity"],
            alert["title"],
            channel,
            data["created_at"],
            data.get("published_at"),
            data.get("last_error"),
        )
    except (DataError, KeyError, TypeError, ValueError):
        return None  # `nbactl outbox list` shows what cannot be read

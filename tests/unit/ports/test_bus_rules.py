"""Which messages go together in one request."""

from __future__ import annotations

import pytest

from nbactl.errors import DataError
from nbactl.ports.bus import OutgoingMessage
from nbactl.ports.bus_rules import MOST_DATA, MOST_MESSAGES, in_requests


def test_a_request_has_at_most_so_many_messages_in_their_order() -> None:
    messages = [OutgoingMessage(str(number).encode()) for number in range(2 * MOST_MESSAGES + 1)]
    groups = in_requests(messages)
    assert [len(group) for group in groups] == [MOST_MESSAGES, MOST_MESSAGES, 1]
    assert [message for group in groups for message in group] == messages
    assert in_requests([]) == []


def test_a_request_has_at_most_so_many_bytes() -> None:
    third = OutgoingMessage(b"x" * (MOST_DATA // 3), {"n": "v" * 100})
    assert [len(group) for group in in_requests([third] * 5)] == [2, 2, 1]
    largest = OutgoingMessage(b"x" * MOST_DATA)
    assert [len(group) for group in in_requests([largest, OutgoingMessage(b"y"), largest])] == [1, 1, 1]


def test_one_message_that_pubsub_refuses_refuses_all() -> None:
    with pytest.raises(DataError, match="bytes"):
        in_requests([OutgoingMessage(b"x"), OutgoingMessage(b"x" * (MOST_DATA + 1))])

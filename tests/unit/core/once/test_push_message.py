from __future__ import annotations

import pytest

from nbactl.core.service.push import PushMessage
from nbactl.errors import DataError


def test_an_attribute_that_is_missing_or_empty_is_named_with_those_that_are_there() -> None:
    message = PushMessage("7", b"", {"player": "lebronjames", "batch": ""})
    assert message.attribute("player") == "lebronjames"
    for name in ("batch", "date"):
        with pytest.raises(DataError, match=f"message 7 has no attribute '{name}'") as refused:
            message.attribute(name)
        assert refused.value.cause == "Its attributes: batch, player."


def test_data_are_read_as_a_json_object() -> None:
    assert PushMessage("7", '{"points": 25.5, "name": "Jokić"}'.encode()).json() == {"points": 25.5, "name": "Jokić"}


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1]", b"null", b'"text"'])
def test_data_that_are_no_json_object_are_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="the data of message 7 are not"):
        PushMessage("7", data).json()

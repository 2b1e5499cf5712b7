from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nbactl.core._support.ids import MAX_BYTES, decode_id, encode_id
from nbactl.errors import DataError
from nbactl.ports.document_rules import split_document

PIECES = ["%", "/", ".", "_", "__", "%2F", "%25", "%5F", "%2E", "a", "é", "🏀", "\x00", "\n"]
IDS = st.one_of(st.text(min_size=1, max_size=40), st.lists(st.sampled_from(PIECES), min_size=1).map("".join))


@given(IDS)
@example("__x__")
@example("____")
@example("__\n__")
@example("..")
def test_every_id_comes_back_from_a_name_that_every_engine_takes(identifier: str) -> None:
    name = encode_id(identifier)
    assert decode_id(name) == identifier
    assert split_document(f"c/{name}") == ("c", name)


@given(IDS, IDS)
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    assert (encode_id(one) == encode_id(other)) == (one == other)


@pytest.mark.parametrize("identifier", ["lukadoncic", "a-b", "jr.smith", "a.b", "é", "東京", "__x", "_", "...", " "])
def test_ids_that_are_names_already_stay_as_they_are(identifier: str) -> None:
    assert encode_id(identifier) == identifier


@pytest.mark.parametrize(
    ("identifier", "name"),
    [("a/b", "a%2Fb"), ("%", "%25"), (".", "%2E"), ("..", "%2E%2E"), ("__x__", "%5F_x__"), ("%2F", "%252F")],
)
def test_what_no_name_may_hold_is_escaped(identifier: str, name: str) -> None:
    assert encode_id(identifier) == name


@pytest.mark.parametrize("identifier", ["x" * MAX_BYTES, "é" * (MAX_BYTES // 2), "/" * (MAX_BYTES // 3)])
def test_an_id_may_fill_the_name(identifier: str) -> None:
    assert decode_id(encode_id(identifier)) == identifier
    with pytest.raises(DataError, match="too long"):
        encode_id(identifier + "x")


@pytest.mark.parametrize("identifier", ["", None, 5, b"a", "\ud800"])
def test_what_is_no_text_is_no_id(identifier: object) -> None:
    with pytest.raises(DataError, match="is not a valid id"):
        encode_id(identifier)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["%", "100%", "%41", "a%2f", "a%2Eb", "%5Fx", "__x__", ".", ""])
def test_a_name_that_no_id_gets_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"is not the name of an id|is not a valid id"):
        decode_id(name)

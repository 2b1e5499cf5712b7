from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.core.observe import masking
from nbactl.core.observe.logging import mask, mask_value
from nbactl.core.observe.masking import is_secret_name, mask_within

LEAKS = {
    "GET https://user:hunter2@db.example/x failed": "hunter2",
    "postgres://admin:s3cr3t-pw@10.0.0.1/db": "s3cr3t-pw",
    "posting to https://hooks.slack.com/services/T000/B000/XXXXyyyy": "XXXXyyyy",
    "Authorization: Bearer abc.def-ghi_jkl": "abc.def-ghi_jkl",
    "authorization=basic dXNlcjpwYXNz": "dXNlcjpwYXNz",
    "retrying ?api_key=AIzaSyA123&x=1": "AIzaSyA123",
    "PASSWORD: correct-horse": "correct-horse",
    '{"access_token": "ya29.a0Af"}': "ya29.a0Af",
    "client_secret='GOCSPX-abc'": "GOCSPX-abc",
    "refresh-token = 1//0gabc": "1//0gabc",
    '{"password": "hunter2 hunter22"}': "hunter22",
    '{\\"password\\": \\"hunter2\\"}': "hunter2",
    "{b'password': b'hunter2'}": "hunter2",
    "Authorization: Token hunter2hunter2": "hunter2hunter2",
    "'authorization': 'hunter2'": "hunter2",
    'Authorization: Digest username=\\"u\\", response=\\"hunter2\\"': "username",
    "Cookie: session=hunter2; theme=dark": "hunter2",
    "GET /maps?key=AIzaSyA1234&x=1": "AIzaSyA1234",
    "postgres://admin:s3/cr3t@10.0.0.1/db": "s3/cr3t",
    "PGPASSWORD=hunter2 psql": "hunter2",
    "refreshToken=hunter2": "hunter2",
    "pwd=hunter2;": "hunter2",
    "sent eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl along": "c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----": "MIIEow",
}

_TAIL = "0123456789abcdefghijABCDEFGHIJ"
TOKENS = [
    *(f"{prefix}{_TAIL}" for prefix in ("ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "hf_", "npm_", "pypi-")),
    *(f"{prefix}{_TAIL}" for prefix in ("xoxb-", "xoxp-", "xapp-", "sk_live_", "rk_test_", "whsec_", "sk-", "shpat_")),
    *(f"{prefix}{_TAIL}" for prefix in ("AIza", "ya29.", "GOCSPX-", "1//0", "dop_v1_", "lin_api_")),
    *(f"{prefix}IOSFODNN7EXAMPLE" for prefix in ("AKIA", "ASIA", "AROA")),
    f"SG.{_TAIL}.{_TAIL}",
    f"eyJ{_TAIL}.eyJ{_TAIL}.{_TAIL}",
]
"""One of each issuer's form, put together here so that nobody takes it for a real one."""


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("around", ["{}", "failed for {}: 401", "['{}']", "url/{}/x"])
def test_inv_28_tokens_of_the_usual_issuers_are_masked_without_a_name(token: str, around: str) -> None:
    masked = mask(around.format(token))
    assert token not in masked
    assert token[-10:] not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "url",
    [
        f"https://discord.com/api/webhooks/1/{_TAIL}",
        f"https://example.webhook.office.com/webhookb2/{_TAIL}",
        f"https://storage.example/x?X-Goog-Signature={_TAIL}",
        f"https://x.blob.example/c?sv=1&sig={_TAIL}",
    ],
)
def test_inv_28_what_opens_a_url_is_masked(url: str) -> None:
    assert _TAIL not in mask(url)


@pytest.mark.parametrize("text", LEAKS)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    masked = mask(text)
    assert LEAKS[text] not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "the lease's fencing token is 17",
        "https://example.org/path?x=1",
        "5 of 5 keys done",
        "monkey business",
        "basic",
        "token_bucket=5 tokens",
        "fencing_token=17",
        "at https://example.org:8080/x",
        "run-20250114T030000-skip-all-of-it-abcdefgh",
        "nbactl flags set --percent 50",
        "task-sk-1",
        "nba_raw.player_boxscores 2025-01-14 changed",
        "xoxo from the asia team",
        "sig: the signature of a function",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("name", ["password", "apiKey", "API_KEY", "slack_webhook_url", "Authorization", "SENTRY_DSN"])
def test_a_name_says_that_its_value_is_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["player", "fencing_token", "key", "rows", "tokens_left", "keyword"])
def test_other_names_do_not(name: str) -> None:
    assert not is_secret_name(name)


def test_secrets_are_found_within_what_is_logged() -> None:
    logged = {"headers": {"Authorization": "abc", "Accept": "*/*"}, "urls": ["https://a:b@c/", 7]}
    assert mask_within(logged) == {"headers": {"Authorization": "***", "Accept": "*/*"}, "urls": ["https://***@c/", 7]}


def test_a_registered_secret_is_masked_wherever_it_turns_up() -> None:
    mask_value("zanzibar-1964")
    assert mask("sent zanzibar-1964 along") == "sent *** along"
    with pytest.raises(ValueError, match="less than 6"):
        mask_value("abc")


@given(st.text())
def test_masking_takes_every_text_and_changes_nothing_twice(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


@dataclass
class Login:
    user: str
    password: str


class Spoken:
    def __str__(self) -> str:
        return "https://u:hunter2@h/"


@pytest.mark.parametrize(
    "value",
    [
        b"password=hunter2",
        {"password=hunter2"},
        ValueError("https://u:hunter2@h/"),
        Login("u", "hunter2"),
        Spoken(),
        {"password=hunter2": 1},
        [[[[[[[[[[[[[["password=hunter2"]]]]]]]]]]]]]],
        MappingProxyType({"token": "hunter2"}),
    ],
)
def test_inv_28_a_secret_is_found_in_whatever_kind_of_value(value: object) -> None:
    for logged in (value, [value], {"x": value}):
        masked = repr(mask_within(logged))
        assert "hunter2" not in masked
        assert "***" in masked


def test_what_holds_itself_or_shares_its_parts_is_masked_once_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_MOST_PARTS", 100)
    itself: list[object] = ["password=hunter2"]
    itself.extend([itself] * 9)
    assert mask_within(itself) == ["password=***", *["…"] * 9]
    shared: object = "password=hunter2"
    for _ in range(11):
        shared = [shared] * 10
    masked = mask_within(shared)
    assert "hunter2" not in str(masked)
    assert str(masked).count("***") < 2_000


def test_an_object_that_cannot_say_what_it_is_is_named() -> None:
    class Mute:
        def __str__(self) -> str:
            raise ValueError("no")

    assert mask_within([Mute()]) == ["<Mute that has no text: ValueError>"]


@pytest.mark.parametrize("text", ["token: oidc", "{token: none}", '"token": "oauth"', "  token: oidc\n  audience: x"])
def test_a_kind_of_token_is_no_token(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("text", ["token: none-of-yours", "token=oidc123", "token: oidc.eyJx"])
def test_a_token_that_begins_like_a_kind_is_masked(text: str) -> None:
    assert text[7:] not in mask(text)

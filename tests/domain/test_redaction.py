from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.redaction import REDACTED, is_secret_name, mask_cache_key, redact, redact_change, redact_text

CANARY = "s3cr3t-cAnAry-9f2b"
WORKSPACE = "f381e34e-5c25-4e65-b91b-3c0a86cfc393"
ID = "9ba129c7-1f3d-4b5a-9f57-3a0b6c1f7d21"

SECRET_NAMES = [
    "apikey", "ApiKey", "API-Key", "x-api-key", "key", "password", "Passwd", "client_secret", "secret",
    "Authorization", "proxy-authorization", "cookie", "Set-Cookie", "access_token", "refresh_token",
    "id_token", "session", "session_id", "X-CSRF-Token", "kong-admin-token", "redis_password", "pwd",
    "private_key", "cert_key", "client_jwk", "x-kong-signature", "aws_secret_access_key",
    "azure_client_secret", "jwt_secret", "code_verifier", "credential", "sentinel_password",
]  # fmt: skip
PLAIN_NAMES = [
    "key_names", "hide_credentials", "keyauth_credentials", "token_endpoint", "public_key", "cache_key",
    "name", "id", "username", "host", "path", "minute", "x-credential-identifier", "authenticated_entity",
    "monkey_patch", "keys_total", "limits",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret_name(name)
    assert redact({name: CANARY}) == {name: REDACTED}


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_names_that_only_look_like_secrets_stay(name: str) -> None:
    assert not is_secret_name(name)


def test_names_that_a_plugin_takes_keys_under_can_be_added() -> None:
    assert redact({"x-partner-id": CANARY}, ["X-Partner-ID"]) == {"x-partner-id": REDACTED}
    assert redact({"x-partner-id": "acme"}) == {"x-partner-id": "acme"}


@pytest.mark.parametrize("value", [None, "", True, False])
def test_that_a_secret_is_not_set_is_no_secret(value: Any) -> None:
    assert redact({"client_secret": value}) == {"client_secret": value}


def test_a_secret_list_or_object_keeps_its_outline() -> None:
    masked = redact({"cookie": ["a=1", "b=2"], "credential": {"user": "u", "extra": [1, None]}})

    assert masked == {
        "cookie": [REDACTED, REDACTED],
        "credential": {"user": REDACTED, "extra": [REDACTED, None]},
    }


@pytest.mark.parametrize(
    "text",
    [
        f"/orders?apikey={CANARY}",
        f"/orders?a=1&apikey={CANARY}&b=2",
        f"/orders?api%5Fkey={CANARY}",
        f"/orders?API-KEY={CANARY}#frag",
        f"https://api.example.com/x?access_token={CANARY}",
        f"https://user:{CANARY}@example.com/x",
        f"postgres://kong:{CANARY}@db:5432/kong",
        f"/callback?code={CANARY}&state={CANARY}",
        f"/x?filter[token]={CANARY}",
        f"Bearer {CANARY}",
        f"authorization: Bearer {CANARY}",
        f"Basic {CANARY}==",
        f"bearer%20{CANARY}",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.c2ln",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}",
        f'{{"password": "{CANARY}"}}',
        f"{{'password': '{CANARY}'}}",
        json.dumps(json.dumps({"client_secret": CANARY})),
        json.dumps(json.dumps(json.dumps({"client_secret": CANARY}))),
        f'{{"password": "a\\"{CANARY}"}}',
        f'{{"password" : "{CANARY}',
        f"keyauth_credentials:{CANARY}:::::{WORKSPACE}",
        f"apikey={CANARY} in a sentence",
        f"https://hooks.slack.com/services/T0/B0/{CANARY}",
        f"https://discord.com/api/webhooks/1/{CANARY}",
    ],
)
def test_a_secret_in_text_is_known_by_its_shape(text: str) -> None:
    masked = redact_text(text)

    assert CANARY not in masked
    assert REDACTED in masked
    assert redact_text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "/orders?page=2&sort=name",
        "https://example.com/a:b/c?x=1",
        "services:" + ID + ":::::" + WORKSPACE,
        'Digest realm="kong"',
        "one two = three",
        "10.0.0.1:8080",
        "http://[2001:db8::1]:8000/x",
        "429 by Kong with Retry-After and RateLimit-Remaining 0",
    ],
)
def test_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


def test_a_secret_number_in_json_text_is_masked() -> None:
    assert redact_text('{"pwd": 12345678}') == '{"pwd": "[redacted]"}'


def test_a_query_string_has_names_of_its_own() -> None:
    entry = {"querystring": {"code": CANARY, "state": CANARY, "page": "2"}, "code": 12}

    assert redact(entry) == {"querystring": {"code": REDACTED, "state": REDACTED, "page": "2"}, "code": 12}


def test_a_limit_may_be_called_as_a_secret_is() -> None:
    config = {"limits": {"tokens": {"minute": 10, "hour": None}, "password": CANARY}}

    assert redact(config) == {"limits": {"tokens": {"minute": 10, "hour": None}, "password": REDACTED}}


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (f"keyauth_credentials:{CANARY}:::::{WORKSPACE}", f"keyauth_credentials:{REDACTED}:::::{WORKSPACE}"),
        (f"jwt_secrets:{CANARY}:a:b:::::{WORKSPACE}", f"jwt_secrets:{REDACTED}:::::{WORKSPACE}"),
        (f"oauth2_tokens:{CANARY}:::::{WORKSPACE}", f"oauth2_tokens:{REDACTED}:::::{WORKSPACE}"),
        (f"sessions:{CANARY}:::::", f"sessions:{REDACTED}"),
        (f"something_new:{CANARY}:::::{WORKSPACE}", f"something_new:{REDACTED}:::::{WORKSPACE}"),
        (f"something_new:{CANARY}", f"something_new:{REDACTED}"),
        (f"keyauth_credentials:{ID}:::::{WORKSPACE}", f"keyauth_credentials:{REDACTED}:::::{WORKSPACE}"),
        (f"services:{ID}:::::{WORKSPACE}", f"services:{ID}:::::{WORKSPACE}"),
        (f"something_new:{ID}:::::{WORKSPACE}", f"something_new:{ID}:::::{WORKSPACE}"),
        (f"targets:{ID}:10.0.0.1:8080::::{WORKSPACE}", f"targets:{ID}:10.0.0.1:8080::::{WORKSPACE}"),
        ("router:version", "router:version"),
        ("plain", "plain"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_cache_key_shows_what_it_is_of_and_no_credential(key: str, shown: str) -> None:
    assert mask_cache_key(key) == shown
    assert mask_cache_key(shown) == shown


def test_a_cache_key_in_an_entity_is_masked() -> None:
    assert CANARY not in str(redact({"cache_key": f"keyauth_credentials:{CANARY}:::::{WORKSPACE}"}))


def test_in_a_change_equal_secrets_have_equal_numbers() -> None:
    before, after = redact_change({"secret": "a", "password": "b"}, {"secret": "a", "password": "c"})

    assert before == {"secret": "[redacted:1]", "password": "[redacted:2]"}
    assert after == {"secret": "[redacted:1]", "password": "[redacted:3]"}


def test_a_change_without_a_state_before_has_none_afterwards() -> None:
    assert redact_change(None, {"secret": "a"}) == (None, {"secret": "[redacted:1]"})


@pytest.mark.parametrize(
    ("collection", "field"),
    [
        ("keyauth_credentials", "key"),
        ("oauth2_authorization_codes", "code"),
        ("oauth2_tokens", "access_token"),
        ("sessions", "data"),
        ("sessions", "session_id"),
        ("jwt_secrets", "rsa_public_key"),
        ("something_new_credentials", "value"),
        ("acme_storage", "value"),
        ("licenses", "payload"),
        ("keys", "jwk"),
        ("vaults", "token"),
    ],
)
def test_of_an_entity_that_holds_a_credential_only_harmless_fields_stay(collection: str, field: str) -> None:
    entity = {"id": ID, "consumer": {"id": ID}, "created_at": 1, field: CANARY}

    before, after = redact_change(None, entity, collection=collection)

    assert before is None
    assert after == {**entity, field: "[redacted:1]"}


def test_the_values_given_are_left_alone() -> None:
    entry = {"headers": {"apikey": CANARY}, "tags": ["a"]}

    redact(entry)

    assert entry == {"headers": {"apikey": CANARY}, "tags": ["a"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
PIECES = st.sampled_from(
    ["apikey", "=", "&", "?", " ", ":", "//", "@", "[redacted]", "[redacted:1]", "Bearer ",
     "eyJabcdefgh.abcd", '"', "'", "{", "}", "\\", "key", "x", "é", "%5F", "secret", "password",
     "-----BEGIN PRIVATE KEY-----", ",",
     ";", "keyauth_credentials:", "hooks.slack.com/services/", "\n", "0", "https:"]
)  # fmt: skip
SHAPED = st.lists(PIECES, max_size=14).map("".join)


@given(JSON)
def test_redacting_twice_changes_nothing_more(value: Any) -> None:
    once = redact(value)

    assert redact(once) == once


@given(SHAPED)
def test_redacting_text_twice_changes_nothing_more(text: str) -> None:
    once = redact_text(text)

    assert redact_text(once) == once


@st.composite
def planted(draw: st.DrawFn) -> Any:
    """JSON with the canary somewhere in it, in one of the forms in which secrets travel."""
    name = draw(st.sampled_from(SECRET_NAMES))
    form = draw(
        st.sampled_from(
            [
                {name: CANARY},
                {name: [CANARY, CANARY]},
                {name: {"inner": [CANARY]}},
                {"request": {"headers": {name: CANARY}}},
                {"uri": f"/x?{name}={CANARY}"},
                {"url": f"https://h/x?a=b&{name}={CANARY}&c=d"},
                {"message": json.dumps({name: CANARY})},
                {"headers": {"x": f"Bearer {CANARY}"}},
                {"url": f"https://user:{CANARY}@host/"},
                {"data": f"keyauth_credentials:{CANARY}:::::{WORKSPACE}"},
            ]
        )
    )
    for wrap in draw(st.lists(st.sampled_from("lou"), max_size=5)):
        form = {"l": [form, 1], "o": {"inner": form, "n": None}, "u": {"payload": json.dumps(form)}}[wrap]
    return form


@given(planted())
def test_no_canary_survives_whatever_it_is_wrapped_in(value: Any) -> None:
    assert CANARY not in json.dumps(redact(value))


@given(planted(), planted())
def test_no_canary_survives_in_a_change(before: Any, after: Any) -> None:
    assert CANARY not in json.dumps(redact_change(before, after, collection="plugins"))


@given(st.text(max_size=300))
def test_any_text_can_be_a_cache_key(key: str) -> None:
    masked = mask_cache_key(key)

    assert mask_cache_key(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "=" * 100_000,
        "a=" * 50_000,
        '"' * 100_000,
        '{"a":' * 20_000,
        "Bearer " * 20_000,
        "://" * 50_000,
        "://a:" * 30_000,
        "eyJ" * 50_000,
        "\\" * 100_000,
        "-----BEGIN PRIVATE KEY-----" * 5_000,
        "credentials:" * 10_000,
        "a" * 1_048_576,
        "%" * 200_000,
        "//hooks.slack.com/services/" * 5_000,
        '"apikey":"' * 10_000,
    ],
    ids=lambda text: f"{text[:12]}x{len(text)}",
)
@pytest.mark.timeout(5)
def test_hostile_text_is_redacted_in_time_that_grows_with_its_length(text: str) -> None:
    redact_text(text)

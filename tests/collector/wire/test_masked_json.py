"""Redaction from bytes to bytes gives what redaction of the value gives, and no secret comes through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.masked_json import masked_object
from domain.errors import DecodeError
from domain.redaction import is_plain, redact

FOLDER = Path(__file__).parents[2] / "fixtures/payloads"
CANARY = "s3cr3t-cAnAry-9f2b"
NAMES = st.sampled_from(
    [
        *("id", "name", "uri", "url", "host", "headers", "request", "response", "service", "route", "tries"),
        *("latencies", "querystring", "limits", "cache_key", "authorization", "apikey", "key", "cookie"),
        *("x-api-key", "set-cookie", "user-agent", "minute", "tokens", "state", "code", "password", "config"),
        *("body", "args", "credentials", "x-consumer-username"),
    ]
) | st.text(max_size=12)
SHAPES = (
    "/orders?apikey={}", "https://u:{}@h/x", "Bearer {}", "bearer+{}", "Basic {}==", "eyJhbGciOiJI.{}.c2ln",
    "-----BEGIN PRIVATE KEY-----\n{}", '{{"password": "{}"}}', "{{'token': '{}'}}", "apikey: {}",
    "keyauth_credentials:{}:::::", "//hooks.slack.com/services/{}", '["a", "key={}"]', "a=1&access_token={}",
    "jwt_secrets:{}", "/x;token={}", "Bearer%20{}", "{}", "",
)  # fmt: skip
SECRETS = st.sampled_from(SHAPES).map(lambda shape: shape.format(CANARY))
MESSY = st.lists(
    st.sampled_from(
        [*"/:.=%+'\" {}[]&;,@-_\\", "//", "s:", ": ", "eyJ", "eyJhbGciOi.abcd", "Bearer", "Basic", "key",
         "token", "tokens:", "codes:", "a", "x1", "http://", "%20", "PRIVATE KEY", "\0", "ü"]
    ),
    max_size=8,
).map("".join)  # fmt: skip
"""Texts of the pieces that secrets are made of."""
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, width=32)
    | st.text(max_size=20) | MESSY | SECRETS
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=6)


def masked(value: Any) -> Any:
    """Through bytes and back."""
    return orjson.loads(masked_object(orjson.dumps(value), "test"))


def expected(value: Any) -> Any:
    """What the one redaction makes of it, as JSON and with NUL shown."""
    return orjson.loads(
        orjson.dumps(redact(orjson.loads(orjson.dumps(value).replace(b"\\u0000", b"\xef\xbf\xbd"))))
    )


@given(OBJECTS)
def test_bytes_are_redacted_as_values_are(value: Any) -> None:
    assert masked(value) == expected(value)
    assert masked(value) == expected(value)  # this time from memory


@given(st.text(max_size=30) | MESSY | SECRETS)
def test_what_is_plain_is_never_redacted(text: str) -> None:
    raw = orjson.dumps(text)

    if is_plain(raw):
        assert redact(text) == text
        assert redact({"x": [text]}) == {"x": [text]}


@pytest.mark.parametrize("shape", SHAPES[:-2])
def test_no_shape_of_a_secret_is_plain(shape: str) -> None:
    assert not is_plain(orjson.dumps(shape.format(CANARY)))


@pytest.mark.parametrize("text", ["", "accounts-legacy", "/search/items/17", "172.16.183.48", "127.0.0.1:80"])
def test_what_most_texts_are_is_plain(text: str) -> None:
    assert is_plain(orjson.dumps(text))


@pytest.mark.parametrize("file", sorted(FOLDER.glob("http-log.*.json")), ids=lambda file: file.stem)
def test_log_entries_are_redacted_as_values_are(file: Path) -> None:
    value = orjson.loads(file.read_bytes())
    for entry in value if isinstance(value, list) else [value]:
        entry["request"]["headers"]["apikey"] = CANARY

        assert masked(entry) == redact(entry)
        assert CANARY not in str(masked(entry))


def test_of_duplicate_fields_the_last_stays_and_none_comes_through() -> None:
    raw = f'{{"a": {{"apikey": "{CANARY}", "b": 1, "apikey": "x", "b": 2}}, "c": 1, "c": 2}}'.encode()

    assert masked_object(raw, "test") == b'{"a":{"apikey":"[redacted]","b":2},"c":2}'


def test_a_name_in_escapes_is_the_name() -> None:
    raw = b'{"headers":{"\\u0061pikey":"%b","\\u0063ookie":["a"]}}' % CANARY.encode()

    assert masked_object(raw, "test") == b'{"headers":{"apikey":"[redacted]","cookie":["[redacted]"]}}'


@pytest.mark.parametrize("name", ["request", "x", "apikey", "limits"])
def test_what_is_nested_too_deeply_is_refused_also_when_its_inside_came_before(name: str) -> None:
    for depth in range(20, 32):
        inside = b'{"x":' * depth + b"1" + b"}" * depth
        masked_object(b'{"%b":%b}' % (name.encode(), inside), "test")
    inside = b'{"x":' * 32 + b"1" + b"}" * 32

    with pytest.raises(DecodeError, match=r"^test: nested deeper than 32 levels$"):
        masked_object(b'{"%b":%b}' % (name.encode(), inside), "test")


@pytest.mark.parametrize("number", ["9223372036854775808", "1e999"])
def test_numbers_that_cannot_be_stored_are_refused(number: str) -> None:
    with pytest.raises(DecodeError, match=r"^test: "):
        masked_object(b'{"request":{"n":[%b]}}' % number.encode(), "test")

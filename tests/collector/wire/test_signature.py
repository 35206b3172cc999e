from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.signature import is_signed

VECTORS = json.loads(
    (Path(__file__).parents[2] / "fixtures/payloads/event-hook.signature-vectors.json").read_text("utf-8")
)
BODY, SECRET = VECTORS["raw_body"].encode(), VECTORS["secret"].encode()
SHA1, SHA256 = VECTORS["kong_lt_3_14"], VECTORS["kong_gte_3_14_INFERRED_PREFIX"]


@pytest.mark.parametrize("header", [SHA1, SHA256], ids=["sha1", "sha256"])
def test_both_of_kongs_algorithms_are_taken(header: str) -> None:
    prefix, digits = header.split("=")

    assert is_signed(BODY, header, SECRET)
    assert is_signed(BODY, digits, SECRET)
    assert is_signed(BODY, f"{prefix.upper()}={digits.upper()}", SECRET)
    assert is_signed(BODY, f" {header} ", SECRET)


@pytest.mark.parametrize("header", [SHA1, SHA256], ids=["sha1", "sha256"])
def test_another_body_or_secret_is_not_what_was_signed(header: str) -> None:
    assert not is_signed(BODY + b" ", header, SECRET)
    assert not is_signed(BODY, header, SECRET + b"x")
    assert not is_signed(BODY, header[:-1] + ("0" if header[-1] != "0" else "1"), SECRET)


REFUSED = [
    None,
    "",
    "sha1=",
    "sha256=",
    "=",
    "sha1",
    SHA1.replace("sha1", "sha256"),
    SHA256.replace("sha256", "sha1"),
    SHA1.replace("sha1", "md5"),
    SHA1.replace("sha1", "sha512"),
    SHA1 + "0",
    SHA1[:-1],
    "sha1=" + "\xe9" * 40,
    "sha1=" + "\udc80" * 40,
    "x" * 40,
    f"{SHA1}, {SHA256}",
    "sha1=sha1=" + SHA1[5:],
]


@pytest.mark.parametrize("header", REFUSED, ids=range(len(REFUSED)))
def test_anything_else_signs_nothing(header: str | None) -> None:
    assert not is_signed(BODY, header, SECRET)


def test_an_empty_secret_signs_nothing() -> None:
    empty = "sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest()

    assert not is_signed(BODY, empty, b"")


@given(st.binary(max_size=100), st.binary(min_size=1, max_size=40), st.sampled_from(["sha1", "sha256"]))
def test_what_was_signed_is_signed(body: bytes, secret: bytes, algorithm: str) -> None:
    assert is_signed(body, f"{algorithm}={hmac.new(secret, body, algorithm).hexdigest()}", secret)


@given(st.text(max_size=80))
def test_no_header_breaks_the_check(header: str) -> None:
    assert not is_signed(BODY, header, SECRET)

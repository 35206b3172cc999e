"""How ids, addresses and payloads are kept small, and read again."""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.packing import (
    MAX_PAYLOAD_BYTES,
    address_range,
    limit_token,
    load_json,
    pack_id,
    pack_payload,
    prefix_of,
    request_id_in,
    sort_bytes,
    unpack_id,
    unpack_payload,
)

HEX = "0123456789abcdef"
IDS = st.one_of(
    st.text(),
    st.text(HEX, min_size=32, max_size=32).map("request:{}".format),
    st.text(HEX + "ABCDEF", min_size=31, max_size=33).map("request:{}".format),
    st.text(HEX, min_size=32, max_size=32).map("entry:{}".format),
    st.uuids().map(str),
    st.uuids().map(lambda found: str(found).upper()),
)


@given(event_id=IDS)
def test_an_id_comes_back_as_it_was(event_id: str) -> None:
    assert unpack_id(pack_id(event_id)) == event_id


@pytest.mark.parametrize(
    "event_id",
    ["request:" + HEX * 2, "entry:" + HEX * 2, "0123abcd-0123-4567-89ab-0123456789ab"],
)
def test_the_usual_ids_take_17_bytes(event_id: str) -> None:
    packed = pack_id(event_id)

    assert isinstance(packed, bytes)
    assert len(packed) == 17


@pytest.mark.parametrize(
    ("event_id", "request_id"),
    [
        (f"request:{'0a' * 16}", "0a" * 16),
        ("request:x", None),
        ("request:", None),
        (f"entry:{'0a' * 16}", None),
    ],
)
def test_the_request_id_in_an_id(event_id: str, request_id: str | None) -> None:
    assert request_id_in(event_id) == request_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(value=JSON)
@settings(max_examples=40, deadline=None)
def test_a_payload_comes_back_as_it_was(value: Any) -> None:
    assert unpack_payload(pack_payload(orjson.dumps(value))) == value


WORDS = st.lists(st.none() | st.text(HEX, min_size=0, max_size=40), max_size=4)


@given(words=WORDS, before=st.text(max_size=60), between=st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_payload_comes_back_with_the_words_of_its_columns(
    words: list[str | None], before: str, between: str
) -> None:
    value = {"a": before, "ids": words, "b": between.join(word or "" for word in words)}

    assert unpack_payload(pack_payload(orjson.dumps(value), words), words) == value


def test_words_that_the_columns_hold_are_left_out_of_a_payload() -> None:
    ids = ["0123abcd-0123-4567-89ab-0123456789ab", HEX * 2]
    payload = orjson.dumps(
        {"consumer": {"id": ids[0]}, "request": {"id": ids[1]}, "response": {"status": 429}}
    )

    packed = pack_payload(payload, ids)

    assert len(packed) < len(pack_payload(payload)) - 30
    assert unpack_payload(packed) == {
        "consumer": {"id": ""},
        "request": {"id": ""},
        "response": {"status": 429},
    }


def test_a_payload_that_is_no_json_and_holds_control_characters_comes_back() -> None:
    payload = b"\x01\x02 not json " * 9

    assert unpack_payload(pack_payload(payload, ["x" * 20]), ["x" * 20]) == payload.decode()


def test_a_log_entry_takes_less_than_half_of_its_json() -> None:
    entry = orjson.dumps(
        {
            "request": {
                "id": HEX * 2,
                "uri": "/orders/7",
                "headers": {"user-agent": "curl/8", "apikey": "[redacted]"},
            },
            "response": {
                "status": 429,
                "size": 512,
                "headers": {"retry-after": "12", "content-length": "92"},
            },
            "latencies": {"kong": 1, "receive": 0, "proxy": -1, "request": 1},
            "client_ip": "203.0.113.7",
            "started_at": 1_800_000_000_000,
        }
    )

    assert len(pack_payload(entry)) < len(entry) / 2


def test_a_payload_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match=f"expected at most {MAX_PAYLOAD_BYTES}"):
        pack_payload(b"x" * (MAX_PAYLOAD_BYTES + 1))


@pytest.mark.parametrize(
    "damaged", [b"\x01", b"\x01no frame", pack_payload(b"x" * 100)[:-3]], ids=["empty", "no frame", "cut"]
)
def test_a_damaged_payload_says_so(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack_payload(damaged)


def test_a_payload_that_would_unpack_to_too_much_is_refused() -> None:
    bomb = b"\x01" + zstandard.ZstdCompressor().compress(b"\0" * (MAX_PAYLOAD_BYTES + 1))

    with pytest.raises(ValueError, match="longer than"):
        unpack_payload(bomb)


def test_payloads_are_packed_and_unpacked_in_many_threads_at_once() -> None:
    payload = orjson.dumps({"response": {"headers": {"content-length": "92"}}, "n": list(range(200))})
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: unpack_payload(pack_payload(payload)), range(400)))

    assert all(value == orjson.loads(payload) for value in found)


def test_what_is_no_json_is_text() -> None:
    assert load_json("not json") == "not json"
    assert load_json("[" * 100_000) == "[" * 100_000
    assert load_json(None) is None


@given(
    addresses=st.lists(st.ip_addresses(v=4), min_size=2, max_size=9)
    | st.lists(st.ip_addresses(v=6), min_size=2, max_size=9)
)
def test_addresses_sort_as_their_bytes(addresses: list[Any]) -> None:
    by_bytes = sorted(addresses, key=lambda one: sort_bytes(str(one)) or b"")

    assert by_bytes == sorted(addresses)


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("unix:", None),
        ("", None),
    ],
)
def test_the_prefix_of_an_address(address: str, prefix: str | None) -> None:
    assert prefix_of(address) == prefix


@pytest.mark.parametrize("text", ["203.0.113.0/24", "203.0.113.7/24", "2001:db8::/32", "0.0.0.0/0"])
def test_a_range_holds_its_addresses(text: str) -> None:
    found = address_range(text)
    network = ipaddress.ip_network(text, strict=False)

    assert found == (network[0].packed, network[-1].packed)


@pytest.mark.parametrize("text", ["203.0.113.7", "a/b", "203.0.113.0/33", "/"])
def test_other_text_is_no_range(text: str) -> None:
    assert address_range(text) is None


@pytest.mark.parametrize(
    ("parts", "token"),
    [
        (("minute", 20, 60), "20/minute"),
        ((None, 100, 90), "100/90s"),
        (("sms/minute", 5, 60), "5/sms/minute"),
        (("minute", None, None), "minute"),
        ((None, None, 60), "60s"),
        ((None, None, None), None),
    ],
)
def test_a_limit_as_one_word(parts: Any, token: str | None) -> None:
    assert limit_token(*parts) == token

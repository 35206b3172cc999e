from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.payloads import CUT_FIELD, MAX_PAYLOAD_BYTES, payload_of, quarantined, quarantined_value

CANARY = "s3cr3t-cAnAry-9f2b"


def test_a_payload_is_compact_json_without_secrets() -> None:
    assert payload_of({"a": 1, "apikey": CANARY}) == b'{"a":1,"apikey":"[redacted]"}'


def test_of_a_payload_that_is_too_long_the_largest_field_goes_first() -> None:
    payload = orjson.loads(payload_of({"small": "x", "outer": {"large": "y" * 100_000, "n": 1}}))

    assert payload["small"] == "x"
    assert payload["outer"] == {"large": "(left out: 100002 bytes)", "n": 1}
    assert payload[CUT_FIELD] == ["outer.large"]


def test_a_payload_of_a_hundred_thousand_empty_things_is_cut_too() -> None:
    payload = payload_of({"many": [[] for _ in range(100_000)]})

    assert len(payload) <= MAX_PAYLOAD_BYTES
    assert CUT_FIELD in orjson.loads(payload)


def test_a_list_that_is_too_long_is_cut_as_an_object() -> None:
    payload = orjson.loads(payload_of(["x" * 100_000, "y"]))

    assert payload["payload"] == ["(left out: 100002 bytes)", "y"]


def test_a_payload_with_very_many_small_fields_says_how_long_it_was() -> None:
    payload = orjson.loads(payload_of({f"field-{n}": "x" * 50 for n in range(20_000)}))

    assert payload[CUT_FIELD][0].startswith("everything: ")


def test_quarantine_keeps_bytes_that_are_no_text() -> None:
    assert quarantined("why", b"\xff\x00{").raw == b"\xff\x00{"


def test_quarantine_masks_what_has_the_shape_of_a_secret() -> None:
    raw = quarantined("why", b'{"apikey": "' + CANARY.encode() + b'", "broken').raw

    assert CANARY.encode() not in raw


def test_quarantine_keeps_at_most_64_kib() -> None:
    assert len(quarantined("why", b"x" * 10_000_000).raw) == MAX_PAYLOAD_BYTES


def test_a_value_that_is_nested_too_deeply_is_quarantined_without_its_bytes() -> None:
    value: list[object] = []
    for _ in range(400):
        value = [value]

    assert quarantined_value("why", value).raw == b"(nested too deeply to be shown)"


@given(st.binary(max_size=300))
def test_any_bytes_can_be_quarantined(raw: bytes) -> None:
    assert quarantined("why", raw).why == "why"

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.http_log import decode_http_log, decode_log_entry
from domain.errors import DecodeError
from domain.events import Certainty

NOW_MS = 1_726_783_840_000
FOLDER = Path(__file__).parents[2] / "fixtures/payloads"
CANARY = "s3cr3t-cAnAry-9f2b"


def payload(name: str) -> Any:
    return orjson.loads((FOLDER / f"http-log.{name}.json").read_bytes())


LIMITED = payload("rate-limiting.429.consumer")
ALLOWED = payload("request.200")


def changed(entry: Any, **parts: Any) -> Any:
    """A copy with top-level fields replaced; None removes one."""
    found = copy.deepcopy(entry) | parts
    return {key: value for key, value in found.items() if value is not None}


def decoded(value: Any) -> Any:
    return decode_http_log(orjson.dumps(value), received_ms=NOW_MS)


def test_a_refusal_becomes_an_event_with_everything_that_the_entry_tells() -> None:
    [event] = decoded(LIMITED).events

    assert event.id == "request:2f6946328ffc4946b8c9120704a4a155"
    assert (event.kind, event.event, event.status) == ("rate-limiting", "exceeded", 429)
    assert (event.consumer, event.ip) == ("acme-mobile", "203.0.113.7")
    assert (event.service, event.route) == ("example_service", "example_route")
    assert (event.limit_name, event.limit_value, event.window_s) == ("minute", 5, 60)
    assert (event.certainty, event.is_request, event.exact) == (Certainty.CERTAIN, True, True)
    assert (event.at_ms, event.at_suspect) == (1_726_783_839_538, False)


def test_any_other_request_is_counted_and_not_kept() -> None:
    found = decoded(ALLOWED)

    [request] = found.traffic
    assert found.events == []
    assert (request.status, request.count, request.upstream_limited) == (200, 1, False)
    assert (request.service, request.route, request.ip) == (
        "example_service",
        "example_route",
        "192.168.65.1",
    )


def test_the_upstreams_own_429_is_counted_as_such() -> None:
    [request] = decoded(payload("upstream.429.NOT-a-kong-limit")).traffic

    assert (request.status, request.upstream_limited) == (429, True)


def test_names_are_told_once_per_message() -> None:
    found = decoded([LIMITED, LIMITED, ALLOWED])

    assert sorted((e.entity_type, e.name) for e in found.entities) == [
        ("consumers", "acme-mobile"),
        ("routes", "example_route"),
        ("services", "example_service"),
    ]


def test_a_consumer_without_a_username_goes_by_its_custom_id() -> None:
    found = decoded(changed(LIMITED, consumer={"id": "c1", "custom_id": "cust-7"}))

    [consumer] = [e for e in found.entities if e.entity_type == "consumers"]
    assert found.events[0].consumer == consumer.name == "cust-7"
    assert consumer.attributes == {"custom_id": "cust-7"}


def test_the_same_request_has_the_same_identity_however_often_it_comes() -> None:
    one, other = decoded(LIMITED), decoded([LIMITED])
    first, second = decoded(ALLOWED), decoded([changed(ALLOWED, source="upstream", extra=1)])

    assert one.events[0].id == other.events[0].id
    assert first.traffic[0].fingerprint == second.traffic[0].fingerprint


def test_before_kong_3_5_the_whole_entry_is_its_identity() -> None:
    """There is no request.id; the order of keys says nothing."""
    entry = changed(LIMITED, request={"method": "GET", "uri": "/x"})
    turned = dict(reversed(list(entry.items())))
    later = changed(entry, started_at=entry["started_at"] + 1)

    ids = [decoded(e).events[0].id for e in (entry, turned, later)]

    assert ids[0] == ids[1] != ids[2]
    assert ids[0].startswith("entry:")


def test_requests_without_an_id_are_told_apart_as_well() -> None:
    entry = changed(ALLOWED, request={"method": "GET"})
    marks = [decoded(e).traffic[0].fingerprint for e in (entry, changed(entry, started_at=1_726_783_839_000))]

    assert marks[0] != marks[1]


def test_an_entry_with_a_node_of_its_own_says_so() -> None:
    """`custom_fields_by_lua` adds it."""
    assert decoded(changed(LIMITED, node_id="n1")).events[0].node == "n1"
    assert decoded(changed(LIMITED, **{"node.id": "n2"})).events[0].node == "n2"
    assert decoded(changed(LIMITED, gatewatch={"id": "n3"})).events[0].node == "n3"
    assert decode_log_entry(LIMITED, received_ms=NOW_MS, node="n4").events[0].node == "n4"
    assert (
        decode_log_entry(changed(LIMITED, node_id="n1"), received_ms=NOW_MS, node="n4").events[0].node == "n1"
    )


def test_an_entry_of_a_tcp_route_counts_with_its_sessions_status() -> None:
    session = {"session": {"status": 200, "received": 1}, "client_ip": "10.0.0.9", "started_at": NOW_MS - 5}

    [request] = decoded(session).traffic

    assert (request.status, request.ip) == (200, "10.0.0.9")


def test_secrets_of_a_request_do_not_reach_the_payload() -> None:
    entry = copy.deepcopy(LIMITED)
    entry["request"] |= {
        "uri": f"/x?apikey={CANARY}",
        "url": f"https://u:{CANARY}@h/x?apikey={CANARY}",
        "querystring": {"apikey": CANARY},
        "headers": {
            "apikey": CANARY,
            "cookie": f"s={CANARY}",
            "x-api-key": [CANARY],
            "authorization": CANARY,
        },
    }

    [event] = decoded(entry).events

    assert event.payload is not None
    assert CANARY.encode() not in event.payload


def test_a_clock_that_cannot_be_right_is_replaced_by_the_time_of_arrival() -> None:
    [event] = decoded(changed(LIMITED, started_at=5)).events

    assert (event.at_ms, event.at_suspect) == (NOW_MS, True)


MALFORMED: list[tuple[str, Any, str]] = [
    ("a number", 5, "http_log: found a number, expected an object or an array of objects"),
    ("null", None, "http_log: found null, expected an object or an array of objects"),
    ("text", "x", "http_log: found text, expected an object or an array of objects"),
    ("a boolean", True, "http_log: found true or false, expected an object or an array of objects"),
]
BAD_ENTRIES: list[tuple[str, Any, str]] = [
    ("text", "x", "found text, expected an object"),
    ("null", None, "found null, expected an object"),
    ("a list", [], "found an array, expected an object"),
    ("empty", {}, "no response and no session, expected what kong.log.serialize gives"),
    ("no status", {"response": {}}, "response.status is missing, expected 0 to 999"),
    ("a status in words", {"response": {"status": "ok"}}, "response.status is 'ok', expected 0 to 999"),
    ("a status out of range", {"response": {"status": 1000}}, "response.status is 1000, expected 0 to 999"),
    ("a status that is true", {"response": {"status": True}}, "response.status is True, expected 0 to 999"),
    (
        "a whole number past 64 bits",
        LIMITED | {"x": 2**64 - 1},
        "whole number 18446744073709551615, expected at most 64 bits",
    ),
]


@pytest.mark.parametrize(("value", "message"), [r[1:] for r in MALFORMED], ids=[r[0] for r in MALFORMED])
def test_what_is_no_log_is_refused(value: Any, message: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decoded(value)

    assert str(refused.value) == message


@pytest.mark.parametrize(("entry", "why"), [r[1:] for r in BAD_ENTRIES], ids=[r[0] for r in BAD_ENTRIES])
def test_one_bad_entry_among_good_ones_goes_to_quarantine(entry: Any, why: str) -> None:
    found = decoded([LIMITED, entry, ALLOWED])

    assert [bad.why for bad in found.quarantined] == [f"http_log entry 2 of 3: {why}"]
    assert (len(found.events), len(found.traffic), found.entries) == (1, 1, 3)


def test_an_empty_batch_holds_nothing() -> None:
    found = decoded([])

    assert (found.entries, found.events, found.traffic, found.quarantined) == (0, [], [], [])


def mutations(value: Any) -> st.SearchStrategy[Any]:
    """The same JSON with one part replaced by something else, or removed."""
    junk = st.sampled_from([None, True, -1, 1.5, "", "x" * 400, "\0", [], {}, [None], {"id": 5}, 2**63 - 1])
    if isinstance(value, dict) and value:
        return st.one_of(
            junk,
            st.sampled_from(sorted(value)).flatmap(
                lambda key: st.one_of(
                    mutations(value[key]).map(lambda part: {**value, key: part}),
                    st.just({k: v for k, v in value.items() if k != key}),
                )
            ),
        )
    return junk


@given(st.sampled_from([LIMITED, ALLOWED, payload("no-route.404")]).flatmap(mutations))
def test_a_changed_entry_is_read_or_quarantined_and_never_breaks_anything(entry: Any) -> None:
    found = decoded([entry])

    assert found.entries == 1
    assert len(found.events) + len(found.traffic) + len(found.quarantined) == 1

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.replay_stream import own_items
from collector.wire.items import decode_item
from collector.wire.own_events import decode_own_event, party
from domain.errors import DecodeError
from domain.events import Decoded, Event, NodeSeen

NOW_MS = 1_795_384_700_000
CANARY = "s3cr3t-cAnAry-9f2b"
WORKSPACE = "f381e34e-5c25-4e65-b91b-3c0a86cfc393"


def decoded(**item: Any) -> Decoded:
    return decode_own_event(item, received_ms=NOW_MS, place="here")


def event_of(**item: Any) -> Event:
    [event] = decoded(**item).events
    return event


def test_an_event_fills_the_columns_that_it_names() -> None:
    event = event_of(
        kind="rate-limiting",
        event="exceeded",
        id="e1",
        at_ms=NOW_MS - 5,
        node="n1",
        consumer="acme",
        consumer_id="c1",
        ip="203.0.113.7",
        service="orders",
        route="read",
        request_id="r1",
        status=429,
        limit_name="minute",
        limit_value=5,
        window_s=60,
        certainty="probable",
        evidence="hidden",
    )

    assert (event.id, event.at_ms, event.node, event.consumer, event.consumer_id) == (
        "e1",
        NOW_MS - 5,
        "n1",
        "acme",
        "c1",
    )
    assert (event.ip, event.service, event.route, event.request_id, event.status) == (
        "203.0.113.7",
        "orders",
        "read",
        "r1",
        429,
    )
    assert (event.limit_name, event.limit_value, event.window_s) == ("minute", 5, 60)
    assert (event.certainty, event.evidence) == ("probable", "hidden")


def test_a_violation_without_a_judgement_is_as_certain_as_its_sender() -> None:
    event = event_of(kind="rate-limiting", event="exceeded")

    assert (event.certainty, event.evidence) == ("certain", "the sender tells of it")


def test_a_certainty_that_we_do_not_know_is_none() -> None:
    assert event_of(kind="plugin", event="x", certainty="absolutely").certainty is None


def test_an_unknown_kind_is_kept_whole() -> None:
    event = event_of(kind="weather", event="rained", mm=5)

    assert (event.kind, event.event) == ("weather", "rained")
    assert orjson.loads(event.payload or b"") == {"kind": "weather", "event": "rained", "mm": 5}


def test_a_cache_key_is_masked_even_if_its_sender_did_not() -> None:
    for name in ("key", "key_masked"):
        event = event_of(
            kind="cache", event="invalidated", **{name: f"keyauth_credentials:{CANARY}:::::{WORKSPACE}"}
        )

        assert event.key_masked == f"keyauth_credentials:[redacted]:::::{WORKSPACE}"
        assert CANARY not in str(event)


def test_a_change_with_its_states_is_a_change() -> None:
    states = {
        "before": {"id": "p", "name": "key-auth"},
        "after": {"id": "p", "name": "key-auth", "enabled": False},
    }
    found = decoded(
        kind="crud",
        event="plugins.updated",
        id="x-1",
        entity_type="plugins",
        operation="update",
        actor="ana",
        **states,
    )

    [event] = found.events
    assert (event.before, event.after, event.actor) == (states["before"], states["after"], "ana")
    assert event.id.startswith("change:")
    assert [plugin.enabled for plugin in found.plugins] == [True, False]


def test_a_change_that_is_passed_on_keeps_its_identity() -> None:
    event = event_of(
        kind="crud",
        event="x.created",
        id="change:abc-run",
        entity_type="x",
        operation="create",
        after={"id": "1"},
    )

    assert event.id == "change:abc-run"


def test_a_change_whose_states_were_too_long_is_an_event_like_any() -> None:
    """The plugin leaves them out and says `cut`."""
    event = event_of(
        kind="crud", event="services.updated", id="x-1", entity_type="services", operation="update", cut=True
    )

    assert (event.id, event.event, event.before, event.after) == ("x-1", "services.updated", None, None)


def test_a_name_that_the_states_do_not_hold_is_taken_from_the_event() -> None:
    event = event_of(
        kind="crud",
        event="x.deleted",
        entity_type="x",
        entity_name="shown",
        operation="delete",
        before={"id": "1"},
    )

    assert event.entity_name == "shown"


@pytest.mark.parametrize(("name", "via"), [("node_started", "started"), ("node_heartbeat", "heartbeat")])
def test_a_sign_of_life_tells_about_its_node(name: str, via: str) -> None:
    found = decoded(
        kind="cluster",
        event=name,
        node="n1",
        at_ms=NOW_MS - 5,
        hostname="gw-1",
        version="3.9.3",
        role="data_plane",
        workers=2,
        plugin_version="0.1.0",
        config_hash="abc",
    )

    [seen] = found.nodes
    assert (seen.node, seen.via, seen.at_ms, seen.hostname, seen.version) == (
        "n1",
        via,
        NOW_MS - 5,
        "gw-1",
        "3.9.3",
    )
    assert (seen.role, seen.workers, seen.config_hash, seen.answered) == ("data_plane", 2, "abc", True)
    [entity] = found.entities
    assert (entity.entity_type, entity.entity_id, entity.name) == ("nodes", "n1", "gw-1")
    assert entity.attributes == {
        "version": "3.9.3",
        "role": "data_plane",
        "workers": 2,
        "plugin_version": "0.1.0",
    }


def test_a_heartbeat_tells_how_its_sender_is() -> None:
    [seen] = decoded(
        kind="cluster",
        event="node_heartbeat",
        node="n1",
        heartbeat_s=30,
        plugin_version="0.1.0",
        queue={"events": 12, "bytes": 3_400},
        dropped={"queue_full": 5},
    ).nodes

    assert seen.every_s == 30
    assert seen.facts == {
        "plugin_version": "0.1.0",
        "queue_events": 12,
        "queue_bytes": 3_400,
        "dropped": {"queue_full": 5},
    }


def test_a_sign_of_life_of_nobody_tells_of_nobody() -> None:
    assert decoded(kind="cluster", event="node_heartbeat").nodes == []


def test_an_event_without_an_id_is_told_apart_by_its_place() -> None:
    ids = {
        decode_own_event({"kind": "plugin", "event": "x"}, received_ms=NOW_MS, place=place).events[0].id
        for place in ("a", "b")
    }

    assert len(ids) == 2


@pytest.mark.parametrize("name", ["at_ms", "timestamp", "at"])
def test_a_time_has_several_names(name: str) -> None:
    assert event_of(kind="plugin", event="x", **{name: NOW_MS - 7}).at_ms == NOW_MS - 7


def test_a_time_that_cannot_be_right_is_replaced() -> None:
    event = event_of(kind="plugin", event="x", at_ms=-1)

    assert (event.at_ms, event.at_suspect) == (NOW_MS, True)


def test_no_secret_is_kept_in_any_column() -> None:
    event = event_of(
        kind="plugin",
        event=f"x?apikey={CANARY}",
        actor=f"Bearer {CANARY}",
        evidence=f"token={CANARY}",
        target=f"https://u:{CANARY}@h",
        upstream=f"secret={CANARY}",
        entity_name=f"password={CANARY}",
        apikey=CANARY,
        detail={"headers": [{"cookie": CANARY}]},
    )

    assert CANARY not in str(event)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([], "event: expected an object with kind and event"),
        ({"event": "x"}, "event: kind is missing, expected text"),
        ({"kind": "", "event": "x"}, "event: kind is '', expected text"),
        ({"kind": "plugin", "event": {}}, "event: event is an object, expected text"),
        (
            {"kind": "plugin", "event": "x", "n": 2**64 - 1},
            "event: whole number 18446744073709551615, expected at most 64 bits",
        ),
    ],
)
def test_what_is_no_event_is_refused(item: Any, message: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode_own_event(item, received_ms=NOW_MS, place="here")

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("acme", (None, "acme")),
        ({"id": "c1", "username": "acme", "custom_id": "x"}, ("c1", "acme")),
        ({"id": "s1", "name": "orders"}, ("s1", "orders")),
        ({"id": "c1", "custom_id": "x"}, ("c1", "x")),
        ({}, (None, None)),
        (None, (None, None)),
        (5, (None, None)),
    ],
)
def test_a_party_is_an_object_or_a_name(value: Any, expected: tuple[str | None, str | None]) -> None:
    assert party(value) == expected


WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0=:{}[]/@ \"'"), min_size=1, max_size=20
)
EVENTS = st.builds(
    Event,
    id=WORDS.filter(lambda word: not word.startswith("change")),
    kind=st.sampled_from(["cluster", "cache", "plugin", "weather"]),
    event=WORDS.filter(lambda word: word not in ("node_started", "node_heartbeat")),
    at_ms=st.integers(NOW_MS - 1_000_000, NOW_MS),
    node=st.none() | WORDS,
    consumer=st.none() | WORDS,
    consumer_id=st.none() | WORDS,
    ip=st.none() | st.ip_addresses().map(str).filter(lambda ip: "ffff" not in ip),
    status=st.none() | st.integers(0, 999),
    certainty=st.none() | st.sampled_from(["certain", "probable", "ruled-out"]),
    exact=st.booleans(),
    is_request=st.booleans(),
    upstream=st.none() | WORDS,
    health=st.none() | WORDS,
    payload=st.none() | st.just(b'{"a":1}'),
)


@given(EVENTS)
def test_an_event_that_is_passed_on_arrives_as_it_was(event: Event) -> None:
    """`replay --to` sends what it decoded."""
    [item] = own_items(Decoded(events=[event]))

    [arrived] = decode_item(item, received_ms=NOW_MS).events

    if event.payload is None:
        arrived = msgspec.structs.replace(arrived, payload=None)
    assert arrived == event


def test_a_node_that_is_passed_on_arrives_as_it_was() -> None:
    seen = NodeSeen(at_ms=NOW_MS - 1, via="admin-api", node="n1", address="a", answered=False, why="refused")
    [item] = own_items(Decoded(nodes=[seen]))

    assert decode_item(item, received_ms=NOW_MS).nodes == [seen]

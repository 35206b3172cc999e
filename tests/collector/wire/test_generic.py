from __future__ import annotations

from typing import Any

import orjson
import pytest

from collector.wire.generic import decode_generic
from domain.errors import DecodeError
from domain.events import Decoded, Event

NOW_MS = 1_795_384_700_000
AT_S = 1_795_384_634
ALERT = {"event_type": "rate_limit_exceeded", "consumer": "acme", "ip": "203.0.113.7", "timestamp": AT_S}
CHANGE = {
    "entity_type": "services",
    "operation": "update",
    "entity": {"id": "s1", "name": "orders"},
    "timestamp": AT_S,
}
CANARY = "s3cr3t-cAnAry-9f2b"


def decoded(value: Any, received_ms: int = NOW_MS, kong_event: str | None = None) -> Decoded:
    return decode_generic(orjson.dumps(value), received_ms=received_ms, kong_event=kong_event)


def event_of(value: Any, kong_event: str | None = None) -> Event:
    [event] = decoded(value, kong_event=kong_event).events
    return event


def test_an_alert_of_an_exceeded_limit_is_a_violation() -> None:
    event = event_of({**ALERT, "limit": 20, "window": "minute", "service": "orders"})

    assert (event.kind, event.event, event.certainty) == ("rate-limiting", "exceeded", "certain")
    assert (event.consumer, event.ip, event.service, event.at_ms) == (
        "acme",
        "203.0.113.7",
        "orders",
        AT_S * 1000,
    )
    assert (event.limit_name, event.limit_value, event.window_s) == ("minute", 20, 60)


def test_an_alert_is_a_lower_bound_unless_it_names_its_request() -> None:
    without, with_id = event_of(ALERT), event_of({**ALERT, "request_id": "r1"})

    assert (without.exact, without.is_request) == (False, False)
    assert (with_id.exact, with_id.is_request, with_id.id) == (True, True, "request:r1")


@pytest.mark.parametrize(
    "word",
    [
        "rate_limit_exceeded",
        "rate-limit-exceeded",
        "RATELIMIT_EXCEEDED",
        "rate_limiting",
        "rate.limit.hit",
        "exceeded",
    ],
)
def test_senders_have_many_words_for_it(word: str) -> None:
    assert event_of({**ALERT, "event_type": word}).kind == "rate-limiting"


def test_another_alert_is_kept_as_it_was_sent() -> None:
    event = event_of(
        {"event_type": "login_failed", "consumer": "acme", "client_ip": "10.0.0.1", "detail": {"n": 3}}
    )

    assert (event.kind, event.event, event.consumer, event.ip) == (
        "plugin",
        "login_failed",
        "acme",
        "10.0.0.1",
    )
    assert event.certainty is None


def test_the_header_names_an_alert_that_does_not_name_itself() -> None:
    assert event_of({"consumer": "acme"}, kong_event="quota_exhausted").event == "quota_exhausted"


def test_an_alert_that_was_sent_again_is_one_event() -> None:
    ids = {decoded(ALERT, at_ms).events[0].id for at_ms in (NOW_MS, NOW_MS + 900)}

    assert len(ids) == 1


def test_alerts_without_a_time_are_told_apart_by_when_they_came() -> None:
    timeless = {key: value for key, value in ALERT.items() if key != "timestamp"}
    ids = {decoded(timeless, at_ms).events[0].id for at_ms in (NOW_MS, NOW_MS + 900)}

    assert len(ids) == 2
    assert len({event.id for event in decoded([timeless, timeless]).events}) == 2


def test_a_sender_may_give_an_alert_its_own_id() -> None:
    ids = {event_of({**ALERT, "id": "a-1", "note": n}).id for n in (1, 2)}

    assert ids == {"alert:a-1"}


def test_a_publisher_tells_of_a_change() -> None:
    event = event_of({**CHANGE, "old_entity": {"id": "s1", "name": "old"}, "user": "ana"})

    assert (event.event, event.entity_name, event.actor, event.at_ms) == (
        "services.updated",
        "orders",
        "ana",
        AT_S * 1000,
    )
    assert event.before == {"id": "s1", "name": "old"}


@pytest.mark.parametrize(
    ("named", "collection"),
    [
        ("service", "services"),
        ("Services", "services"),
        ("key-auth", "keyauth_credentials"),
        ("jwt_secrets", "jwt_secrets"),
        ("certificate", "certificates"),
        ("something_odd", "something_odd"),
    ],
)
def test_a_collection_is_known_by_other_names(named: str, collection: str) -> None:
    assert event_of({**CHANGE, "entity_type": named}).entity_type == collection


def test_the_header_says_what_changed_where_the_body_does_not() -> None:
    told = {"entity": {"id": "r1", "name": "read"}}

    assert event_of(told, kong_event="routes:create").event == "routes.created"


def test_our_own_form_is_taken_too() -> None:
    event = event_of(
        {"kind": "cluster", "event": "node_lost", "node": "n1", "at_ms": AT_S * 1000, "id": "e1"}
    )

    assert (event.kind, event.event, event.node, event.id) == ("cluster", "node_lost", "n1", "e1")


def test_one_bad_object_among_good_ones_goes_to_quarantine() -> None:
    found = decoded([ALERT, {"apikey": CANARY}, "x", CHANGE])

    assert (found.entries, len(found.events)) == (4, 2)
    assert [bad.why for bad in found.quarantined] == [
        "event 2 of 4: found no kind, event_type or entity, expected one of them",
        "event 3 of 4: expected an object",
    ]
    assert CANARY.encode() not in found.quarantined[0].raw


def test_no_secret_of_an_alert_is_kept() -> None:
    event = event_of({**ALERT, "apikey": CANARY, "url": f"/x?token={CANARY}", "evidence": f"Bearer {CANARY}"})

    assert CANARY not in str(event)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "event: expected an object"),
        ({}, "event: found no kind, event_type or entity, expected one of them"),
        ({"data": []}, "event: this is an answer of Kong's Admin API, expected an event"),
        ({"code": 5, "message": "no"}, "event: this is an answer of Kong's Admin API, expected an event"),
        ({"operation": "update"}, "event: entity_type is missing, expected the name of a collection"),
        (
            {"entity_type": "<b>", "operation": "update", "entity": {"id": "1"}},
            "event: entity_type is '<b>', expected the name of a collection",
        ),
        (
            {"entity_type": "services", "operation": "update"},
            "event: entity is missing, expected an object with the entity's fields",
        ),
        ({"kind": "cache"}, "event: event is missing, expected text"),
        (
            {"kind": "http-log", "entry": {}},
            "event http-log: no response and no session, expected what kong.log.serialize gives",
        ),
        (ALERT | {"n": 2**64 - 1}, "event: whole number 18446744073709551615, expected at most 64 bits"),
    ],
)
def test_a_single_object_that_is_none_of_the_forms_is_refused(value: Any, message: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decoded(value)

    assert str(refused.value) == message

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.wire.event_hooks import decode_event_hook
from domain.errors import DecodeError
from domain.events import Decoded, Event

NOW_MS = 1_727_003_700_000
FOLDER = Path(__file__).parents[2] / "fixtures/payloads"
CANARY = "s3cr3t-cAnAry-9f2b"


def payload(name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((FOLDER / f"event-hook.{name}.json").read_bytes())
    return found


EXCEEDED = payload("rate-limiting-advanced.rate-limit-exceeded.consumer")


def decoded(value: Any, received_ms: int = NOW_MS) -> Decoded:
    return decode_event_hook(orjson.dumps(value), received_ms=received_ms)


def event_of(value: Any) -> Event:
    [event] = decoded(value).events
    return event


def test_a_hook_for_a_limit_tells_who_and_which_limit() -> None:
    event = event_of(EXCEEDED)

    assert (event.consumer, event.ip, event.service) == ("acme-mobile", "203.0.113.7", "demo")
    assert (event.limit_name, event.limit_value, event.window_s) == ("minute", 100, 60)
    assert event.certainty == "certain"
    assert event.evidence == "rate-limiting-advanced tells of it in an event hook"


def test_a_hook_for_a_limit_is_a_lower_bound_and_no_request() -> None:
    """Kong drops repeats within five seconds before it sends."""
    event = event_of(EXCEEDED)

    assert (event.exact, event.is_request) == (False, False)


def test_a_hook_says_nothing_of_when_it_happened() -> None:
    event = event_of(EXCEEDED)

    assert (event.at_ms, event.at_suspect) == (NOW_MS, False)


def test_an_anonymous_consumer_is_an_empty_object() -> None:
    event = event_of({**EXCEEDED, "consumer": {}, "service": {}})

    assert (event.consumer, event.consumer_id, event.service) == (None, None, None)


@pytest.mark.parametrize(
    ("window", "name", "seconds"),
    [("second", "second", 1), (90, "90s", 90), (3600, "hour", 3_600), ("?", None, None)],
)
def test_a_window_is_a_name_or_a_number_of_seconds(
    window: Any, name: str | None, seconds: int | None
) -> None:
    event = event_of({**EXCEEDED, "window": window})

    assert (event.limit_name, event.window_s) == (name, seconds)


@pytest.mark.parametrize(
    ("source", "event"),
    [
        ("service-protection", "rate-limit-exceeded"),
        ("ai-rate-limiting-advanced", "rate-limit-exceeded-provider-openai"),
    ],
)
def test_the_other_limiters_of_enterprise_tell_alike(source: str, event: str) -> None:
    assert event_of({**EXCEEDED, "source": source, "event": event}).event == "exceeded"


def test_equal_bodies_are_two_events_because_kong_never_sends_one_again() -> None:
    ids = {decoded(EXCEEDED, at_ms).events[0].id for at_ms in (NOW_MS, NOW_MS + 5_000)}

    assert len(ids) == 2


def test_both_events_of_one_change_are_one_event() -> None:
    """A hook without an event gets `services` and `services:update`."""
    ids = {
        event_of(payload(name)).id
        for name in ("crud.services.update", "crud.services_update-event", "dao-crud.update")
    }

    assert len(ids) == 1


def test_a_plugins_change_makes_the_plugin_known() -> None:
    [_, plugin] = decoded(payload("crud.plugins.update")).plugins

    assert (plugin.name, plugin.config["minute"]) == ("rate-limiting", 5)


def test_a_targets_health_names_the_target() -> None:
    event = event_of(payload("balancer.health.unhealthy"))

    assert (event.event, event.target, event.health) == ("target_unhealthy", "127.0.0.1:20002", "unhealthy")
    assert event.upstream == event.entity_id == "07131005-ba30-4204-a29f-0927d53257b4"


def test_an_ipv6_target_is_written_with_brackets() -> None:
    event = event_of({**payload("balancer.health.healthy"), "hostname": None, "ip": "2001:DB8::1"})

    assert event.target == "[2001:db8::1]:20002"


def test_the_ping_does_not_leak_the_hooks_own_secret() -> None:
    """Kong sends the whole entity, `config.secret` included."""
    ping = payload("kong-event_hooks.ping")
    ping["event_hooks"]["config"] |= {"secret": CANARY, "headers": {"Authorization": f"Bearer {CANARY}"}}

    event = event_of(ping)

    assert (event.kind, event.event, event.entity_type) == ("plugin", "ping", "event_hooks")
    assert event.payload is not None
    assert CANARY.encode() not in event.payload


def test_a_plugins_own_event_is_kept_as_it_was_sent() -> None:
    event = event_of(
        {
            "source": "oas-validation",
            "event": "validation-failed",
            "err": "no body",
            "ip": "10.0.0.1",
            "consumer": {"id": "c1", "username": "acme"},
            "service": {},
        }
    )

    assert (event.kind, event.event, event.consumer, event.ip) == (
        "plugin",
        "validation-failed",
        "acme",
        "10.0.0.1",
    )
    assert event.certainty is None


def test_what_the_log_handler_writes_is_read_as_well() -> None:
    event = event_of(
        {
            "source": "rate-limiting-advanced",
            "event": "rate-limit-exceeded",
            "pid": 7,
            "data": {"consumer": {"username": "acme"}, "ip": "10.0.0.1", "limit": 5, "window": "minute"},
        }
    )

    assert (event.consumer, event.limit_value) == ("acme", 5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "event_hook: expected an object with source and event"),
        ({}, "event_hook: source is missing, expected source and event as text"),
        ({"source": "crud"}, "event_hook: event is missing, expected source and event as text"),
        ({"source": 5, "event": "x"}, "event_hook: source is missing, expected source and event as text"),
        (
            {"source": "crud", "event": "consumers"},
            "event_hook crud: operation is missing, expected create, update or delete",
        ),
        (
            {"source": "dao:crud", "event": "update", "operation": "update", "entity": {"id": "x"}},
            "event_hook dao:crud: schema is missing, expected the name of a collection",
        ),
        (
            {"source": "balancer", "event": "health", "health": "HEALTHCHECKS_OFF"},
            "event_hook balancer: health is 'HEALTHCHECKS_OFF', expected healthy or unhealthy",
        ),
        (
            {"source": "crud", "event": "x", "handler": "log", "config": {}},
            "event_hook: this is a hook's configuration, expected an event that it sent",
        ),
    ],
)
def test_what_no_hook_sends_is_refused(value: Any, message: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decoded(value)

    assert str(refused.value) == message

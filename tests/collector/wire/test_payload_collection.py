"""Every payload in the collection is decoded to what its name says, or refused for a clear reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.wire.admin import decode_data_planes, decode_status, decode_target_health
from collector.wire.admin_lists import decode_page
from collector.wire.audit import decode_audited_objects, decode_audited_requests
from collector.wire.event_hooks import decode_event_hook
from collector.wire.http_log import decode_http_log
from collector.wire.recorded import decode_recorded
from collector.wire.signature import is_signed
from domain.errors import DecodeError
from domain.events import Decoded

NOW_MS = 1_727_003_700_000
FOLDER = Path(__file__).parents[2] / "fixtures/payloads"
Outcome = Any


def recorded(body: bytes) -> Outcome:
    """(kind, event, the column that matters) of each event, and how many requests were counted."""
    return told(decode_recorded(body, received_ms=NOW_MS, place="line"))


def hook(body: bytes) -> Outcome:
    return told(decode_event_hook(body, received_ms=NOW_MS))


def log(body: bytes) -> Outcome:
    return told(decode_http_log(body, received_ms=NOW_MS))


def told(decoded: Decoded) -> Outcome:
    assert decoded.quarantined == []
    found = [
        (e.kind, e.event, e.certainty or e.target or e.key_masked or e.entity_name or e.cache)
        for e in decoded.events
    ]
    return found, len(decoded.traffic)


def signature(body: bytes) -> Outcome:
    vector = orjson.loads(body)
    raw, secret = vector["raw_body"].encode(), vector["secret"].encode()
    headers = (vector["kong_lt_3_14"], vector["kong_gte_3_14_INFERRED_PREFIX"])
    return [is_signed(raw, header, secret) for header in headers]


def data_planes(body: bytes) -> Outcome:
    nodes, next_path = decode_data_planes(body, at_ms=NOW_MS)
    return [(n.hostname, n.version, n.config_hash, n.labels["region"]) for n in nodes], next_path


def status(body: bytes) -> Outcome:
    found = decode_status(body)
    return found.database_reachable, found.config_hash, found.total_requests, found.workers


def health(body: bytes) -> Outcome:
    return [(t.target, t.health) for t in decode_target_health(body)]


def audit(body: bytes) -> Outcome:
    return [(r.method, r.path, r.user_name, r.source) for r in decode_audited_requests(body)[0]]


def audited_objects(body: bytes) -> Outcome:
    return [(o.collection, o.operation, o.entity_id) for o in decode_audited_objects(body)[0]]


def page(body: bytes) -> Outcome:
    return len(decode_page(body, "plugins").items)


HASH = "595214af5fb356cc569313184c64d9b7"
WS = "f381e34e-5c25-4e65-b91b-3c0a86cfc393"
TARGET_UNHEALTHY = ([("cluster", "target_unhealthy", "127.0.0.1:20002")], 0)
CRUD_SERVICE = [("crud", "services.updated", "orders")]

EXPECTED: dict[str, tuple[Callable[[bytes], Outcome], Outcome]] = {
    "admin.audit.objects.consumer-create": (
        audited_objects,
        [("consumers", "create", "16787ed7-d805-434a-9cec-5e5a3e5c9e4f")],
    ),
    "admin.audit.requests.anonymous": (audit, [("GET", "/status", None, None)]),
    "admin.audit.requests.consumer-create": (audit, [("POST", "/consumers", None, None)]),
    "admin.audit.requests.kong-manager-login": (audit, [("GET", "/auth", "admin", "kong-manager")]),
    "admin.audit.requests.kong-manager-logout": (
        audit,
        [("DELETE", "/auth?session_logout=true", "admin", "kong-manager")],
    ),
    "admin.clustering.data-planes": (
        data_planes,
        ([("kongDP1", "3.3.0.0", HASH, "us-east-1"), ("kongDP2", "3.3.0.0", HASH, "us-west-2")], None),
    ),
    "admin.status": (status, (True, "779742c3d7afee2e38f977044d2ed96b", 3, 2)),
    "admin.upstreams.health": (health, [("127.0.0.1:20000", "healthy"), ("127.0.0.1:20002", "unhealthy")]),
    "cluster-event.balancer-post_health": (recorded, TARGET_UNHEALTHY),
    "cluster-event.balancer-targets": (recorded, ([("cluster", "balancer_updated", None)], 0)),
    "cluster-event.balancer-upstreams": (recorded, ([("cluster", "balancer_updated", "orders.up")], 0)),
    "cluster-event.clustering-push_config": (recorded, ([("cluster", "config_push_requested", None)], 0)),
    "cluster-event.invalidations": (
        recorded,
        ([("cache", "invalidated", f"consumers:4757bd6b-8d54-4b08-bf24-01e346a9323e:::::{WS}")], 0),
    ),
    "cluster-event.invalidations_kong_core_db_cache": (
        recorded,
        ([("cache", "invalidated", "router:version")], 0),
    ),
    "event-hook.balancer.health.healthy": (hook, ([("cluster", "target_healthy", "127.0.0.1:20002")], 0)),
    "event-hook.balancer.health.unhealthy": (hook, ([("cluster", "target_unhealthy", "127.0.0.1:20002")], 0)),
    "event-hook.crud.consumers.create": (hook, ([("crud", "consumers.created", "Ada Lovelace")], 0)),
    "event-hook.crud.plugins.update": (hook, ([("crud", "plugins.updated", "rate-limiting")], 0)),
    "event-hook.crud.routes.delete": (hook, ([("crud", "routes.deleted", "orders-route")], 0)),
    "event-hook.crud.services.update": (hook, (CRUD_SERVICE, 0)),
    "event-hook.crud.services_update-event": (hook, (CRUD_SERVICE, 0)),
    "event-hook.dao-crud.update": (hook, (CRUD_SERVICE, 0)),
    "event-hook.kong-event_hooks.ping": (hook, ([("plugin", "ping", None)], 0)),
    "event-hook.rate-limiting-advanced.rate-limit-exceeded.consumer": (
        hook,
        ([("rate-limiting", "exceeded", "certain")], 0),
    ),
    "event-hook.signature-vectors": (signature, [True, True]),
    "http-log.batch-of-2": (log, ([("rate-limiting", "exceeded", "certain")], 1)),
    "http-log.key-auth.401": (log, ([], 1)),
    "http-log.no-route.404": (log, ([], 1)),
    "http-log.rate-limiting.429.anonymous": (log, ([("rate-limiting", "exceeded", "certain")], 0)),
    "http-log.rate-limiting.429.consumer": (log, ([("rate-limiting", "exceeded", "certain")], 0)),
    "http-log.rate-limiting.429.hidden-headers": (log, ([("rate-limiting", "exceeded", "probable")], 0)),
    "http-log.request.200": (log, ([], 1)),
    "http-log.upstream.429.NOT-a-kong-limit": (log, ([], 1)),
    "worker-event.balancer.targets": (recorded, ([("cluster", "balancer_updated", "127.0.0.1:20000")], 0)),
    "worker-event.balancer.upstreams": (recorded, ([("cluster", "balancer_updated", "orders.up")], 0)),
    "worker-event.clustering-jsonrpc.disconnected": (
        recorded,
        ([("cluster", "control_plane_disconnected", None)], 0),
    ),
    "worker-event.clustering.push_config": (recorded, ([("cluster", "config_push_requested", None)], 0)),
    "worker-event.crud.services-update": (recorded, (CRUD_SERVICE, 0)),
    "worker-event.crud.services": (recorded, (CRUD_SERVICE, 0)),
    "worker-event.dao-crud.update": (recorded, (CRUD_SERVICE, 0)),
    "worker-event.declarative.reconfigure": (recorded, ([("cluster", "config_pushed", None)], 0)),
    "worker-event.healthcheck.unhealthy": (recorded, TARGET_UNHEALTHY),
    "worker-event.mlcache.invalidation.SECRET": (
        recorded,
        ([("cache", "invalidated", f"keyauth_credentials:[redacted]:::::{WS}")], 0),
    ),
    "worker-event.mlcache.invalidation.core": (
        recorded,
        ([("cache", "invalidated", f"services:9ba129c7-1f3d-4b5a-9f57-3a0b6c1f7d21:::::{WS}")], 0),
    ),
    "worker-event.mlcache.purge": (recorded, ([("cache", "purged", "kong_db_cache")], 0)),
}

NO_EVENT = "recorded line: this is an answer of Kong's Admin API, expected an event"
KONG_REFUSES = "admin /plugins: Kong answers with an error"
A_HOOK = "event_hook: this is a hook's configuration, expected an event that it sent"
REFUSED: dict[str, tuple[Callable[[bytes], Outcome], str]] = {
    "admin.clustering.status.deprecated": (
        recorded,
        "recorded line: found no kind, event_type or entity, expected one of them",
    ),
    "admin.error.405.dbless": (
        page,
        f"{KONG_REFUSES} (code 12): cannot create 'plugins' entities when not using a database",
    ),
    "admin.error.409.plugin-exists": (
        page,
        KONG_REFUSES
        + " (code 5): UNIQUE violation detected on "
        + '\'{consumer=null,name="ip-restriction",route=null,service={id="9ba129c7-1f3d-4b5a-9f57-3a0b6...',
    ),
    "event-hook.test-endpoint.response": (recorded, NO_EVENT),
    "event-hooks.entity.lambda": (hook, A_HOOK),
    "event-hooks.entity.log": (hook, A_HOOK),
    "event-hooks.entity.webhook-custom": (hook, A_HOOK),
    "event-hooks.entity.webhook": (hook, A_HOOK),
    "event-hooks.sources.dao-crud.response": (recorded, NO_EVENT),
    "event-hooks.sources.response": (recorded, NO_EVENT),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_payload_is_decoded_to_what_its_name_says(name: str) -> None:
    decode, expected = EXPECTED[name]

    assert decode((FOLDER / f"{name}.json").read_bytes()) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_a_payload_that_is_no_event_is_refused_for_a_clear_reason(name: str) -> None:
    decode, reason = REFUSED[name]

    with pytest.raises(DecodeError) as refused:
        decode((FOLDER / f"{name}.json").read_bytes())

    assert str(refused.value) == reason


def test_no_payload_is_left_out() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(EXPECTED) | set(REFUSED)


def test_our_copies_are_those_of_the_collection(all_payloads: Path) -> None:
    for path in all_payloads.glob("[!_]*.json"):
        assert (FOLDER / path.name).read_bytes() == path.read_bytes(), path.name

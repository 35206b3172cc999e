"""What Kong fills in by itself, so that a diff can leave it out. From the schemas of Kong 3.9.3.

Only a value that equals its default is left out, and only where it says nothing: in an entity that was made
or deleted, or in a field that one side of a change does not have. A change away from a default always shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REDIS = {"database": 0, "timeout": 2000, "ssl": False, "ssl_verify": False, "port": 6379}
_QUEUE = {
    "concurrency_limit": 1,
    "max_batch_size": 1,
    "max_coalescing_delay": 1,
    "max_entries": 10_000,
    "max_retry_time": 60,
    "initial_retry_delay": 0.01,
    "max_retry_delay": 60,
}
_ALL_HTTP = ["grpc", "grpcs", "http", "https"]
_FAILURES = {"tcp_failures": 0, "timeouts": 0, "http_failures": 0}
_SUCCESSFUL = [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308]

DEFAULTS: dict[str, dict[str, Any]] = {
    "services": {
        "protocol": "http",
        "port": 80,
        "retries": 5,
        "connect_timeout": 60_000,
        "write_timeout": 60_000,
        "read_timeout": 60_000,
        "enabled": True,
    },
    "routes": {
        "protocols": ["http", "https"],
        "https_redirect_status_code": 426,
        "strip_path": True,
        "preserve_host": False,
        "request_buffering": True,
        "response_buffering": True,
        "regex_priority": 0,
        "path_handling": "v0",
    },
    "targets": {"weight": 100},
    "upstreams": {
        "algorithm": "round-robin",
        "hash_on": "none",
        "hash_fallback": "none",
        "hash_on_cookie_path": "/",
        "slots": 10_000,
        "use_srv_name": False,
        "healthchecks": {
            "threshold": 0,
            "active": {
                "type": "http",
                "timeout": 1,
                "concurrency": 10,
                "http_path": "/",
                "https_verify_certificate": True,
                "healthy": {"interval": 0, "http_statuses": [200, 302], "successes": 0},
                "unhealthy": {
                    "interval": 0,
                    "http_statuses": [429, 404, 500, 501, 502, 503, 504, 505],
                    **_FAILURES,
                },
            },
            "passive": {
                "type": "http",
                "healthy": {"http_statuses": _SUCCESSFUL, "successes": 0},
                "unhealthy": {"http_statuses": [429, 500, 503], **_FAILURES},
            },
        },
    },
    "consumers": {"type": 0},
}
"""Collection -> field -> value."""

_CREDENTIALS_IN = {
    "key_in_header": True,
    "key_in_query": True,
    "key_in_body": False,
    "run_on_preflight": True,
    "hide_credentials": False,
}

PLUGIN_DEFAULTS: dict[str, dict[str, Any]] = {
    "rate-limiting": {
        "limit_by": "consumer",
        "policy": "local",
        "fault_tolerant": True,
        "hide_client_headers": False,
        "error_code": 429,
        "error_message": "API rate limit exceeded",
        "sync_rate": -1,
        "redis": _REDIS,
    },
    "response-ratelimiting": {
        "header_name": "x-kong-limit",
        "limit_by": "consumer",
        "policy": "local",
        "fault_tolerant": True,
        "hide_client_headers": False,
        "block_on_first_violation": False,
        "redis": _REDIS,
    },
    "key-auth": {"key_names": ["apikey"], **_CREDENTIALS_IN},
    "basic-auth": {"hide_credentials": False, "realm": "service"},
    "http-log": {
        "method": "POST",
        "content_type": "application/json",
        "timeout": 10_000,
        "keepalive": 60_000,
        "queue": _QUEUE,
    },
    "request-termination": {"status_code": 503, "echo": False},
    "correlation-id": {
        "header_name": "Kong-Request-ID",
        "generator": "uuid#counter",
        "echo_downstream": False,
    },
}
"""Plugin -> field of its config -> value."""

_IP_RESTRICTION = ["http", "https", "tcp", "tls", "grpc", "grpcs"]


def defaults_of(entity_type: str, entity: Mapping[str, Any]) -> dict[str, Any]:
    """What Kong fills in for an entity of this kind, nested as the entity is; empty for unknown kinds."""
    if entity_type != "plugins":
        return DEFAULTS.get(entity_type, {})
    name = str(entity.get("name"))
    protocols = _IP_RESTRICTION if name == "ip-restriction" else _ALL_HTTP
    return {"enabled": True, "protocols": protocols, "config": PLUGIN_DEFAULTS.get(name, {})}

"""Kong 3.9.3's schemas, as far as the Admin API stand-in needs them: types, defaults, references.

From kong/db/schema/entities/*.lua, kong/plugins/*/{schema,daos}.lua and kong/tools/redis/schema.lua.
"""

from __future__ import annotations

import dataclasses
from typing import Any

UNSET = object()


@dataclasses.dataclass(frozen=True)
class Field:
    """One field. `kind` is Kong's type."""

    kind: str = "string"
    default: Any = UNSET
    required: bool = False
    unique: bool = False
    auto: str = ""
    """`uuid`, `s` or `ms` (timestamps), `text`."""
    fields: dict[str, Field] | None = None
    reference: str = ""
    on_delete: str = "restrict"
    minimum: float | None = None


@dataclasses.dataclass(frozen=True)
class Schema:
    """One collection."""

    name: str
    fields: dict[str, Field]
    endpoint_key: str | None = None
    path: str = ""
    nested_path: str = ""
    composite_unique: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()


def text(**more: Any) -> Field:
    return Field("string", **more)


def number(**more: Any) -> Field:
    return Field("number", **more)


def flag(default: Any = UNSET, **more: Any) -> Field:
    return Field("boolean", default=default, **more)


def items(kind: str = "array", default: Any = UNSET, **more: Any) -> Field:
    return Field(kind, default=default, **more)


def record(fields: dict[str, Field], **more: Any) -> Field:
    return Field("record", fields=fields, **more)


def foreign(reference: str, on_delete: str = "restrict", **more: Any) -> Field:
    return Field("foreign", reference=reference, on_delete=on_delete, **more)


STAMPS = {"created_at": Field("integer", auto="s"), "updated_at": Field("integer", auto="s")}
STAMPS_MS = {"created_at": Field("number", auto="ms"), "updated_at": Field("number", auto="ms")}
ID = {"id": Field("string", auto="uuid")}
TAGS = {"tags": items("set")}

_COUNTS = {
    "tcp_failures": number(default=0),
    "timeouts": number(default=0),
    "http_failures": number(default=0),
}
_GOOD = [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308]
_ACTIVE = record(
    {
        "type": text(default="http"),
        "timeout": number(default=1),
        "concurrency": number(default=10),
        "http_path": text(default="/"),
        "https_sni": text(),
        "https_verify_certificate": flag(default=True),
        "headers": Field("map"),
        "healthy": record(
            {
                "interval": number(default=0),
                "http_statuses": items(default=[200, 302]),
                "successes": number(default=0),
            }
        ),
        "unhealthy": record(
            {
                "interval": number(default=0),
                "http_statuses": items(default=[429, 404, 500, 501, 502, 503, 504, 505]),
                **_COUNTS,
            }
        ),
    }
)
_PASSIVE = record(
    {
        "type": text(default="http"),
        "healthy": record({"http_statuses": items(default=_GOOD), "successes": number(default=0)}),
        "unhealthy": record({"http_statuses": items(default=[429, 500, 503]), **_COUNTS}),
    }
)
_REDIS = record(
    {
        "host": text(),
        "port": number(default=6379),
        "timeout": number(default=2000),
        "username": text(),
        "password": text(),
        "database": number(default=0),
        "ssl": flag(default=False),
        "ssl_verify": flag(default=False),
        "server_name": text(),
    }
)
_WINDOWS = {w: number(minimum=0) for w in ("second", "minute", "hour", "day", "month", "year")}
_QUEUE = record(
    {
        "max_batch_size": number(default=1),
        "max_coalescing_delay": number(default=1),
        "max_entries": number(default=10000),
        "max_bytes": number(),
        "max_retry_time": number(default=60),
        "initial_retry_delay": number(default=0.01),
        "max_retry_delay": number(default=60),
        "concurrency_limit": number(default=1),
    }
)
HTTP = ["grpc", "grpcs", "http", "https"]

PLUGIN_CONFIGS: dict[str, Field] = {
    "rate-limiting": record(
        {
            **_WINDOWS,
            "limit_by": text(default="consumer"),
            "header_name": text(),
            "path": text(),
            "policy": text(default="local"),
            "fault_tolerant": flag(default=True, required=True),
            "redis": _REDIS,
            "hide_client_headers": flag(default=False, required=True),
            "error_code": number(default=429),
            "error_message": text(default="API rate limit exceeded"),
            "sync_rate": number(default=-1, required=True),
        }
    ),
    "response-ratelimiting": record(
        {
            "header_name": text(default="x-kong-limit"),
            "limit_by": text(default="consumer"),
            "policy": text(default="local"),
            "fault_tolerant": flag(default=True, required=True),
            "redis": _REDIS,
            "block_on_first_violation": flag(default=False, required=True),
            "hide_client_headers": flag(default=False, required=True),
            "limits": Field("map", required=True),
        }
    ),
    "key-auth": record(
        {
            "key_names": items(default=["apikey"], required=True),
            "hide_credentials": flag(default=False, required=True),
            "anonymous": text(),
            "key_in_header": flag(default=True, required=True),
            "key_in_query": flag(default=True, required=True),
            "key_in_body": flag(default=False, required=True),
            "run_on_preflight": flag(default=True, required=True),
            "realm": text(),
        }
    ),
    "ip-restriction": record({"allow": items(), "deny": items(), "status": number(), "message": text()}),
    "request-termination": record(
        {
            "status_code": number(default=503, required=True),
            "message": text(),
            "content_type": text(),
            "body": text(),
            "echo": flag(default=False, required=True),
            "trigger": text(),
        }
    ),
    "http-log": record(
        {
            "http_endpoint": text(required=True),
            "method": text(default="POST"),
            "content_type": text(default="application/json"),
            "timeout": number(default=10000),
            "keepalive": number(default=60000),
            "retry_count": number(),
            "queue_size": number(),
            "flush_timeout": number(),
            "headers": Field("map"),
            "queue": _QUEUE,
            "custom_fields_by_lua": Field("map"),
        }
    ),
    "correlation-id": record(
        {
            "header_name": text(default="Kong-Request-ID"),
            "generator": text(default="uuid#counter", required=True),
            "echo_downstream": flag(default=False, required=True),
        }
    ),
    "acl": record(
        {
            "allow": items(),
            "deny": items(),
            "hide_groups_header": flag(default=False, required=True),
            "always_use_authenticated_groups": flag(default=False, required=True),
        }
    ),
}
AT_LEAST_ONE_OF = {
    "rate-limiting": ("second", "minute", "hour", "day", "month", "year"),
    "ip-restriction": ("allow", "deny"),
}
PROTOCOLS_OF = {"ip-restriction": ["http", "https", "tcp", "tls", "grpc", "grpcs"]}

_CONSUMER = {"consumer": foreign("consumers", "cascade", required=True)}

SCHEMAS: dict[str, Schema] = {
    s.name: s
    for s in (
        Schema(
            "services",
            {
                **ID, **STAMPS, **TAGS,
                "name": text(unique=True),
                "retries": number(default=5),
                "protocol": text(default="http", required=True),
                "host": text(required=True),
                "port": number(default=80, required=True),
                "path": text(),
                "connect_timeout": number(default=60000),
                "write_timeout": number(default=60000),
                "read_timeout": number(default=60000),
                "client_certificate": foreign("certificates"),
                "tls_verify": flag(),
                "tls_verify_depth": number(),
                "ca_certificates": items(),
                "enabled": flag(default=True, required=True),
            },
            endpoint_key="name",
        ),
        Schema(
            "routes",
            {
                **ID, **STAMPS, **TAGS,
                "name": text(unique=True),
                "protocols": items("set", default=["http", "https"], required=True),
                "methods": items("set"),
                "hosts": items(),
                "paths": items(),
                "headers": Field("map"),
                "snis": items("set"),
                "sources": items("set"),
                "destinations": items("set"),
                "https_redirect_status_code": number(default=426, required=True),
                "regex_priority": number(default=0),
                "strip_path": flag(default=True, required=True),
                "path_handling": text(default="v0"),
                "preserve_host": flag(default=False, required=True),
                "request_buffering": flag(default=True, required=True),
                "response_buffering": flag(default=True, required=True),
                "service": foreign("services"),
            },
            endpoint_key="name",
        ),
        Schema(
            "consumers",
            {**ID, **STAMPS, **TAGS, "username": text(unique=True), "custom_id": text(unique=True)},
            endpoint_key="username",
        ),
        Schema(
            "upstreams",
            {
                **ID, **STAMPS, **TAGS,
                "name": text(unique=True, required=True),
                "algorithm": text(default="round-robin"),
                "hash_on": text(default="none"),
                "hash_fallback": text(default="none"),
                "hash_on_header": text(),
                "hash_fallback_header": text(),
                "hash_on_cookie": text(),
                "hash_on_cookie_path": text(default="/"),
                "hash_on_query_arg": text(),
                "hash_fallback_query_arg": text(),
                "hash_on_uri_capture": text(),
                "hash_fallback_uri_capture": text(),
                "slots": number(default=10000),
                "healthchecks": record(
                    {"active": _ACTIVE, "passive": _PASSIVE, "threshold": number(default=0)}
                ),
                "host_header": text(),
                "client_certificate": foreign("certificates"),
                "use_srv_name": flag(default=False),
            },
            endpoint_key="name",
        ),
        Schema(
            "targets",
            {
                **ID, **STAMPS_MS, **TAGS,
                "upstream": foreign("upstreams", "cascade", required=True),
                "target": text(required=True),
                "weight": number(default=100, minimum=-1),
            },
            endpoint_key="target",
            composite_unique=("upstream", "target"),
        ),
        Schema(
            "plugins",
            {
                **ID, **STAMPS, **TAGS,
                "name": text(required=True),
                "instance_name": text(unique=True),
                "route": foreign("routes", "cascade"),
                "service": foreign("services", "cascade"),
                "consumer": foreign("consumers", "cascade"),
                "config": record({}),
                "protocols": items("set", default=HTTP, required=True),
                "enabled": flag(default=True, required=True),
            },
            endpoint_key="instance_name",
            composite_unique=("name", "route", "service", "consumer"),
        ),
        Schema(
            "keyauth_credentials",
            {**ID, "created_at": Field("integer", auto="s"), **TAGS, **_CONSUMER,
             "key": text(unique=True, auto="text")},
            endpoint_key="key", path="key-auths", nested_path="key-auth",
        ),
        Schema(
            "basicauth_credentials",
            {**ID, "created_at": Field("integer", auto="s"), **TAGS, **_CONSUMER,
             "username": text(unique=True, required=True), "password": text(required=True)},
            endpoint_key="username", path="basic-auths", nested_path="basic-auth", hashed=("password",),
        ),
        Schema(
            "acls",
            {**ID, "created_at": Field("integer", auto="s"), **TAGS, **_CONSUMER,
             "group": text(required=True)},
            composite_unique=("consumer", "group"),
        ),
    )
}  # fmt: skip

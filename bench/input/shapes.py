"""Recorded log entries, as Kong's http-log plugin posts them and as our Kong plugin streams them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]
TRACES = (ROOT.parent / "shared/traces/alpha/http-log.jsonl.gz", *sorted(ROOT.glob("samples/*.jsonl.gz")))
LIMIT_HEADERS = ("retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
EVIDENCE_HEADERS = ("content-length", "content-type", "server")
REQUEST_HEADERS = ("host", "user-agent", "x-forwarded-for")
ENTITY_FIELDS = ("id", "name", "username", "custom_id")


def trace_entries(*, refusals_only: bool) -> list[dict[str, Any]]:
    """Distinct log entries of the first trace at hand, in order of their start; resent ones are left out."""
    path = next((path for path in TRACES if path.exists()), None)
    if path is None:
        raise SystemExit("bench: no recorded trace at hand")
    found: dict[str, dict[str, Any]] = {}
    with gzip.open(path) as lines:
        for line in lines:
            body = orjson.loads(line).get("body")
            for entry in body if isinstance(body, list) else [body]:
                if isinstance(entry, dict) and "response" in entry:
                    found.setdefault(entry["request"]["id"], entry)
    entries = sorted(found.values(), key=lambda entry: entry["started_at"])
    return [entry for entry in entries if is_refusal(entry)] if refusals_only else entries


def is_refusal(entry: dict[str, Any]) -> bool:
    """Whether Kong itself answered 429."""
    return bool(entry["response"]["status"] == 429 and entry.get("source") == "kong")


def as_plugin_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields that kong-plugin/kong/plugins/gatewatch/entries.lua lets leave the node."""
    request, response = entry["request"], entry["response"]
    is_bare = "retry-after" not in response["headers"]
    found: dict[str, Any] = {
        "request": {
            **{name: request[name] for name in ("method", "id", "uri")},
            "headers": _picked(request["headers"], REQUEST_HEADERS),
        },
        "response": {
            "status": response["status"],
            "headers": {
                name: value
                for name, value in response["headers"].items()
                if name in LIMIT_HEADERS
                or name.startswith("x-ratelimit-")
                or (is_bare and name in EVIDENCE_HEADERS)
            },
        },
        **{name: entry[name] for name in ("source", "upstream_status", "client_ip", "started_at")},
    }
    for collection in ("route", "service", "consumer"):
        if isinstance(entry.get(collection), dict):
            found[collection] = _picked(entry[collection], ENTITY_FIELDS)
    return found


def _picked(value: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}

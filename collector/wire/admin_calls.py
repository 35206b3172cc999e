"""Calls of Kong's Admin API that came through Kong itself: who did what, on open-source Kong.

With the Admin API behind a route of its own ("API loopback": a service at 127.0.0.1:8001, with key-auth and
http-log), Kong's log names consumer, method, path and address of every call (KONG documentation, "Secure the
Admin API"). Calls that change something are kept as events, so that changes can be joined to them.
"""

from __future__ import annotations

from typing import Any

import orjson

from collector.wire.fields import text
from domain.change_actors import ADMIN_CALLED, ADMIN_KIND, safe_path
from domain.events import Event

# tuples, because a sender's list or object is in no set: it cannot be hashed
PORTS = (8001, 8444)
"""Where Admin APIs listen (kong.conf `admin_listen`)."""
HOSTS = ("127.0.0.1", "localhost", "::1", "[::1]")
NAMES = ("admin-api", "admin-api-loopback", "kong-admin")
"""What the service is called in Kong's own documentation, where it is not on this machine."""
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_FAILED = 400


def is_admin_service(service: Any) -> bool:
    """Whether an entry's service is an Admin API. Quick: it is asked for every entry."""
    if type(service) is not dict or service.get("port") not in PORTS:
        return False
    return service.get("host") in HOSTS or service.get("name") in NAMES


def admin_call(entry: dict[str, Any], status: int, at_ms: int, who: dict[str, Any]) -> Event | None:
    """A call that changed something, as an event; None for reads and for what was refused.

    Args:
        entry: The log entry.
        status: Of the answer.
        at_ms: When the call began.
        who: Consumer, address, service, route and node, as events name them.
    """
    request = entry.get("request")
    if type(request) is not dict or status >= _FAILED:
        return None
    method, request_id = request.get("method"), text(request.get("id"))
    path = text(entry.get("upstream_uri")) or text(request.get("uri"))
    if method not in _CHANGING or path is None or request_id is None:
        return None
    return Event(
        id=f"admin:{request_id}",
        kind=ADMIN_KIND,
        event=ADMIN_CALLED,
        at_ms=at_ms,
        request_id=request_id,
        status=status,
        actor=who.get("consumer") or who.get("consumer_id"),
        payload=orjson.dumps({"method": method, "path": safe_path(path)}),
        **who,
    )

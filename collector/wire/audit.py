"""Rows of Kong Enterprise's audit log: `GET /audit/requests` and `GET /audit/objects`.

Shapes: Kong's documentation of the audit log, 3.2 and later. `request_timestamp` is in seconds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from collector.wire.admin_lists import Page, decode_page
from collector.wire.fields import address, integer, text
from domain.errors import DecodeError
from domain.redaction import redact_text


class AuditedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the Admin API, and who made it."""

    request_id: str
    at_ms: int
    method: str | None
    path: str | None
    """Redacted."""
    status: int | None
    user_id: str | None
    user_name: str | None
    """None where Kong's access control is off: then nobody knows."""
    ip: str | None
    source: str | None
    """`kong-manager` for its web interface."""


class AuditedObject(msgspec.Struct, frozen=True, kw_only=True):
    """One entity that a request changed; `request_id` says which one."""

    request_id: str
    at_ms: int
    collection: str
    entity_id: str | None
    operation: str | None


def decode_audited_requests(body: bytes) -> tuple[tuple[AuditedRequest, ...], str | None]:
    """Read one page of `/audit/requests`: its rows, and where the next page is.

    Raises:
        DecodeError: Not that answer.
    """
    page = decode_page(body, "audit/requests")
    return tuple(_request(item, n) for n, item in enumerate(page.items, start=1)), page.next_path


def decode_audited_objects(body: bytes) -> tuple[tuple[AuditedObject, ...], str | None]:
    """Read one page of `/audit/objects`: its rows, and where the next page is.

    Raises:
        DecodeError: Not that answer.
    """
    page: Page = decode_page(body, "audit/objects")
    return tuple(_object(item, n) for n, item in enumerate(page.items, start=1)), page.next_path


def _request(item: dict[str, Any], number: int) -> AuditedRequest:
    request_id, at_ms = _when(item, f"admin /audit/requests row {number}")
    path = text(item.get("path"))
    return AuditedRequest(
        request_id=request_id,
        at_ms=at_ms,
        method=text(item.get("method")),
        path=None if path is None else redact_text(path),
        status=integer(item.get("status")),
        user_id=text(item.get("rbac_user_id")),
        user_name=text(item.get("rbac_user_name")),
        ip=address(item.get("client_ip")),
        source=text(item.get("request_source")),
    )


def _object(item: dict[str, Any], number: int) -> AuditedObject:
    where = f"admin /audit/objects row {number}"
    request_id, at_ms = _when(item, where)
    collection = text(item.get("dao_name"))
    if collection is None:
        raise DecodeError(where, "dao_name is missing, expected the name of a collection")
    return AuditedObject(
        request_id=request_id,
        at_ms=at_ms,
        collection=collection,
        entity_id=text(item.get("entity_key")),
        operation=text(item.get("operation")),
    )


def _when(item: dict[str, Any], where: str) -> tuple[str, int]:
    request_id, at_s = text(item.get("request_id")), integer(item.get("request_timestamp"))
    if request_id is None or at_s is None:
        raise DecodeError(where, "request_id or request_timestamp is missing, expected both")
    return request_id, at_s * 1000

"""Asks the Admin APIs once, and keeps what they said. A handful of GETs each, nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from collector.poller.address import AdminAddress
from collector.poller.client import LIST_LIMIT_S, Answer, Silence, ask
from collector.poller.clusters import cluster_of
from collector.poller.node import sized
from collector.wire.admin import About, Status, decode_about, decode_data_planes, decode_status
from collector.wire.admin_lists import decode_page
from domain.errors import DecodeError
from domain.events import NodeSeen

MOST_PAGES = 20
"""Of any list, so 20,000 entities; of a longer list nothing is said, as a part of it could mislead."""


class Looked(msgspec.Struct, kw_only=True):
    """What one Admin API said."""

    address: str
    silence: Silence | None = None
    """Why it said nothing."""
    about: About | None = None
    status: Status | None = None
    clock_off_ms: int | None = None
    """Its clock against ours; None when it does not say."""
    cluster: str = ""
    plugins: list[dict[str, Any]] | None = None
    """Every plugin as configured; None when the list cannot be read."""
    data_planes: tuple[NodeSeen, ...] = ()
    hooks: list[dict[str, Any]] | None = None
    """Enterprise event hooks; None where there are none to ask for."""

    @property
    def role(self) -> str:
        """`traditional`, `dbless`, `control_plane`, `data_plane`, or `unknown`."""
        return (self.about.node.role if self.about else None) or "unknown"


async def look(client: httpx.AsyncClient, address: AdminAddress, now_ms: Callable[[], int]) -> Looked:
    """Ask one Admin API for what the rules need."""
    found = Looked(address=address.label)
    answer = await ask(client, address, "/")
    if isinstance(answer, Silence):
        found.silence = answer
        return found
    try:
        found.about = decode_about(answer.body, at_ms=now_ms(), asked_at=address.label)
    except DecodeError as error:
        found.silence = Silence(why=f"it does not answer as an Admin API: {error.problem}", is_telling=False)
        return found
    found.clock_off_ms = None if answer.clock_ms is None else answer.clock_ms - now_ms()
    found.cluster = cluster_of(found.about.configuration, address.label)
    found.status = await _status(client, address)
    found.plugins = await _list(client, address, "plugins")
    found.hooks = await _list(client, address, "event-hooks")
    if found.role == "control_plane":
        found.data_planes = await _data_planes(client, address, now_ms)
    return found


async def _status(client: httpx.AsyncClient, address: AdminAddress) -> Status | None:
    answer = await ask(client, address, "/status")
    if isinstance(answer, Silence):
        return None
    try:
        return decode_status(answer.body)
    except DecodeError:
        return None


async def _list(client: httpx.AsyncClient, address: AdminAddress, name: str) -> list[dict[str, Any]] | None:
    items: list[dict[str, Any]] = []
    path: str | None = f"/{name}?size=1000"
    for _ in range(MOST_PAGES):
        if path is None:
            break
        answer = await ask(client, address, path, LIST_LIMIT_S)
        if not isinstance(answer, Answer):
            return None
        try:
            page = decode_page(answer.body, name)
        except DecodeError:
            return None
        items += page.items
        path = sized(page.next_path)
    return items if path is None else None


async def _data_planes(
    client: httpx.AsyncClient, address: AdminAddress, now_ms: Callable[[], int]
) -> tuple[NodeSeen, ...]:
    found: tuple[NodeSeen, ...] = ()
    path: str | None = "/clustering/data-planes?size=1000"
    for _ in range(MOST_PAGES):
        if path is None:
            break
        answer = await ask(client, address, path)
        if not isinstance(answer, Answer):
            break
        try:
            nodes, following = decode_data_planes(answer.body, at_ms=now_ms(), asked_at=address.label)
        except DecodeError:
            break
        found += nodes
        path = sized(following)
    return found

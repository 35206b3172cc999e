"""A Gatewatch with a Kong to change: a database, an Admin API stand-in, a service and a clock."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from changes.admin_api import AdminApi
from changes.service import ChangeService
from collector.wire.changes import decode_change
from domain.blocks import Block, BlockScope, BlockState
from domain.events import Decoded
from domain.proposals import Answer, Proposal
from settings import Settings, load_settings
from storage.batches import Batch
from storage.block_book import ask_block, get_block
from storage.change_book import ChangeBook
from storage.changes_reader import ChangesReader
from storage.sqlite_store import SqliteStore
from tests.blank_store import make_blank
from tests.changes.kong_admin import KongAdmin

NOW = 1_795_384_800_000
URL = "http://kong:8001"


class Broken(httpx.AsyncBaseTransport):
    """Carries requests to a Kong in this process, unless told to break first.

    `refuse`: no connection is made. `lose`: the request is carried out, and its answer is lost.
    """

    def __init__(self, kong: KongAdmin) -> None:
        self._inner = httpx.ASGITransport(kong)
        self.refuse: Callable[[httpx.Request], bool] = lambda _: False
        self.lose: Callable[[httpx.Request], bool] = lambda _: False
        self.before: Callable[[httpx.Request], None] = lambda _: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Break, or pass it on."""
        self.before(request)
        if self.refuse(request):
            raise httpx.ConnectError("connection refused", request=request)
        response = await self._inner.handle_async_request(request)
        if self.lose(request):
            raise httpx.ReadError("connection reset", request=request)
        return response


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs, and no handler of ours catches it."""


@dataclasses.dataclass
class World:
    """Everything that a test of changes needs."""

    path: Path
    kong: KongAdmin
    transport: Broken
    settings: Settings
    service: ChangeService
    store: SqliteStore
    now: int = NOW
    _seq: Iterator[int] = dataclasses.field(default_factory=lambda: itertools.count(1))

    @property
    def book(self) -> ChangeBook:
        """A connection for decisions; use it with `with`."""
        return ChangeBook(self.path)

    def restarted(self, **changed: Any) -> ChangeService:
        """The service of a new process."""
        self.settings = dataclasses.replace(self.settings, **changed)
        self.service = make_service(self)
        return self.service

    def proposal(self, proposal_id: str) -> Proposal:
        """As it is stored."""
        with self.book as book:
            return book.get(proposal_id)

    def block(self, block_id: str) -> Block:
        """As it is stored."""
        with self.book as book:
            return get_block(book, block_id)

    def log(self, subject: str) -> list[str]:
        """What the log says happened to a proposal or block, oldest first."""
        with self.book as book:
            rows = book.connection.execute(
                "SELECT what FROM change_log WHERE subject = ? ORDER BY entry", (subject,)
            )
            return [what for (what,) in rows]

    def tell(self, *events: dict[str, Any]) -> list[int]:
        """Store crud events as the collector would; returns their arrival numbers."""
        decoded = Decoded()
        for event in events:
            found = decode_change(
                event,
                "test",
                collection=event["schema"],
                at_ms=event.get("at_ms", self.now),
                node="gw-1",
                run=f":{next(self._seq)}",
            )
            decoded.events += found.events
            decoded.entities += found.entities
            decoded.plugins += found.plugins
        batch = Batch(source="t", way="stream", received_ms=self.now, decoded=decoded)
        [written] = self.store.write([batch])
        return list(range(written.last_seq - len(events) + 1, written.last_seq + 1))

    def change(self, method: str, name: str, entity_id: str, body: dict[str, Any] | None = None) -> int:
        """Somebody changes Kong, and its event arrives; returns the arrival number of the (first) event."""
        known = len(self.kong.store.events)
        self.kong.now_s = self.now / 1000
        if method == "PATCH":
            self.kong.store.update(name, entity_id, body or {})
        elif method == "PUT":
            self.kong.store.upsert(name, entity_id, body or {})
        else:
            self.kong.store.delete(name, entity_id)
        seqs = self.tell(*self.kong.store.events[known:])
        self.now += 1_000
        return seqs[0]

    def ask(self, proposal_id: str, kind: str, ask: dict[str, Any], by: str = "ana") -> None:
        """Ask for a change."""
        with self.book as book:
            book.ask(proposal_id, kind, by, "because", ask, self.now)

    def ask_block(self, block_id: str, subject: str, kind: str = "address", **given: Any) -> None:
        """Ask for a block."""
        fields: dict[str, Any] = {
            "block_id": block_id, "state": BlockState.REQUESTED.value, "subject_type": kind,
            "subject": subject, "label": subject, "scope": BlockScope(), "reason": "because",
            "asked_by": "ana", "asked_ms": self.now, "duration_ms": 3_600_000, "proposal_id": f"p-{block_id}",
        }  # fmt: skip
        with self.book as book:
            ask_block(book, Block(**{**fields, **given}), self.now)

    def approve(self, proposal_id: str, by: str = "bob") -> Answer:
        """Approve what is shown now."""
        with self.book as book:
            found = book.get(proposal_id)
            return book.approve(proposal_id, by, found.plan_hash or "", self.now, own_allowed=False)

    async def applied(self, proposal_id: str) -> Proposal:
        """Plan, approve and apply."""
        await self.service.turn()
        assert self.approve(proposal_id) is Answer.GIVEN, self.proposal(proposal_id).outcome
        await self.service.turn()
        return self.proposal(proposal_id)


def make_service(world: World) -> ChangeService:
    async def no_wait(seconds: float) -> None:
        world.now += round(seconds * 1000)

    api = AdminApi(URL, transport=world.transport) if world.settings.change_url else None
    return ChangeService(world.settings, lambda: world.now, api, no_wait)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    path = tmp_path / "g.db"
    settings = load_settings({"database": str(path), "change_url": URL}, {})
    store = SqliteStore(make_blank(path), settings)
    kong = KongAdmin()
    transport = Broken(kong)
    found = World(path, kong, transport, settings, None, store)  # type: ignore[arg-type]
    found.service = make_service(found)
    yield found
    await found.service.close()
    store.close()


@pytest.fixture
def reader(world: World) -> Iterator[ChangesReader]:
    found = ChangesReader(world.path, 2_000)
    yield found
    found.close()


SERVICE = "9d7b69b8-8a46-4de1-8ce9-b71a4990177a"
PLUGIN = "bbddc4e6-b824-43df-a044-726c3dc17563"
CONSUMER = "fc965c03-89a5-4da5-9d6d-a9afe5b2c134"


@pytest.fixture
def limited(world: World) -> World:
    """A service with a limit of 60 a minute, and a consumer with a key."""
    world.change("PUT", "services", SERVICE, {"name": "orders", "host": "orders.internal"})
    world.change(
        "PUT",
        "plugins",
        PLUGIN,
        {"name": "rate-limiting", "service": {"id": SERVICE}, "config": {"minute": 60}},
    )
    world.change("PUT", "consumers", CONSUMER, {"username": "acme"})
    return world

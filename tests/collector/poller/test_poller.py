from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.metrics import Metrics
from collector.poller import poller as module
from collector.poller.poller import AdminPoller, read_admin_token
from domain.errors import StoreBusy
from settings import Settings, SettingValueError, load_settings
from storage.batches import Batch
from tests.collector.poller.kong_node import KongNode, limit_plugin

NOW_MS = 1_795_384_629_000


class FakeWriter:
    """Keeps what it is given, after `refusals` that it is too busy for."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.refusals = 0

    async def store(self, batch: Batch) -> None:
        """Keep it."""
        if self.refusals:
            self.refusals -= 1
            raise StoreBusy("stopping")
        self.batches.append(batch)


def settings_of(*urls: str, token_file: Path | str = "") -> Settings:
    return load_settings({"admin_url": list(urls), "admin_token_file": str(token_file)}, {})


def poller_of(settings: Settings, writer: Any, metrics: Metrics | None = None) -> AdminPoller:
    clock = itertools.count()
    return AdminPoller(settings, writer, metrics or Metrics(), lambda: next(clock) / 100, lambda: NOW_MS)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, KongNode]:
    """Two nodes that share a database, reached without a socket."""
    found = {"gw-1": KongNode("n-1"), "gw-2": KongNode("n-2")}
    for node in found.values():
        node.lists["plugins"] = [limit_plugin()]

    async def route(scope: Any, receive: Any, send: Any) -> None:
        await found[dict(scope["headers"])[b"host"].decode().partition(":")[0]](scope, receive, send)

    def opened(_token: str | None, _ca_file: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(route))

    monkeypatch.setattr(module, "open_client", opened)
    return found


async def until(is_so: Any) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - what it waits for knows no event
            await asyncio.sleep(0.005)


@pytest.mark.usefixtures("nodes")
async def test_every_address_is_a_source_of_its_own() -> None:
    writer, metrics = FakeWriter(), Metrics()
    settings = settings_of("http://gw-1:8001", "http://gw-2:8001")
    poller = poller_of(settings, writer, metrics)

    poller.start()
    await until(lambda: len({seen.node for b in writer.batches for seen in b.decoded.nodes}) >= 2)
    await poller.stop()

    assert {(batch.source, batch.way) for batch in writer.batches} == {
        ("admin-api http://gw-1:8001", "admin-api"),
        ("admin-api http://gw-2:8001", "admin-api"),
    }
    assert {batch.received_ms for batch in writer.batches} == {NOW_MS}
    assert metrics.value("gatewatch_admin_requests_total", outcome="answered") >= 2


async def test_nothing_is_asked_after_it_stopped(nodes: dict[str, KongNode]) -> None:
    poller = poller_of(settings_of("http://gw-1:8001"), FakeWriter())
    poller.start()
    await until(lambda: nodes["gw-1"].calls)

    await poller.stop()
    asked = len(nodes["gw-1"].calls)
    await asyncio.sleep(0.05)

    assert len(nodes["gw-1"].calls) == asked


@pytest.mark.usefixtures("nodes")
async def test_a_busy_writer_does_not_end_the_polling() -> None:
    writer = FakeWriter()
    writer.refusals = 1
    poller = poller_of(settings_of("http://gw-1:8001"), writer)

    poller.start()
    await until(lambda: writer.batches)
    await poller.stop()


async def test_without_addresses_nothing_is_polled() -> None:
    poller = poller_of(settings_of(), FakeWriter())

    poller.start()

    await poller.stop()


def test_an_address_that_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(SettingValueError, match="ftp"):
        poller_of(settings_of("ftp://gw-1"), FakeWriter())


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "kęy"])
def test_a_file_without_a_token_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(SettingValueError, match="holds no token"):
        read_admin_token(settings_of(token_file=path))


def test_the_token_is_read_from_a_file_of_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("abc\n")
    path.chmod(0o600)

    assert read_admin_token(settings_of(token_file=path)) == "abc"
    assert read_admin_token(settings_of()) is None

    path.chmod(0o644)
    with pytest.raises(SettingValueError, match="admin token file"):
        read_admin_token(settings_of(token_file=path))

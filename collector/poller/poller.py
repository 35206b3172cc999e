"""All configured Admin APIs, each polled by a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from random import Random

from collector.metrics import Metrics
from collector.poller.address import AdminAddress, parse_admin_urls
from collector.poller.client import open_client
from collector.poller.clusters import Clusters
from collector.poller.node import NodePoller
from collector.poller.plan import Plan
from collector.sink import Sink
from collector.tokens import read_secret_file
from domain.errors import StoreBusy
from domain.events import Decoded
from settings import Settings, SettingValueError
from storage.batches import Batch

WAY = "admin-api"


class AdminPoller:
    """Polls every address from `start` to `stop`. Without addresses it does nothing.

    Raises:
        SettingValueError: An address, the token file or the file of certificates cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        writer: Sink,
        metrics: Metrics,
        clock_s: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._metrics = metrics
        self._clock_s = clock_s
        self._now_ms = now_ms
        self._addresses = parse_admin_urls(settings.admin_url)
        self._token = read_admin_token(settings)
        self._client = open_client(self._token, settings.admin_ca_file) if self._addresses else None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; must be called in the event loop."""
        if self._client is None:
            return
        clusters, random = Clusters(), Random()  # noqa: S311 - spreads requests over time
        for address in self._addresses:
            plan = Plan(
                self._clock_s(),
                float(self._settings.admin_poll_s),
                self._settings.admin_requests_per_minute,
                random.random,
            )
            node = NodePoller(
                address=address,
                client=self._client,
                clusters=clusters,
                plan=plan,
                deliver=partial(self._deliver, address),
                count=self._count,
                clock_s=self._clock_s,
                now_ms=self._now_ms,
                round_s=float(self._settings.admin_poll_s),
            )
            self._tasks.append(asyncio.create_task(node.run(), name=f"poll {address.label}"))

    async def stop(self) -> None:
        """End; what was asked and not answered is dropped."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._client is not None:
            await self._client.aclose()

    def _count(self, outcome: str) -> None:
        self._metrics.count("gatewatch_admin_requests_total", outcome=outcome)

    async def _deliver(self, address: AdminAddress, decoded: Decoded) -> None:
        source = f"{WAY} {address.label}"
        batch = Batch(source=source, way=WAY, received_ms=self._now_ms(), decoded=decoded)
        with contextlib.suppress(StoreBusy):  # stopping: what could not be stored will be asked again
            await self._writer.store(batch)


def read_admin_token(settings: Settings) -> str | None:
    """The token that Kong Enterprise asks for at its Admin API; None without a file.

    Raises:
        SettingValueError: The file cannot be read, others may read it, or it holds no token.
    """
    path = settings.admin_token_file
    if not path:
        return None
    token = read_secret_file(path, "admin token file").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise SettingValueError(f"admin token file {path} holds no token: one line of ASCII expected")
    return token

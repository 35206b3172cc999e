"""Puts the server's parts together for `dashboard.py`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from settings import Settings
from storage.audit_trail import record
from storage.location import PostgresUrl, located
from storage.protocol import Reader
from ui.server import status
from ui.server.attention import Alerts
from ui.server.exports import Exports
from ui.server.headers import SecurityHeaders, content_security_policy, streamlit_start_page
from ui.server.hosts import KnownHosts
from ui.server.hub import Hub, StoreWatch
from ui.server.live_route import LiveRoute
from ui.server.log_file import LogFile
from ui.server.routes import routes
from ui.server.sample_player import SamplePlayer
from ui.server.status import ChildStatus
from ui.server.supervisor import Supervisor
from ui.server.tickets import PROCESS_KEY, Tickets


class DashboardServer:
    """Everything beside the pages. Construction opens nothing; `lifespan` starts and ends it.

    Args:
        settings: Where the databases and the collector are.
        root: The project's folder, which the collector is run from.
        environ: What the collectors inherit.
        reader_of: Opens the reader of our own database (False) or the sample's (True).
        alerts_of: Opens the reader of its alerts, likewise.
        now_ms: The one clock of the user interface.
        allowed_hosts: Names by which we may be called, asked at each connection.
        allowed_origins: Pages of other sites that may connect.
    """

    def __init__(
        self,
        settings: Settings,
        root: Path,
        environ: Mapping[str, str],
        reader_of: Callable[[bool], Reader],
        alerts_of: Callable[[bool], Alerts],
        now_ms: Callable[[], int],
        allowed_hosts: Callable[[], Sequence[str]],
        allowed_origins: Callable[[], Sequence[str]],
    ) -> None:
        place = located(settings.database)
        data = Path(settings.sample_database if isinstance(place, PostgresUrl) else place).parent
        self._loop: asyncio.AbstractEventLoop | None = None
        self._supervisor = Supervisor(settings, environ, LogFile(data / "collector.log"))
        sample_log = LogFile(Path(settings.sample_database).parent / "sample.log")
        self._sample = SamplePlayer(settings, environ, root / "samples", sample_log)
        poll_s = settings.hub_poll_ms / 1000
        self._hub = Hub(
            {
                sample: StoreWatch(
                    functools.partial(reader_of, sample),
                    now_ms,
                    poll_s,
                    settings.http_listen,
                    functools.partial(alerts_of, sample),
                )
                for sample in (False, True)
            }
        )
        self._allowed_hosts = allowed_hosts
        self._allowed_origins = allowed_origins
        tickets = Tickets(PROCESS_KEY, now_ms)
        self._live = LiveRoute(self._hub, tickets, allowed_hosts)
        self._exports = Exports(
            tickets,
            reader_of,
            lambda who, what, which: record(settings.database, now_ms(), who, "exported", what, which),
        )

    def collector(self) -> ChildStatus:
        """See `status.Server`."""
        return self._supervisor.status

    def sample(self) -> ChildStatus:
        """See `status.Server`."""
        return self._sample.status

    def play_sample(self) -> None:
        """See `status.Server`."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._sample.play)

    def stop_sample(self) -> None:
        """See `status.Server`."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._sample.stop(), self._loop)

    def routes(self) -> list[BaseRoute]:
        """For `st.App`."""
        return routes(self, self._live, self._exports)

    def middleware(self) -> list[Middleware]:
        """For `st.App`."""
        policy = content_security_policy(streamlit_start_page())
        return [
            Middleware(SecurityHeaders, policy=policy),
            Middleware(KnownHosts, allowed=self._allowed_hosts, origins=self._allowed_origins),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[dict[str, Any]]:
        """Start the hub and the collector; end both, and the sample, whatever happens."""
        self._loop = asyncio.get_running_loop()
        # A closed terminal ends us as SIGTERM would, so that the collector does not stay behind.
        self._loop.add_signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
        self._hub.start()
        self._supervisor.start()
        status.publish(self)
        try:
            yield {}
        finally:
            status.publish(None)
            await asyncio.gather(self._hub.stop(), self._supervisor.stop(), self._sample.stop())
            self._loop = None

"""Whether the nodes of a NATS cluster write to disk before they acknowledge: their monitoring ports tell."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence

import httpx

log = logging.getLogger("gatewatch.bus")

ASK_LIMIT_S = 2.0
UNKNOWN = (
    "nobody can tell whether the bus brings messages to disk before it acknowledges them: set"
    " bus_monitor_url, and `jetstream { sync_interval: always }` on every node (docs/scale.md)"
)


class SyncCheck:
    """Asks `/jsz` of every node, https://docs.nats.io/running-a-nats-service/nats_admin/monitoring.

    Args:
        monitors: `http://HOST:PORT` of each; without any the answer stays unknown, which is said once.
    """

    def __init__(self, monitors: Sequence[str]) -> None:
        self._monitors = tuple(monitors)
        self._http = httpx.AsyncClient(timeout=ASK_LIMIT_S)
        self._has_told = False
        self.is_synced: bool | None = None
        """None while nobody said."""
        self.problem = ""
        """A sentence about a node that does not, else empty."""

    async def ask(self) -> None:
        """Ask every node that answers; a node that does not answer changes nothing."""
        if not self._monitors:
            self._tell(UNKNOWN)
        answers = {m: found for m in self._monitors if (found := await self._ask(m)) is not None}
        if not answers:
            return
        self.is_synced = all(answers.values())
        unsynced = [monitor for monitor, is_synced in answers.items() if not is_synced]
        self.problem = ""
        if unsynced:
            self.problem = (
                f"{unsynced[0]} does not write to disk before it acknowledges: a power cut loses what was"
                " acknowledged; set `jetstream { sync_interval: always }` and restart it"
            )
            self._tell(self.problem)

    async def _ask(self, monitor: str) -> bool | None:
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            answer = await self._http.get(f"{monitor.rstrip('/')}/jsz", params={"config": "1"})
            return bool(answer.json()["config"].get("sync_always", False))
        return None

    def _tell(self, what: str) -> None:
        if not self._has_told:
            self._has_told = True
            log.error("%s", what)

    async def stop(self) -> None:
        """Close connections."""
        await self._http.aclose()

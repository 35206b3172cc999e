"""One address, polled until cancelled: one line of questions for the sign of life, another for the rest."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from collector.poller.address import AdminAddress
from collector.poller.client import LIST_LIMIT_S, Answer, Silence, ask
from collector.poller.clusters import Clusters, cluster_of
from collector.poller.plan import Ask, Kind, Line, Plan
from collector.wire.admin import answer_decoded, decode_about, node_decoded, silence_decoded
from collector.wire.admin_lists import Page, entities_decoded, page_of, plugins_decoded
from collector.wire.json_bytes import parse_json
from domain.errors import DecodeError
from domain.events import Decoded

log = logging.getLogger("gatewatch.poller")

PAGE_SIZE = 1_000
"""The most that Kong gives (kong/api/endpoints.lua, 3.9)."""
MOST_PAGES = 500
MOST_PLUGINS = 20_000
"""Plugins are judged as a whole list, so it is held in memory: 20,000 are some 40 MB."""
BELIEVED_CLOCK_MS = 2_000
"""The `Date` header has whole seconds, and answers take a moment."""
FAILURE_WAIT_S = 5.0
DATA_PLANES = "/clustering/data-planes"
NOT_A_CONTROL_PLANE = (400, 404, 405)
NOT_FOUND = 404

Deliver = Callable[[Decoded], Awaitable[None]]
Count = Callable[[str], None]


class NodePoller:
    """Polls one address.

    Args:
        address: Where to ask.
        client: Made by `open_client`.
        clusters: What is known of all addresses together.
        plan: What to ask when.
        deliver: Stores what an answer tells; waits until it is on disk.
        count: Counts outcomes: `answered`, `silent`, `barred`.
        clock_s: A monotonic clock.
        now_ms: The wall clock.
        round_s: Seconds between two signs of life, for whoever waits for the next one.
    """

    def __init__(
        self,
        *,
        address: AdminAddress,
        client: httpx.AsyncClient,
        clusters: Clusters,
        plan: Plan,
        deliver: Deliver,
        count: Count,
        clock_s: Callable[[], float],
        now_ms: Callable[[], int],
        round_s: float,
    ) -> None:
        self._address = address
        self._client = client
        self._clusters = clusters
        self._plan = plan
        self._deliver = deliver
        self._count = count
        self._clock_s = clock_s
        self._now_ms = now_ms
        self._round_s = round_s
        self._cluster = address.label
        self._node: str | None = None
        self._is_silent: bool | None = None
        self._config_hash: str | None = None
        self._listed_hashes: dict[str, str | None] = {}
        self._seen_pages: dict[tuple[str, int], bytes] = {}

    async def run(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            for line in Line:
                group.create_task(self._run_line(line))

    async def _run_line(self, line: Line) -> None:
        while True:
            question = self._plan.take(self._clock_s(), line)
            if question is None:
                await asyncio.sleep(max(0.01, self._plan.wait_s(self._clock_s(), line)))
                continue
            try:
                await self.perform(question)
            except Exception:
                # one answer that we cannot handle must not end the watch over this node
                log.exception("polling %s failed and goes on", self._address.label)
                await asyncio.sleep(FAILURE_WAIT_S)

    async def perform(self, question: Ask) -> None:
        """Ask one question and store what the answer tells."""
        if question.kind is Kind.ABOUT:
            await self._ask_about()
        elif question.kind is Kind.STATUS:
            await self._ask_status()
        elif question.kind is Kind.DATA_PLANES:
            await self._ask_pages(f"{DATA_PLANES}?size={PAGE_SIZE}", question)
        elif question.kind is Kind.TARGETS:
            upstream = quote(question.name, safe="")
            await self._ask_pages(f"/upstreams/{upstream}/health?size={PAGE_SIZE}", question)
        else:
            await self._list(question.name)

    # ---- the sign of life

    async def _ask_about(self) -> None:
        answer = await self._ask("/")
        label, now_ms = self._address.label, self._now_ms()
        if isinstance(answer, Answer):
            try:
                about = decode_about(answer.body, at_ms=now_ms, asked_at=label)
            except DecodeError as error:
                answer = Silence(why=f"it does not answer as an Admin API: {error.problem}", is_telling=False)
        if isinstance(answer, Silence):
            await self._fall_silent(answer, now_ms)
            return
        self._tell_change(None)
        self._node = about.node.node
        self._cluster = cluster_of(about.configuration, label)
        role = about.node.role
        off_ms = 0 if answer.clock_ms is None else answer.clock_ms - now_ms
        facts = {**about.node.facts, "clock_off_ms": off_ms if abs(off_ms) > BELIEVED_CLOCK_MS else 0}
        seen = msgspec.structs.replace(about.node, every_s=self._round_s, facts=facts)
        now_s = self._clock_s()
        self._plan.answered(
            now_s,
            is_control_plane=role == "control_plane",
            lists=self._clusters.is_chosen(self._cluster, label),
        )
        upstreams = self._clusters.upstreams(self._cluster)
        if role != "control_plane":  # it balances nothing, and answers with an error
            self._plan.watch_targets(upstreams.checked, upstreams.unchecked, now_s)
        await self._deliver(node_decoded(seen))

    async def _fall_silent(self, silence: Silence, now_ms: int) -> None:
        self._tell_change(silence)
        self._plan.unanswered()
        self._clusters.leave(self._address.label)
        decoded = silence_decoded(
            silence.why, at_ms=now_ms, asked_at=self._address.label, is_telling=silence.is_telling
        )
        decoded.nodes = [msgspec.structs.replace(seen, every_s=self._round_s) for seen in decoded.nodes]
        await self._deliver(decoded)

    def _tell_change(self, silence: Silence | None) -> None:
        if self._is_silent is not (silence is not None):
            self._is_silent = silence is not None
            if silence is None:
                log.info("%s answers", self._address.label)
            else:
                log.warning("%s: %s", self._address.label, silence.why)

    async def _ask_status(self) -> None:
        answer = await self._ask("/status")
        if isinstance(answer, Silence):
            return
        decoded = self._decoded("/status", answer)
        for seen in decoded.nodes:
            if seen.config_hash is not None and seen.config_hash != self._config_hash:
                self._config_hash = seen.config_hash
                self._plan.list_again(self._clock_s())
        await self._deliver(decoded)

    # ---- everything else

    async def _ask_pages(self, path: str, question: Ask) -> None:
        """Ask for all pages of data planes or targets; what was read counts even if a later page fails."""
        following: str | None = path
        for _ in range(MOST_PAGES):
            if following is None:
                return
            asked_ms = self._now_ms()
            answer = await self._ask(following)
            if isinstance(answer, Silence):
                gone = NOT_A_CONTROL_PLANE if question.kind is Kind.DATA_PLANES else (NOT_FOUND,)
                if answer.status in gone:
                    self._plan.forget(question)
                return
            value = parse_json(answer.body, f"admin {path}"[:100])
            await self._deliver(answer_decoded(path, value, at_ms=asked_ms, asked_at=self._address.label))
            following = sized(page_of(value, path).next_path)

    async def _list(self, name: str) -> None:
        """List a collection page by page, unless its configuration is the one that was listed last."""
        config_hash = self._config_hash
        if config_hash is not None and self._listed_hashes.get(name) == config_hash:
            return
        held: list[dict[str, Any]] = []
        path: str | None = f"/{name}?size={PAGE_SIZE}"
        for number in range(MOST_PAGES):
            answer = await self._ask(path or "", LIST_LIMIT_S)
            if isinstance(answer, Silence):
                return
            page = page_of(parse_json(answer.body, f"admin /{name}"), name)
            await self._take_page(name, number, page, held, answer.body)
            path = sized(page.next_path)
            if path is None:
                break
            await asyncio.sleep(self._plan.budget_wait_s(self._clock_s()))
        self._listed_hashes[name] = config_hash if path is None else None
        if name == "plugins":
            await self._take_plugins(held, is_whole=path is None)
        elif name == "upstreams":
            self._clusters.know_upstreams(self._cluster, held)

    async def _take_page(
        self, name: str, number: int, page: Page, held: list[dict[str, Any]], body: bytes
    ) -> None:
        if name in {"plugins", "upstreams"} and len(held) < MOST_PLUGINS:
            held.extend(page.items)
        if name != "plugins" and self._is_new((name, number), body):
            await self._deliver(entities_decoded(name, page.items, at_ms=self._now_ms()))

    async def _take_plugins(self, items: list[dict[str, Any]], *, is_whole: bool) -> None:
        decoded = plugins_decoded(
            items, at_ms=self._now_ms(), complete=is_whole and len(items) < MOST_PLUGINS
        )
        plain = [msgspec.structs.replace(plugin, at_ms=0) for plugin in decoded.plugins]
        if self._is_new(("plugins", 0), msgspec.json.encode((plain, decoded.plugins_complete))):
            await self._deliver(decoded)

    def _is_new(self, page: tuple[str, int], body: bytes) -> bool:
        """Whether a page differs from the one at its place last time."""
        digest = hashlib.blake2b(body, digest_size=16).digest()
        if self._seen_pages.get(page) == digest:
            return False
        self._seen_pages[page] = digest
        return True

    # ---- asking

    def _decoded(self, path: str, answer: Answer) -> Decoded:
        value = parse_json(answer.body, f"admin {path}"[:100])
        return answer_decoded(path, value, at_ms=self._now_ms(), asked_at=self._address.label)

    async def _ask(self, path: str, limit_s: float | None = None) -> Answer | Silence:
        if limit_s is None:
            answer = await ask(self._client, self._address, path)
        else:
            answer = await ask(self._client, self._address, path, limit_s)
        if isinstance(answer, Answer):
            self._count("answered")
        else:
            self._count("silent" if answer.is_telling else "barred")
        return answer


def sized(path: str | None) -> str | None:
    """The path of a next page with the page's size: before 3.5 Kong left it out, and gave 100 at a time."""
    if path is None or "size=" in path:
        return path
    return f"{path}{'&' if '?' in path else '?'}size={PAGE_SIZE}"

"""Keeps a collector running for our database: ours when none answers, someone else's when one does."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from settings import Settings
from storage.location import Location, located
from ui.server.child import Child, Process, Start
from ui.server.left_behind import LeftBehind, forget, record_of, remember
from ui.server.log_file import LogFile
from ui.server.status import ChildState, ChildStatus

LOOK_S = 2.0
"""How often to see whether a collector that is not ours still answers."""
ANSWER_LIMIT_S = 2.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A collector that ran so long was well: the next pause is short again."""

log = logging.getLogger("gatewatch.supervisor")


class Probe(StrEnum):
    """What the configured HTTP address says."""

    SILENT = "silent"
    OURS = "ours"
    OTHER = "other"


def pause_s(failures: int) -> float:
    """Seconds to wait before the next start, after so many quick ends in a row: 0.5, 1, 2, ... 30."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures, 10)))


def look(address: str, database: str, certificate: str = "") -> tuple[Probe, str]:
    """Ask `/healthz`; returns what answers and, for another one, a sentence. Blocks up to two seconds.

    With `certificate` (a PEM file) it asks by TLS and trusts that one alone, under whatever name.
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    scheme = "http"
    if certificate:
        try:
            trusted = ssl.create_default_context(cafile=certificate)
        except OSError:
            return Probe.SILENT, ""  # the collector itself says what is wrong with the file
        trusted.check_hostname = False
        handlers.append(urllib.request.HTTPSHandler(context=trusted))
        scheme = "https"
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(f"{scheme}://{address}/healthz", timeout=ANSWER_LIMIT_S) as answer:
            body = answer.read(65_536)
    except urllib.error.HTTPError as error:
        with error:
            body = error.read(65_536)
    except (OSError, ValueError, http.client.InvalidURL):
        return Probe.SILENT, ""  # of an address that is none, the collector itself says what is wrong
    except http.client.HTTPException:
        body = b""  # something answers that does not speak HTTP
    return judge_answer(body, address, database)


def judge_answer(body: bytes, address: str, database: str) -> tuple[Probe, str]:
    """Whose collector an answer of `/healthz` comes from."""
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict) or "state" not in answer:
        return Probe.OTHER, f"something that is not a collector answers on {address}"
    theirs, ours = answer.get("database"), located(database)
    if not isinstance(theirs, str) or not _is_same(located(theirs), ours):
        return (
            Probe.OTHER,
            f"the collector on {address} writes {theirs or 'another database'}, not {ours}",
        )
    return Probe.OURS, ""


def _is_same(theirs: Location, ours: Location) -> bool:
    """Whether two mean one store; of URLs a collector shows neither user nor password."""
    if isinstance(theirs, Path) and isinstance(ours, Path):
        return theirs.resolve() == ours.resolve()
    return str(theirs) == str(ours)


class Supervisor:
    """One task that ends with `stop`. The probe, the start and the sleep are passed in, for tests."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        log_file: LogFile,
        *,
        probe: Callable[[str, str], tuple[Probe, str]] | None = None,
        start: Start = Child.start,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._log = log_file
        self._record = record_of(log_file)
        self._probe = probe or functools.partial(look, certificate=settings.tls_cert_file)
        self._start = start
        self._sleep = sleep
        self._child: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._restarts = 0
        self.status = ChildStatus(state=ChildState.STARTING)

    def start(self) -> None:
        """Begin to look after the collector."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the collector if we started it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._child is not None:
            await self._child.stop()
            self._child = None
            forget(self._record)

    async def _keep(self) -> None:
        failures = 0
        while True:
            self._log.trim()
            found, sentence = await asyncio.to_thread(
                self._probe, self._settings.http_listen, self._settings.database
            )
            if found == Probe.SILENT and self._settings.start_collector:
                failures = await self._run_once(failures)
                await self._sleep(pause_s(failures))
                continue
            left = LeftBehind.find(self._record) if self._may_take_over(found) else None
            if left is not None:
                await self._take_over(left)
                continue
            self._say(found, sentence)
            await self._sleep(LOOK_S)

    def _may_take_over(self, found: Probe) -> bool:
        return found == Probe.OURS and self._settings.start_collector

    async def _take_over(self, left: LeftBehind) -> None:
        """Look after the collector that a killed dashboard left behind, until it ends."""
        log.warning("a dashboard that is gone left the collector behind (pid %d): taken over", left.pid)
        self._child = left
        self._remember(left.pid)
        self.status = ChildStatus(state=ChildState.RUNNING, pid=left.pid, restarts=self._restarts)
        await self._watch(left)
        await left.stop()
        self._child = None
        forget(self._record)
        self._ended(self._log.last_line() or "it gave no reason")

    def _remember(self, pid: int) -> None:
        try:
            remember(self._record, pid)
        except OSError as error:
            log.warning("who started the collector cannot be noted: %s", error.strerror)

    def _say(self, found: Probe, sentence: str) -> None:
        states = {
            Probe.SILENT: ChildState.OFF,
            Probe.OURS: ChildState.EXTERNAL,
            Probe.OTHER: ChildState.CONFLICT,
        }
        if sentence and sentence != self.status.detail:
            log.warning("%s", sentence)
        self.status = ChildStatus(state=states[found], detail=sentence, restarts=self._restarts)

    async def _run_once(self, failures: int) -> int:
        """Run the collector until it ends; returns how many quick ends in a row there were now."""
        self.status = ChildStatus(state=ChildState.STARTING, restarts=self._restarts)
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            self._child = child = await self._start(self._arguments(), self._environment(), self._log)
        except OSError as error:
            self._ended(f"the collector cannot be started: {error.strerror}")
            return failures + 1
        self._remember(child.pid)
        if await child.ready():
            self.status = ChildStatus(state=ChildState.RUNNING, pid=child.pid, restarts=self._restarts)
            await self._watch(child)
        await child.stop()
        self._child = None
        forget(self._record)
        self._ended(self._log.last_line() or "it gave no reason")
        return 0 if loop.time() - started_s > STEADY_S else failures + 1

    async def _watch(self, child: Process) -> None:
        ended = asyncio.create_task(child.ended())
        try:
            while not (await asyncio.wait({ended}, timeout=STEADY_S))[0]:
                self._log.trim()
        finally:
            ended.cancel()

    def _ended(self, reason: str) -> None:
        self._restarts += 1
        log.warning("the collector ended and is started again: %s", reason)
        self.status = ChildStatus(state=ChildState.RESTARTING, detail=reason, restarts=self._restarts)

    def _environment(self) -> Mapping[str, str]:
        """What it inherits; a URL goes this way, because everybody on a machine can read arguments."""
        return {**self._environ, "GATEWATCH_DATABASE": self._settings.database}

    def _arguments(self) -> list[str]:
        settings = self._settings
        is_file = isinstance(located(settings.database), Path)
        return [
            *(["--database", settings.database] if is_file else []),
            "--ws-listen",
            settings.ws_listen,
            "--http-listen",
            settings.http_listen,
        ]

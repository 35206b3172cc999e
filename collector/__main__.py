"""`python -m collector`: reads the options and puts the parts together. See `--help`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from alerting.threads import AlertThreads
from changes.thread import ChangeThread
from collector import VERSION, copies, erasing, replay, simulate, trail
from collector.admission import ConnectionCaps, OncePerMinute, most_connections
from collector.claim import DatabaseClaim
from collector.doctor import command as doctor
from collector.garbage import look_rarely
from collector.logs import log_to_stderr
from collector.metrics import Metrics
from collector.options import collector_parser
from collector.poller.poller import AdminPoller
from collector.report import Identity, Report
from collector.sources.http import HttpIntake, application
from collector.sources.listening import check_public, listen, parse_address, shown_address
from collector.sources.serving import HttpServer
from collector.sources.stream import StreamServer
from collector.tls import server_context
from collector.tokens import Tokens, read_secret_file, read_tokens
from collector.trail import note_settings
from collector.turns import take_short_turns
from collector.writer import Writer
from domain.errors import DeadlineExceeded, StoreError
from settings import Settings, SettingValueError, load_settings
from storage.sqlite_reader import SqliteReader
from storage.sqlite_store import SqliteStore

CANNOT_START = 2
DRAIN_LIMIT_S = 2.0
"""Of the 5 seconds a stop may take: waiting for what was taken in to be on disk."""


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    commands: dict[str, Callable[[list[str]], int]] = {
        "replay": replay.main,
        "simulate": simulate.main,
        "doctor": doctor.main,
        "backup": copies.back_up_command,
        "restore": copies.restore_command,
        "check": copies.check_command,
        "verify": trail.verify_command,
        "erase": erasing.erase_command,
    }
    command = commands.get(arguments[0]) if arguments else None
    try:
        return command(arguments[1:]) if command else collect(arguments)
    except SettingValueError as error:
        print(f"collector: {error}", file=sys.stderr)  # noqa: T201 - for the operator
        return CANNOT_START


def collect(arguments: list[str]) -> int:
    """Take events until told to stop.

    Raises:
        SettingValueError: An option, a file or an address cannot be used.
    """
    settings = load_settings(vars(collector_parser().parse_args(arguments)))
    log_to_stderr()
    look_rarely()
    take_short_turns()
    tokens = read_tokens(settings.token_file)
    secret = None
    if settings.event_hook_secret_file:
        text = read_secret_file(settings.event_hook_secret_file, "event hook secret file")
        secret = text.strip().encode()
    tls = server_context(settings.tls_cert_file, settings.tls_key_file)
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(found) for found in _listeners(settings, tokens)]
        held.enter_context(DatabaseClaim(settings.database))
        collector = Collector(settings, tokens, secret, sockets, tls)
        return run_fast(collector.run())


def run_fast(main_task: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on uvloop where there is one, else on asyncio's own loop."""
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return asyncio.run(main_task)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main_task)


def _listeners(settings: Settings, tokens: Tokens | None) -> list[socket.socket]:
    found: list[socket.socket] = []
    for option, text in (("--ws-listen", settings.ws_listen), ("--http-listen", settings.http_listen)):
        host, port = parse_address(text, option)
        check_public(host, option, has_tokens=tokens is not None)
        found.append(listen(host, port, option))
    return found


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Collector:
    """Every part of a running collector."""

    def __init__(
        self,
        settings: Settings,
        tokens: Tokens | None,
        hook_secret: bytes | None,
        sockets: list[socket.socket],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._tls = tls
        metrics = Metrics()
        caps = ConnectionCaps(most_connections(_raise_file_limit()))
        quiet = OncePerMinute(time.monotonic)
        ws, http = (shown_address(*found.getsockname()[:2]) for found in sockets)
        self._identity = Identity(os.getpid(), VERSION, now_ms(), ws, http, settings.database)
        self._report = Report(self._identity, metrics, caps, now_ms)
        self._writer = Writer(
            lambda: SqliteStore(settings.database, settings),
            Path(settings.database),
            settings.queue_batches,
            now_ms,
            self._report.status,
        )
        self._stream = StreamServer(
            settings=settings,
            tokens=tokens,
            writer=self._writer,
            metrics=metrics,
            caps=caps,
            quiet=quiet,
            now_ms=now_ms,
        )
        self._writer.on_replaced = self._stream.restart_streams
        intake = HttpIntake(
            settings=settings,
            tokens=tokens,
            hook_secret=hook_secret,
            writer=self._writer,
            metrics=metrics,
            quiet=quiet,
            now_ms=now_ms,
        )
        self._poller = AdminPoller(settings, self._writer, metrics, time.monotonic, now_ms)
        self._changes = ChangeThread(settings, now_ms)
        self._alerts = AlertThreads(settings, now_ms)
        app = application(intake, self._report.healthz, self._report.metrics)
        self._http = HttpServer(app, caps, self._stream.refuse, tls)
        self._report.watch(self._writer, self._stream)

    async def run(self) -> int:
        """Start, say so, wait for a signal, stop."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            await self._writer.start()
        except StoreError as error:
            raise SettingValueError(f"database {self._settings.database} cannot be used: {error}") from error
        note_settings(self._settings, now_ms())
        self._stream.heard.update(last_arrivals(self._settings))
        await self._stream.start(self._sockets[0], self._tls)
        await self._http.start(self._sockets[1])
        self._poller.start()
        self._changes.start()
        self._alerts.start()
        identity = self._identity
        ready = f"collector ready ws={identity.ws} http={identity.http} database={identity.database}"
        print(ready, flush=True)  # noqa: T201 - other programs wait for this line
        await stop.wait()
        await self._stop()
        return 0

    async def _stop(self) -> None:
        self._report.is_stopping = True
        await asyncio.gather(self._poller.stop(), self._changes.stop(), self._alerts.stop())
        await asyncio.gather(self._stream.stop(DRAIN_LIMIT_S), self._http.stop())
        await self._writer.stop()


def last_arrivals(settings: Settings) -> dict[str, int]:
    """When each known source was last heard, for the start of a gap; nothing when that takes too long."""
    try:
        reader = SqliteReader(settings.database, settings.query_deadline_ms)
    except StoreError:
        return {}
    try:
        sources = reader.freshness().sources
    except (StoreError, DeadlineExceeded):
        return {}
    finally:
        reader.close()
    return {s.source: s.last_received_ms for s in sources if s.last_received_ms is not None}


def _raise_file_limit() -> int:
    """Allow as many open files as the system lets us; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if wanted > soft:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return soft


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

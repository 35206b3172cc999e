"""`python -m collector`: reads the options and puts the parts together. See `--help`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from alerting.threads import AlertThreads
from changes.thread import ChangeThread
from collector import VERSION, copies, erasing, moving, putting_back, replay, simulate, topology, trail
from collector.admission import ConnectionCaps, most_connections
from collector.arenas import share_one_arena
from collector.bus.assembly import open_spool
from collector.claim import DatabaseClaim
from collector.doctor import command as doctor
from collector.duty import Part
from collector.garbage import look_rarely
from collector.intakes import Doors, Intakes
from collector.logs import log_to_stderr
from collector.metrics import Metrics
from collector.options import collector_parser, writer_parser
from collector.report import Identity, Report
from collector.roles import AllInOne, MakeParts, Role, StoresFromBus, Storing, TakesForBus, run_until_told
from collector.sources.listening import check_public, listen, parse_address, shown_address
from collector.tls import server_context
from collector.tokens import Tokens, read_secret_file, read_tokens
from collector.turns import take_short_turns
from settings import Settings, SettingValueError, load_settings
from storage.location import located

CANNOT_START = 2


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    commands: dict[str, Callable[[list[str]], int]] = {
        "writer": write,
        "replay": replay.main,
        "simulate": simulate.main,
        "doctor": doctor.main,
        "backup": copies.back_up_command,
        "restore": copies.restore_command,
        "check": copies.check_command,
        "verify": trail.verify_command,
        "erase": erasing.erase_command,
        "copy": moving.copy_command,
        "topology": topology.topology_command,
        "put-back": putting_back.put_back_command,
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
    settings = _begin(vars(collector_parser().parse_args(arguments)))
    tokens = read_tokens(settings.token_file)
    secret = None
    if settings.event_hook_secret_file:
        text = read_secret_file(settings.event_hook_secret_file, "event hook secret file")
        secret = text.strip().encode()
    tls = server_context(settings.tls_cert_file, settings.tls_key_file)
    wanted = (("--ws-listen", settings.ws_listen), ("--http-listen", settings.http_listen))
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(found) for found in _listeners(wanted, tokens)]
        doors = Doors(sockets=sockets, tokens=tokens, hook_secret=secret, tls=tls)
        ws, http = (shown_address(*found.getsockname()[:2]) for found in sockets)
        metrics, caps = Metrics(), ConnectionCaps(most_connections(_raise_file_limit()))
        report = Report(_identity(settings, ws, http, "collector"), metrics, caps, now_ms)
        role: Role
        if settings.bus:
            spool = open_spool(settings)
            role = TakesForBus(settings, doors, spool, metrics, caps, report, now_ms)
        else:
            _claim(settings, held)
            storing = Storing(settings, report, _duties(settings), now_ms)
            intakes = Intakes(settings, doors, storing.writer, metrics, caps, report, now_ms)
            role = AllInOne(storing, intakes, settings)
        ready = f"collector ready ws={ws} http={http} database={located(settings.database)}"
        return run_fast(run_until_told(role, ready))


def write(arguments: list[str]) -> int:
    """Store what is on the bus until told to stop.

    Raises:
        SettingValueError: An option, a file or an address cannot be used.
    """
    settings = _begin(vars(writer_parser().parse_args(arguments)))
    if not settings.bus:
        raise SettingValueError(
            "bus is not set: without one `python -m collector` stores what it takes; docs/scale.md says when"
            " a writer is needed"
        )
    tls = server_context(settings.tls_cert_file, settings.tls_key_file)
    with contextlib.ExitStack() as held:
        host, port = parse_address(settings.http_listen, "--http-listen")
        sockets = [held.enter_context(listen(host, port, "--http-listen"))]
        http = shown_address(*sockets[0].getsockname()[:2])
        _claim(settings, held)
        metrics, caps = Metrics(), ConnectionCaps(most_connections(_raise_file_limit()))
        report = Report(_identity(settings, "", http, "writer"), metrics, caps, now_ms)
        storing = Storing(settings, report, _duties(settings), now_ms)
        role = StoresFromBus(
            settings, Doors(sockets=sockets, tls=tls), metrics, caps, report, storing, now_ms
        )
        ready = f"writer ready http={http} database={located(settings.database)}"
        return run_fast(run_until_told(role, ready))


def _begin(options: dict[str, Any]) -> Settings:
    settings = load_settings(options)
    log_to_stderr()
    look_rarely()
    share_one_arena()
    take_short_turns()
    return settings


def _identity(settings: Settings, ws: str, http: str, role: str) -> Identity:
    database = str(located(settings.database))
    return Identity(os.getpid(), VERSION, now_ms(), ws, http, database, role, socket.gethostname())


def _claim(settings: Settings, held: contextlib.ExitStack) -> None:
    """Be the one writer of a file; a PostgreSQL database may have several."""
    if isinstance(located(settings.database), Path):
        held.enter_context(DatabaseClaim(settings.database))


def _duties(settings: Settings) -> MakeParts:
    """Alerts and approved changes, made anew for every turn; the first are made now, to see that they can be.

    Raises:
        SettingValueError: A setting of theirs cannot be used.
    """
    may_act: Callable[[], bool] = lambda: True  # noqa: E731 - replaced when it is one's turn

    def make(asked: Callable[[], bool]) -> list[Part]:
        return [ChangeThread(settings, now_ms, asked), AlertThreads(settings, now_ms, asked)]

    make(may_act)
    return make


def run_fast(main_task: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on uvloop where there is one, else on asyncio's own loop."""
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return asyncio.run(main_task)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main_task)


def _listeners(wanted: Iterable[tuple[str, str]], tokens: Tokens | None) -> list[socket.socket]:
    found: list[socket.socket] = []
    for option, text in wanted:
        host, port = parse_address(text, option)
        check_public(host, option, has_tokens=tokens is not None)
        found.append(listen(host, port, option))
    return found


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


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

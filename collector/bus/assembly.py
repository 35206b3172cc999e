"""The bus that the settings name, and what a collector or a writer needs to use it."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from collector.bus.bus import Bus
from collector.bus.outbox import Outbox
from collector.bus.publisher import Publisher
from collector.bus.spool import Spool
from collector.tokens import read_secret_file
from settings import Settings, SettingValueError
from storage.acknowledged import Acknowledged
from storage.batches import Member

CREDENTIALS = ".creds"
EXTRA = "pip install -r requirements-cluster.txt"


def make_bus(settings: Settings) -> Bus:
    """The bus of the settings, not connected yet.

    Raises:
        SettingValueError: A setting cannot be used, or the package that speaks to such a bus is not there.
    """
    schemes = {urlsplit(url).scheme for url in settings.bus}
    tls = _tls(settings.bus_ca_file)
    login = _login(settings.bus_login_file)
    try:
        if schemes and schemes <= {"nats", "tls"}:
            from collector.bus.nats_bus import NatsBus  # noqa: PLC0415 - only with the setting

            credentials = settings.bus_login_file if settings.bus_login_file.endswith(CREDENTIALS) else ""
            return NatsBus(
                settings.bus, settings.bus_bytes, settings.bus_monitor_url, login, credentials, tls
            )
        if len(settings.bus) == 1 and schemes <= {"redis", "rediss"}:
            from collector.bus.redis_bus import RedisBus  # noqa: PLC0415 - only with the setting

            return RedisBus(settings.bus[0], settings.bus_bytes, login, settings.bus_ca_file)
    except ImportError as error:
        raise SettingValueError(f"bus {_shown(settings)} needs the package {error.name}: {EXTRA}") from error
    raise SettingValueError(
        f"bus is {_shown(settings)}, expected nats://HOST:PORT of each node, or one redis://"
    )


def make_publisher(settings: Settings, bus: Bus, outbox: Outbox, member: Callable[[], Member]) -> Publisher:
    """What a collector gives its batches to."""
    acknowledged = Acknowledged(settings.database)

    async def find_stored(source: str, epoch: str) -> int:
        return await asyncio.to_thread(acknowledged.cursor, source, epoch)

    own_epoch = secrets.token_hex(8)
    return Publisher(bus, outbox, settings.queue_batches, own_epoch, find_stored, member)


def open_spool(settings: Settings) -> Spool | None:
    """The spool of this collector; None where it may have none.

    Raises:
        SettingValueError: Another process has it, or it cannot be written.
    """
    if not settings.bus_spool_bytes:
        return None
    return Spool(Path(settings.bus_spool), settings.bus_spool_bytes)


def _login(path: str) -> tuple[str, str] | None:
    if not path or path.endswith(CREDENTIALS):
        return None
    user, colon, password = read_secret_file(path, "bus login file").strip().partition(":")
    if not (user and colon and password):
        raise SettingValueError(f"bus login file {path} is not user:password")
    return user, password


def _tls(ca_file: str) -> ssl.SSLContext | None:
    if not ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingValueError(f"bus_ca_file {ca_file} cannot be used: {error}") from error


def _shown(settings: Settings) -> str:
    """The setting without user and password."""
    return ",".join(
        f"{p.scheme}://{p.netloc.rpartition('@')[2]}" if p.netloc else p.path
        for p in map(urlsplit, settings.bus)
    )

"""Bytes that are no protocol at all, on every port, in the clear and by TLS; handshakes that never end."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.e2e.load import Load, lost_and_doubled, measured, resident_mib
from tests.e2e.raw_stream import upgrade
from tests.kong_plugin.processes import Collector, wait_for

RANDOM_BYTES = 10_000
PEERS = 40
LINE_LIMIT = 100
CROWD = 400
PER_ADDRESS = 50
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a TLS client's first record begins."""


class Trust:
    """A certificate of the collector's, and a client that trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.cert, self.key, self.authority = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        for blob in issued.cert_chain_pems:
            blob.write_to_path(self.cert, append=True)
        issued.private_key_pem.write_to_path(self.key)
        self.key.chmod(0o600)
        authority.cert_pem.write_to_path(self.authority)
        self.client = ssl.create_default_context()
        authority.configure_trust(self.client)

    def wrapped(self, plain: socket.socket) -> socket.socket:
        """The same connection by TLS, its handshake done."""
        return self.client.wrap_socket(plain, server_hostname="localhost")


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trust:
    """Collectors started from here on speak TLS, and senders of ours trust them."""
    found = Trust(tmp_path)
    monkeypatch.setenv("GATEWATCH_TLS_CERT_FILE", str(found.cert))
    monkeypatch.setenv("GATEWATCH_TLS_KEY_FILE", str(found.key))
    monkeypatch.setenv("SSL_CERT_FILE", str(found.authority))
    return found


@contextlib.contextmanager
def started(collector: Collector) -> Iterator[Collector]:
    """Running until the end."""
    collector.start()
    try:
        yield collector
    finally:
        collector.kill()


def address(text: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def lines(collector: Collector) -> list[str]:
    """What it logged."""
    return collector.log.read_text(encoding="utf-8").splitlines()


def thrown_at(where: str, beginnings: list[bytes], wrap: Callable[[socket.socket], socket.socket]) -> None:
    """Every beginning, followed by random bytes, from peers of their own; whatever is answered."""
    rng = random.Random(7)  # noqa: S311 - not a secret
    for number in range(PEERS):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address(where), timeout=5) as plain,
            wrap(plain) as peer,
        ):
            peer.sendall(beginnings[number % len(beginnings)] + rng.randbytes(RANDOM_BYTES))
            peer.settimeout(0.3)
            while peer.recv(4096):
                pass


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_random_bytes_on_every_port_end_nothing_and_fill_no_log(
    tmp_path: Path, request: pytest.FixtureRequest, scheme: str
) -> None:
    trusted: Trust | None = request.getfixturevalue("trust") if scheme == "wss" else None
    with started(Collector(tmp_path)) as collector:
        load = Load(collector.ws, 100, senders=1, scheme=scheme)
        wait_for(lambda: load.total > 50, "the sender")
        assert collector.process is not None
        before_mib = resident_mib(collector.process.pid)
        beginnings = [b"", HELLO, b"GET / HTTP/1.1\r\n", b"POST /intake/http-log HTTP/1.1\r\nHost: x\r\n\r\n",
                      upgrade(collector.ws), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]  # fmt: skip
        for where in (collector.ws, collector.http):
            thrown_at(where, beginnings, lambda plain: plain)
            if trusted is not None:
                thrown_at(where, beginnings, trusted.wrapped)
        grown_mib = resident_mib(collector.process.pid) - before_mib
        load.stop()
        told = lines(collector)
    of_peers = ("turned away", "closed the stream", " INFO ")
    unread = [line for line in told if not any(words in line for words in of_peers)]
    measured(
        f"{scheme}: {len(told)} lines, others than of peers: {unread}, memory grew by {grown_mib:.1f} MiB"
    )

    assert unread == []
    assert len(told) < LINE_LIMIT
    assert grown_mib < 16
    assert (load.unacked, *lost_and_doubled(collector.database, load.sent)) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("said", [b"", HELLO], ids=["nothing", "half a hello"])
@pytest.mark.usefixtures("trust")
def test_a_crowd_that_never_ends_its_handshake_harms_no_sender(tmp_path: Path, said: bytes) -> None:
    """To a process that may open 160 files, on both ports."""
    limited = ("/bin/sh", "-c", 'ulimit -n 160; exec "$@"', "sh", sys.executable, "-m", "collector")
    crowd: list[socket.socket] = []
    with started(Collector(tmp_path, limited)) as collector:
        load = Load(collector.ws, 300, scheme="wss")
        try:
            wait_for(lambda: load.total > 300, "the senders")
            before = len(lines(collector))
            for number in range(2 * CROWD):
                peer = socket.socket()
                peer.bind((f"127.0.1.{1 + number // PER_ADDRESS}", 0))
                peer.setblocking(False)
                peer.connect_ex(address(collector.ws if number % 2 else collector.http))
                crowd.append(peer)
            load.longest_silence_s = 0.0
            end_s = time.monotonic() + 12.0
            while time.monotonic() < end_s:
                for peer in crowd:
                    with contextlib.suppress(OSError):
                        peer.send(said)
                said = b""
                time.sleep(0.5)
            silence_s, told = load.longest_silence_s, len(lines(collector)) - before
        finally:
            for peer in crowd:
                peer.close()
            load.stop()
        wait_for(lambda: can_connect(collector), "room for others again", 15)
    measured(f"{told} lines, longest silence of senders {silence_s:.1f} s, 0 lost: {load.unacked == 0}")

    assert told < LINE_LIMIT
    assert silence_s < 3.0
    assert (load.unacked, *lost_and_doubled(collector.database, load.sent)) == (0, 0, 0)


def can_connect(collector: Collector) -> bool:
    """Whether a newcomer gets as far as a TLS handshake on the HTTP port."""
    context = ssl.create_default_context()
    with (
        socket.create_connection(address(collector.http), timeout=3) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as peer,
    ):
        return peer.version() is not None

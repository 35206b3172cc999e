"""Peers that are slow, lie about lengths, send bombs, or come in crowds, and the senders beside them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.load import Load, health, lost_and_doubled, measured, resident_mib
from tests.e2e.raw_stream import (
    COMPRESSED,
    CONTINUE,
    END,
    EXTENSION,
    PING,
    PONG,
    TEXT,
    RawPeer,
    frame,
    head,
    hello,
    upgrade,
)
from tests.kong_plugin.processes import Collector, wait_for

MESSAGE_BYTES = 1_048_576
LINE_LIMIT = 100
CROWD = 400
IDLE = 10_000
IDLE_MIB = 256
PER_ADDRESS = 50


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A running collector with an empty database."""
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


def pid(collector: Collector) -> int:
    """Of the collector's process."""
    assert collector.process is not None
    return collector.process.pid


def address(text: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def time_to_end(peer: socket.socket, limit_s: float) -> float:
    """Seconds until the collector cuts a connection."""
    since_s = time.monotonic()
    peer.settimeout(limit_s)
    with contextlib.suppress(ConnectionResetError):
        while peer.recv(4096):
            pass
    return time.monotonic() - since_s


@pytest.mark.e2e
def test_who_does_not_finish_asking_is_cut_off(collector: Collector) -> None:
    took: dict[str, float] = {}

    def wait(name: str, where: str, said: bytes) -> None:
        with socket.create_connection(address(where)) as peer:
            peer.sendall(said)
            took[name] = time_to_end(peer, 20)

    asked = upgrade(collector.ws)
    cases = {
        "half a request for the stream": (collector.ws, asked[:60]),
        "half a request by HTTP": (collector.http, b"POST /intake/http-log HTTP/1.1\r\nHost: x\r\n"),
        "no word at all": (collector.ws, b""),
        "no hello": (collector.ws, asked),
    }
    threads = [threading.Thread(target=wait, args=(name, *case)) for name, case in cases.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measured(f"cut off after: { {name: round(s, 1) for name, s in took.items()} }")

    assert set(took) == set(cases)
    assert max(took.values()) < 8.0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_who_dribbles_a_message_is_cut_off_even_when_it_answers_pings(collector: Collector) -> None:
    took: dict[str, float] = {}

    def dribble(name: str, first: bytes, *, in_fragments: bool) -> None:
        peer = RawPeer(collector.ws)
        peer.answers_pings = in_fragments
        peer.send(hello(name))
        peer.send(first)
        since_s = time.monotonic()
        while time.monotonic() - since_s < 70:
            peer.send(frame(CONTINUE, b"x") if in_fragments else b"x")
            try:
                peer.closed(0.5)
            except TimeoutError:
                continue
            break
        took[name] = time.monotonic() - since_s
        peer.close()

    threads = [
        threading.Thread(
            target=dribble, args=("fragments", frame(TEXT, b"{")), kwargs={"in_fragments": True}
        ),
        threading.Thread(
            target=dribble, args=("a frame", head(END | TEXT, 100_000)), kwargs={"in_fragments": False}
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measured(f"cut off after: { {name: round(s, 1) for name, s in took.items()} }")

    assert took["fragments"] < 40.0
    assert took["a frame"] < 50.0


@pytest.mark.e2e
def test_what_is_too_long_or_lies_is_refused_without_being_held(collector: Collector) -> None:
    with_load = Load(collector.ws, 100, senders=1)
    wait_for(lambda: with_load.total > 20, "the sender beside")
    before_mib = resident_mib(pid(collector))
    bomb = gzip.compress(bytes(64 * MESSAGE_BYTES))
    fragments = frame(TEXT, b"{") + frame(CONTINUE, b" ") * 5_000
    cases = {
        "2.1 MiB": (frame(END | TEXT, b"x" * (2 * MESSAGE_BYTES + 100_000)), (1009,)),
        "says 2^62 bytes": (head(END | TEXT, 2**62), (1009,)),
        "says 2^63 bytes": (head(END | TEXT, 2**63), (1002, 1009)),
        "5,001 fragments": (fragments, (1009,)),
        "compressed": (frame(END | TEXT | COMPRESSED, bomb[:60_000]), (1002,)),
        "a ping of 1,000 bytes": (frame(END | PING, bytes(1000)), (1002,)),
        "no UTF-8": (frame(END | TEXT, b"\xff\xfe"), (1007,)),
    }
    codes = {}
    for name, (data, _) in cases.items():
        peer = RawPeer(collector.ws, EXTENSION)
        assert b"permessage-deflate" not in peer.answer
        peer.send(hello(f"liar {len(codes)}"))
        peer.send(data)
        codes[name] = peer.closed()
        peer.close()
    posts = {
        "says a terabyte": (b"Content-Length: 1099511627776\r\n", b"", b" 413 "),
        "gzip": (b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(bomb), bomb, b" 415 "),
        "no end": (
            b"Transfer-Encoding: chunked\r\n",
            (b"100000\r\n" + bytes(0x100000) + b"\r\n") * 3,
            b" 413 ",
        ),
    }
    answers = {name: post(collector, said, body) for name, (said, body, _) in posts.items()}
    grown_mib = resident_mib(pid(collector)) - before_mib
    with_load.stop()
    measured(f"closed with {codes}, answered {answers}; memory grew by {grown_mib:.1f} MiB")

    assert {name for name, code in codes.items() if code not in cases[name][1]} == set()
    assert {name for name, answer in answers.items() if posts[name][2] not in answer} == set()
    assert grown_mib < 16
    assert (with_load.unacked, *lost_and_doubled(collector.database, with_load.sent)) == (0, 0, 0)


def post(collector: Collector, said: bytes, body: bytes) -> bytes:
    """The first line that a POST is answered with."""
    with socket.create_connection(address(collector.http), timeout=10) as peer:
        peer.sendall(
            b"POST /intake/http-log HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + said
            + b"\r\n"
        )
        with contextlib.suppress(OSError):
            peer.sendall(body)
        return peer.recv(200).split(b"\r\n")[0]


@pytest.mark.e2e
@pytest.mark.timeout(120)
@pytest.mark.parametrize("files", [160, 64])
def test_a_crowd_that_takes_all_file_handles_fills_no_log_and_harms_no_sender(
    tmp_path: Path, files: int
) -> None:
    command = ("/bin/sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", sys.executable, "-m", "collector")
    collector = Collector(tmp_path, command)
    collector.start()
    load = Load(collector.ws, 300)
    crowd: list[socket.socket] = []
    try:
        wait_for(lambda: load.total > 300, "the senders")
        before = lines(collector)
        host, port = address(collector.ws)
        for number in range(CROWD):
            peer = socket.socket()
            peer.bind((f"127.0.1.{1 + number // PER_ADDRESS}", 0))
            peer.setblocking(False)
            peer.connect_ex((host, port))
            crowd.append(peer)
        load.longest_silence_s = 0.0
        time.sleep(6.0)
        silence_s, told = load.longest_silence_s, lines(collector) - before
    finally:
        for peer in crowd:
            peer.close()
        load.stop()
    state = health(collector.http)[1]["state"]
    collector.kill()
    measured(
        f"{files} files, {CROWD} connections: {told} lines, longest silence of senders {silence_s:.1f} s"
    )

    assert told < LINE_LIMIT
    assert silence_s < 3.0
    assert state == "ok"
    assert (load.unacked, *lost_and_doubled(collector.database, load.sent)) == (0, 0, 0)


def lines(collector: Collector) -> int:
    """How many lines its log has."""
    return collector.log.read_text(encoding="utf-8").count("\n")


class IdlePeer(asyncio.Protocol):
    """Opens a stream, says hello, answers pings, and sends nothing."""

    def __init__(self, ws: str, name: str) -> None:
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_open = True
        self._ws, self._name = ws, name
        self._is_upgraded = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(upgrade(self._ws))

    def data_received(self, data: bytes) -> None:
        """Frames of the collector are short and come whole on loopback."""
        if not self._is_upgraded:
            self._is_upgraded = True
            self._transport.write(hello(self._name))
            _, _, data = data.partition(b"\r\n\r\n")
        while len(data) >= 2:
            length = data[1] & 0x7F
            opcode, payload, data = data[0] & 0x0F, data[2 : 2 + length], data[2 + length :]
            if opcode == PING:
                self._transport.write(frame(END | PONG, payload))
            elif opcode == TEXT and not self.welcomed.done():
                self.welcomed.set_result(None)

    def leave(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - of the library
        """Note it."""
        self.is_open = False
        if not self.welcomed.done():
            self.welcomed.set_exception(ConnectionError(f"{self._name} was turned away"))


async def idle_peers(collector: Collector, gate: asyncio.Semaphore, number: int) -> IdlePeer:
    """One more idle connection, from an address that has few."""
    host, port = address(collector.ws)
    local = (f"127.1.{number // PER_ADDRESS // 200}.{1 + number // PER_ADDRESS % 200}", 0)
    async with gate:
        _, peer = await asyncio.get_running_loop().create_connection(
            lambda: IdlePeer(collector.ws, f"idle-{number}"), host, port, local_addr=local
        )
        await peer.welcomed
    return peer


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ten_thousand_idle_connections_fit_into_256_mib(collector: Collector) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 500:
        pytest.skip(f"this machine allows {hard} open files, {IDLE + 500} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 500), hard))
    try:
        opened, open_s, most_mib, load = asyncio.run(hold(collector))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(
        f"{opened} connections open after {open_s:.0f} s and 30 s later, at most {most_mib:.0f} MiB; "
        f"a sender beside them: {load.total} events, {load.p99_s():.1f} s (p99), {lost=} {doubled=}"
    )

    assert opened == IDLE
    assert most_mib < IDLE_MIB
    assert (load.unacked, lost, doubled) == (0, 0, 0)


async def hold(collector: Collector) -> tuple[int, float, float, Load]:
    """Open them, hold them for 30 s with a sender beside; how many were open to the end."""
    gate = asyncio.Semaphore(64)
    since_s = time.monotonic()
    peers = await asyncio.gather(*(idle_peers(collector, gate, number) for number in range(IDLE)))
    open_s = time.monotonic() - since_s
    load = Load(collector.ws, 100, senders=1)
    most_mib = 0.0
    for _ in range(30):
        await asyncio.sleep(1.0)
        most_mib = max(most_mib, resident_mib(pid(collector)))
    opened = sum(peer.is_open for peer in peers)
    await asyncio.to_thread(load.stop)
    for peer in peers:
        peer.leave()
    await asyncio.sleep(1.0)
    return opened, open_s, most_mib, load

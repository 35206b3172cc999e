"""Bytes of WebSocket by hand, for clients that do what no library would."""

from __future__ import annotations

import json
import socket
import struct
import time

END, TEXT, CONTINUE, PING, PONG, CLOSE = 0x80, 0x1, 0x0, 0x9, 0xA, 0x8
COMPRESSED = 0x40
EXTENSION = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


def upgrade(host: str, *more: bytes) -> bytes:
    """A request for the stream."""
    return b"".join(
        (
            b"GET /v1/stream HTTP/1.1\r\nHost: " + host.encode() + b"\r\n",
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            b"Sec-WebSocket-Protocol: gatewatch.ingest.v1\r\n",
            *more,
            b"\r\n",
        )
    )


def head(first: int, length: int) -> bytes:
    """First byte, length and a mask of zeros, which leaves what follows as it is."""
    if length < 126:
        size = struct.pack("!B", 0x80 | length)
    elif length < 65_536:
        size = struct.pack("!BH", 0x80 | 126, length)
    else:
        size = struct.pack("!BQ", 0x80 | 127, length)
    return bytes([first]) + size + bytes(4)


def frame(first: int, payload: bytes) -> bytes:
    """A whole frame."""
    return head(first, len(payload)) + payload


def hello(source: str) -> bytes:
    """A frame that opens the stream."""
    said = {"t": "hello", "source": source, "epoch": "1", "oldest": 1, "next": 1}
    return frame(END | TEXT, json.dumps(said).encode())


class RawPeer:
    """A socket that has asked for the stream, read until the end of the answer's head."""

    def __init__(self, ws: str, *more: bytes) -> None:
        self.answers_pings = True
        """Not possible in the middle of a frame."""
        host, _, port = ws.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.socket.sendall(upgrade(ws, *more))
        self._read = b""
        while b"\r\n\r\n" not in self._read:
            more_read = self.socket.recv(4096)
            if not more_read:
                raise ConnectionError(f"closed after {self._read!r}")
            self._read += more_read
        self.answer, _, self._read = self._read.partition(b"\r\n\r\n")

    def send(self, data: bytes) -> None:
        """Send bytes; what nobody reads any more is no concern."""
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def frames(self) -> list[tuple[int, bytes]]:
        """Opcode and payload of every whole frame read so far, once."""
        found = []
        while len(self._read) >= 2:
            length, start = self._read[1] & 0x7F, 2
            if length == 126:
                if len(self._read) < 4:
                    break
                length, start = int.from_bytes(self._read[2:4]), 4
            if len(self._read) < start + length:
                break
            found.append((self._read[0] & 0x0F, self._read[start : start + length]))
            self._read = self._read[start + length :]
        return found

    def closed(self, limit_s: float = 10.0) -> int:
        """The close code that the collector gives; 0 when it just cuts.

        Raises:
            TimeoutError: It is still open after `limit_s`.
        """
        until_s = time.monotonic() + limit_s
        while True:
            for opcode, payload in self.frames():
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2])
                if opcode == PING and self.answers_pings:
                    self.send(frame(END | PONG, payload))
            self.socket.settimeout(max(0.01, until_s - time.monotonic()))
            try:
                more = self.socket.recv(65_536)
            except ConnectionResetError:
                return 0
            if not more:
                return 0
            self._read += more

    def close(self) -> None:
        """Leave."""
        self.socket.close()

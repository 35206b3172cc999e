"""Messages on this machine's disk, in order, until the bus takes them.

Files `<number>.spool`, each a run of records: `GWS1`, length, CRC-32, then the message as MessagePack.
`append` returns after the bytes are on the disk. What a crash left half written was promised to nobody: it is
cut off. Where the middle of a file is damaged, the rest of it is kept as `<name>.damaged`, and said.

A file goes when all of its messages are on the bus, so after a crash some are sent again: they have the same
names and places, and are stored once.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
import zlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from collector.bus.parcels import Message
from domain.errors import BusFull
from settings import SettingValueError

log = logging.getLogger("gatewatch.spool")

MAGIC = b"GWS1"
HEAD = struct.Struct("<4sII")
FILE_BYTES = 4_194_304
"""A file is begun when the last one has this many bytes: as much may be sent twice after a crash."""
_PACK = msgspec.msgpack.Encoder()
_UNPACK = msgspec.msgpack.Decoder(Message)


class _File:
    """One file of the spool: where its messages begin, and how many of them have gone."""

    __slots__ = ("path", "places", "size", "taken")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.places: list[int] = []
        self.taken = 0


class Spool:
    """For one thread at a time.

    Args:
        folder: Made where it is not there; belongs to one process.
        most_bytes: How much it may hold.
        file_bytes: When a new file is begun.

    Raises:
        SettingValueError: Another process has it, or it cannot be written.
    """

    def __init__(self, folder: Path, most_bytes: int, file_bytes: int = FILE_BYTES) -> None:
        self._folder, self._most_bytes, self._file_bytes = folder, most_bytes, file_bytes
        self._lock = _claim(folder)
        self._files: deque[_File] = deque()
        self._out: IO[bytes] | None = None
        self._next = 1
        self.damaged = 0
        """Files of which a part could not be read."""
        for path in sorted(folder.glob("*.spool")):
            self._next = int(path.stem) + 1
            self._read(path)

    @property
    def count(self) -> int:
        """Messages that are here."""
        return sum(len(file.places) - file.taken for file in self._files)

    @property
    def size(self) -> int:
        """Bytes of disk."""
        return sum(file.size for file in self._files)

    def append(self, messages: Sequence[Message]) -> None:
        """Bring messages to the disk, all or none.

        Raises:
            BusFull: They do not fit any more.
            OSError: The disk does not take them.
        """
        records = [_record(message) for message in messages]
        whole = sum(map(len, records))
        if self.size + whole > self._most_bytes:
            raise BusFull(f"the spool {self._folder} holds {self.size} of {self._most_bytes} bytes")
        file, out = self._last()
        before = file.size
        try:
            out.write(b"".join(records))
            out.flush()
            os.fsync(out.fileno())
        except OSError:
            self._close()
            with contextlib.suppress(OSError):
                os.truncate(file.path, before)
            raise
        for record in records:
            file.places.append(file.size)
            file.size += len(record)

    def first(self, most: int) -> list[Message | None]:
        """The oldest messages, in order; None for one that can be read no more."""
        found: list[Message | None] = []
        for file in self._files:
            wanted = file.places[file.taken : file.taken + most - len(found)]
            if wanted:
                with file.path.open("rb") as source:
                    found += [_read_one(source, at) for at in wanted]
            if len(found) >= most:
                break
        return found

    def drop(self, n: int) -> None:
        """The `n` oldest are on the bus."""
        while n and self._files:
            file = self._files[0]
            gone = min(n, len(file.places) - file.taken)
            file.taken += gone
            n -= gone
            if file.taken < len(file.places):
                return
            if len(self._files) == 1:
                self._close()
            self._files.popleft()
            file.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process have it."""
        self._close()
        self._lock.close()

    def _last(self) -> tuple[_File, IO[bytes]]:
        if self._out is None or self._files[-1].size >= self._file_bytes:
            self._close()
            path = self._folder / f"{self._next:010d}.spool"
            self._next += 1
            self._out = path.open("ab")
            self._files.append(_File(path))
            _sync_folder(self._folder)
        return self._files[-1], self._out

    def _close(self) -> None:
        out, self._out = self._out, None
        if out is not None:
            with contextlib.suppress(OSError):
                out.close()

    def _read(self, path: Path) -> None:
        """Find the messages of a file that a former process left."""
        file, whole = _File(path), path.stat().st_size
        with path.open("rb") as source:
            while file.size < whole and _read_one(source, file.size) is not None:
                file.places.append(file.size)
                file.size = source.tell()
        if file.size < whole:
            self._cut(file, whole)
        if file.places:
            self._files.append(file)
        else:
            path.unlink()

    def _cut(self, file: _File, whole: int) -> None:
        rest = file.path.read_bytes()[file.size :]
        if rest.find(MAGIC, 1) >= 0:
            self.damaged += 1
            kept = file.path.with_suffix(".damaged")
            kept.write_bytes(rest)
            log.critical(
                "%s is damaged from byte %d on; the rest, %d bytes, is kept as %s and not sent",
                file.path, file.size, whole - file.size, kept,
            )  # fmt: skip
        os.truncate(file.path, file.size)


def _claim(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise SettingValueError(f"bus_spool {folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise SettingValueError(
            f"bus_spool {folder} is in use by another collector: give each its own"
        ) from error
    return lock


def _record(message: Message) -> bytes:
    body = _PACK.encode(message)
    return HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


def _read_one(source: IO[bytes], at: int) -> Message | None:
    """The message at a place; None where there is no whole one."""
    source.seek(at)
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    magic, length, crc = HEAD.unpack(head)
    body = source.read(length) if magic == MAGIC else b""
    if len(body) != length or zlib.crc32(body) != crc or not body:
        return None
    try:
        return _UNPACK.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

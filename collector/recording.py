"""Recorded files: their lines, the moment each line speaks of, and how to move all moments.

A line is one JSON value: a recorded POST `{"received_at": seconds, "body": ...}`, a captured Kong event or
an Admin API answer `{"ts": seconds, ...}`, log entries (`started_at`, milliseconds), events (`at_ms`).
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import re
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from settings import SettingValueError

MOST_LINE_BYTES = 33_554_432
"""A line of 32 MiB is no recording; what is longer is cut there, and goes to quarantine."""
SECONDS = ("received_at", "ts")
MILLISECONDS = ("at_ms", "started_at", "from_ms", "to_ms")
OF_ENTITIES = ("created_at", "updated_at")
NODES = ("node", "node_id")
NESTED = ("body", "entry")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
MOST_NESTED = 8
"""How deep a recorded body may lie in its line, lists counted; moments below that are not looked for."""
SECONDS_BELOW = 100_000_000_000
"""Numbers below this are seconds: as milliseconds it is March 1973."""
Move = Callable[[int], int]


class Recording:
    """One file, read once from front to back.

    Raises:
        SettingValueError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_cut_short = False
        """The compressed data ended in the middle."""
        try:
            self.digest = digest_of(path)
            """Of what is in it, not of how it was compressed."""
            self.bytes = path.stat().st_size
            self._raw = path.open("rb")
        except OSError as error:
            raise SettingValueError(f"{path} cannot be read: {error.strerror}") from error

    @property
    def source(self) -> str:
        """What its entries are stored under: the same for the same content, whatever the file is called."""
        return f"replay:{self.digest[:12]}"

    @property
    def bytes_read(self) -> int:
        """How far reading has come, in bytes of the file."""
        return self._raw.tell()

    def lines(self) -> Iterator[bytes]:
        """Every line, without its end; line numbers count from 1 and empty lines count too."""
        stream = self._opened()
        try:
            while line := stream.readline(MOST_LINE_BYTES):
                yield line.rstrip(b"\r\n")
        except (EOFError, OSError, zlib.error):
            self.is_cut_short = True

    def close(self) -> None:
        """Release the file."""
        self._raw.close()

    def _opened(self) -> IO[bytes]:
        return unpacked(self._raw)


def unpacked(raw: IO[bytes]) -> IO[bytes]:
    """The file itself, or what is in it where it is compressed."""
    magic = raw.read(2)
    raw.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if magic == b"\x1f\x8b" else raw


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content in hexadecimal digits; what cannot be unpacked counts as it is, packed.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as raw:
        try:
            return hashlib.file_digest(unpacked(raw), "sha256").hexdigest()  # type: ignore[arg-type]
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raw.seek(0)
            return hashlib.file_digest(raw, "sha256").hexdigest()


def received_ms(value: Any) -> int | None:
    """When a line was received: as recorded, else the newest moment in it; None when it has none."""
    if isinstance(value, dict):
        for key in SECONDS:
            found = instant_ms(value.get(key))
            if found is not None:
                return found
    return max(_moments(value, MOST_NESTED), default=None)


def _moments(value: Any, levels: int) -> Iterator[int]:
    if isinstance(value, list) and levels:
        for item in value:
            yield from _moments(item, levels - 1)
    if not isinstance(value, dict) or not levels:
        return
    for key in (*SECONDS, *MILLISECONDS, "timestamp"):
        found = instant_ms(value.get(key))
        if found is not None:
            yield found
    for key in NESTED:
        yield from _moments(value.get(key), levels - 1)


def instant_ms(value: Any) -> int | None:
    """Milliseconds of a timestamp: a number of seconds or milliseconds, or ISO 8601 text; None for others."""
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return round(aware.timestamp() * 1000)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < SECONDS_BELOW * 1000:
        return None
    return round(value * 1000) if value < SECONDS_BELOW else int(value)


def mover(first_ms: int, start_ms: int, pace: float) -> Move:
    """Moves instants so that `first_ms` becomes `start_ms` and time passes `pace` times faster."""
    return lambda at_ms: start_ms + round((at_ms - first_ms) / pace)


def shifted(value: Any, move: Move, suffix: str) -> Any:
    """The same line with its instants moved, and with request and node ids made new by a suffix.

    Each playing is a new life of the gateway: nodes take a new id when they start, entities keep theirs. What
    entities tell of themselves moves too, so that lists and changes of one playing fit together; not in log
    entries, where nobody reads it.

    Args:
        value: A line within the bounds of `wire.json_bytes`.
        move: Says where an instant goes.
        suffix: Tells this playing from others.
    """
    if isinstance(value, list):
        return [shifted(item, move, suffix) for item in value]
    if not isinstance(value, dict):
        return value
    found = dict(value)
    for key in (*SECONDS, *MILLISECONDS, "timestamp"):
        if key in found:
            found[key] = _moved(found[key], move)
    for key in NESTED:
        if key in found and not (key == "body" and "http_status" in found):
            found[key] = shifted(found[key], move, suffix)
    if "ts" in found:
        for key in ("body", "data"):
            if key in found:
                found[key] = _told_again(found[key], move, suffix)
    _rename(found, suffix)
    return found


def _told_again(value: Any, move: Move, suffix: str) -> Any:
    """What an Admin API or a worker event tells: entities with their moments, and nodes."""
    if isinstance(value, list):
        return [_told_again(item, move, suffix) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _told_again(item, move, suffix) for key, item in value.items()}
    for key in OF_ENTITIES:
        at_ms = instant_ms(found.get(key))
        if at_ms is not None:
            found[key] = move(at_ms) // 1000
    _rename_node(found, suffix)
    return found


def _moved(value: Any, move: Move) -> Any:
    at_ms = instant_ms(value)
    if at_ms is None:
        return value
    if isinstance(value, str):
        return _written(move(at_ms), value)
    if value < SECONDS_BELOW:
        return move(at_ms) / 1000
    return move(at_ms)


def _written(at_ms: int, otherwise: str) -> str:
    """ISO 8601; the text as it was where no calendar has that year."""
    try:
        return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).isoformat()
    except (OverflowError, ValueError):
        return otherwise


def _rename_node(found: dict[str, Any], suffix: str) -> None:
    for key in NODES:
        node = found.get(key)
        if isinstance(node, str) and UUID.fullmatch(node):
            found[key] = str(uuid.uuid5(uuid.UUID(node), suffix))


def _rename(found: dict[str, Any], suffix: str) -> None:
    """New ids for what happens once; entities keep theirs."""
    _rename_node(found, suffix)
    if "kind" in found and isinstance(found.get("id"), str):
        found["id"] += suffix
    if isinstance(found.get("request_id"), str):
        found["request_id"] += suffix
    request = found.get("request")
    if isinstance(request, dict) and isinstance(request.get("id"), str):
        found["request"] = {**request, "id": request["id"] + suffix}

"""Batches as messages of a bus, and back. Pure.

A message is one byte that says how to read the rest, then MessagePack, compressed. What it holds went through
the decoders: secrets are out. Its name is made of its place in its source's own sequence, so that the same
batch sent again has the same name.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import zstandard

from collector.batching import runs, weight
from collector.wire.payloads import quarantined
from domain.errors import DecodeError
from domain.events import Decoded
from storage.batches import Batch, Member, SourceBeat

MOST_ITEMS = 100
"""Items in a message. One by one a bus takes 3,000 a second, a hundred at a time 60,000."""
MOST_BYTES = 65_536
"""Of payloads in a message, where it holds more than one item."""
MOST_UNPACKED = 67_108_864
VERSION = b"\x01"
SUBJECTS = "gatewatch.batches"
"""First part of every subject."""
SIGNS = f"{SUBJECTS}.signs"
"""Subject of signs of life."""
_PACK = msgspec.msgpack.Encoder()
_LISTS = ("events", "traffic", "entities", "plugins", "targets", "nodes", "quarantined")


class Parcel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one message holds."""

    batches: tuple[Batch, ...] = ()
    beats: tuple[SourceBeat, ...] = ()
    member: Member | None = None


class Message(msgspec.Struct, frozen=True):
    """One message."""

    subject: str
    name: str
    """The same for the same batches, whoever sends them and whenever."""
    body: bytes


_UNPACK = msgspec.msgpack.Decoder(Parcel)


def encode(parcel: Parcel, subject: str) -> Message:
    """Make a message.

    Raises:
        UnicodeEncodeError, OverflowError, TypeError: A value has no form in MessagePack: see `sound`.
    """
    packed = _PACK.encode(parcel)
    body = VERSION + zstandard.ZstdCompressor(level=1).compress(packed)
    return Message(subject, name_of(parcel, packed), body)


def decode(body: bytes) -> Parcel:
    """Read a message.

    Raises:
        DecodeError: It is none of ours, is damaged, or a newer version of this program made it.
    """
    if body[:1] != VERSION:
        raise DecodeError("bus message", f"begins with {body[:1].hex() or 'nothing'}, expected 01")
    try:
        packed = zstandard.ZstdDecompressor().decompress(body[1:], max_output_size=MOST_UNPACKED)
        return _UNPACK.decode(packed)
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("bus message", str(error)) from error


def name_of(parcel: Parcel, packed: bytes) -> str:
    """The name of a message: of the places of its batches, else of all it holds."""
    digest = hashlib.blake2b(digest_size=16)
    for batch in parcel.batches:
        if batch.epoch is None:
            digest.update(packed)
        place = (batch.source, batch.epoch, batch.first, batch.upto, bool(batch.decoded.entries))
        digest.update(repr(place).encode("utf-8", "backslashreplace"))
    if not parcel.batches:
        digest.update(packed)
    return digest.hexdigest()


def subject_of(source: str, epoch: str) -> str:
    """The subject of everything in one sequence of a source."""
    text = f"{len(source)} {source} {epoch}".encode("utf-8", "backslashreplace")
    return f"{SUBJECTS}.{hashlib.blake2b(text, digest_size=12).hexdigest()}"


def upto_of(parcel: Parcel, source: str, epoch: str) -> int:
    """The highest number of a sequence that a message holds; 0 when it holds none of it."""
    found = [b.upto for b in parcel.batches if b.source == source and b.epoch == epoch and b.upto]
    return max(found, default=0)


# ---- cutting to size


def parts(batch: Batch) -> list[Batch]:
    """A batch that has no place in a sequence, cut into batches that fit into messages."""
    if weight(batch) <= MOST_ITEMS and payload_bytes(batch.decoded) <= MOST_BYTES:
        return [batch]
    decoded = batch.decoded
    pairs = [(name, item) for name in _LISTS for item in getattr(decoded, name)]
    sizes = [_bytes_of(item) for _, item in pairs]
    found = []
    for run in runs(pairs, sizes, MOST_ITEMS, MOST_BYTES):
        part = Decoded(entries=len(run))
        for name, item in run:
            getattr(part, name).append(item)
        found.append(msgspec.structs.replace(batch, decoded=part, gaps=()))
    found[0].gaps = batch.gaps
    found[0].decoded.entries = max(1, decoded.entries - sum(part.decoded.entries for part in found[1:]))
    if decoded.plugins_complete:
        # a whole list must stay in one piece: a part of it would say that the others are gone
        for one in found:
            one.decoded.plugins.clear()
        found[0].decoded.plugins, found[0].decoded.plugins_complete = decoded.plugins, True
    return found


def payload_bytes(decoded: Decoded) -> int:
    """About how many bytes it takes, most of which are payloads."""
    return sum(_bytes_of(item) for item in (*decoded.events, *decoded.quarantined))


def _bytes_of(item: Any) -> int:
    return len(getattr(item, "payload", None) or b"") + len(getattr(item, "raw", b""))


# ---- what has no form in a message


def sound(batch: Batch, why_not: str = "") -> Batch:
    """A batch with what cannot be put into a message in quarantine instead.

    Args:
        batch: What `encode` refused.
        why_not: Why all of it is refused, where it is not one item's fault: then all goes to quarantine.
    """
    kept = Decoded(entries=batch.decoded.entries, plugins_complete=batch.decoded.plugins_complete)
    for name in _LISTS:
        for item in getattr(batch.decoded, name):
            why = why_not or _trouble(item)
            if not why:
                getattr(kept, name).append(item)
                continue
            raw = getattr(item, "payload", None) or getattr(item, "raw", None)
            kept.plugins_complete = False
            kept.quarantined.append(quarantined(why, raw or repr(item).encode("utf-8", "backslashreplace")))
    return msgspec.structs.replace(batch, decoded=kept)


def _trouble(item: Any) -> str:
    """Why an item has no form in a message; empty when it has one."""
    try:
        _PACK.encode(item)
    except UnicodeEncodeError:
        return "cannot be stored: a text holds half a character (a lone surrogate)"
    except (OverflowError, TypeError, ValueError, RecursionError) as error:
        return f"cannot be stored: {error}"
    return ""

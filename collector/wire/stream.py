"""Frames of gatewatch.ingest.v1, both directions, and the items inside a batch.

```
C hello   {"t":"hello","source","epoch","oldest","next","node":{id,hostname,version}}
S welcome {"t":"welcome","acked","window","max_batch","max_bytes"}
C batch   {"t":"batch","first","events":[...]}          seq = first, first + 1, ...
S ack     {"t":"ack","upto","window","dead":[{"seq","why"}]}
```
Unknown fields of a frame are ignored, so that a newer peer can say more.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from collector.wire.items import decode_item
from collector.wire.json_bytes import load_json
from collector.wire.parties import Seen
from collector.wire.raw_json import checked
from domain.errors import DecodeError
from domain.events import Decoded

Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class SenderNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The Kong node that a sender runs in, where it runs in one."""

    id: str | None = None
    hostname: str | None = None
    version: str | None = None


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="hello", omit_defaults=True):
    """The sender's first frame."""

    source: Name
    epoch: Name
    """Changes whenever the sender starts counting anew."""
    oldest: Sequence = 1
    """The lowest sequence number that the sender still has."""
    next: Sequence = 1
    """The number its next new event will get."""
    node: SenderNode | None = None


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="welcome"):
    """The collector's answer to hello."""

    acked: Sequence
    """The durable cursor of (source, epoch); 0 when it is new."""
    window: Sequence
    max_batch: Sequence
    max_bytes: Sequence


class BatchFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="batch"):
    """Events in the sender's order; the first one has number `first`."""

    first: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    events: list[msgspec.Raw]
    """Their JSON, which nobody has read yet."""


class DeadSeq(msgspec.Struct, frozen=True, kw_only=True):
    """An event that went to quarantine, by its sequence number."""

    seq: Sequence
    why: str


class Ack(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="ack", omit_defaults=True):
    """Everything up to and including `upto` is on disk."""

    upto: Sequence
    window: Sequence
    dead: tuple[DeadSeq, ...] = ()


WHERE = "stream frame"
_OF_CLIENTS = msgspec.json.Decoder(Hello | BatchFrame)
_OF_SERVERS = msgspec.json.Decoder(Welcome | Ack)


def encode_hello(frame: Hello) -> bytes:
    """JSON bytes of a frame."""
    return _encode(frame)


def encode_welcome(frame: Welcome) -> bytes:
    """JSON bytes of a frame."""
    return _encode(frame)


def encode_batch(frame: BatchFrame) -> bytes:
    """JSON bytes of a frame."""
    return _encode(frame)


def encode_ack(frame: Ack) -> bytes:
    """JSON bytes of a frame."""
    return _encode(frame)


def decode_client_frame(raw: bytes | str) -> Hello | BatchFrame:
    """Read a frame that a sender sent.

    Raises:
        DecodeError: Not JSON, not one of a sender's frames, or a field out of bounds.
    """
    frame: Hello | BatchFrame = _decode(raw, _OF_CLIENTS)
    return frame


def decode_server_frame(raw: bytes | str) -> Welcome | Ack:
    """Read a frame that a collector sent.

    Raises:
        DecodeError: Not JSON, not one of a collector's frames, or a field out of bounds.
    """
    frame: Welcome | Ack = _decode(raw, _OF_SERVERS)
    return frame


def _encode(frame: msgspec.Struct) -> bytes:
    return msgspec.json.encode(frame)


def _decode(raw: bytes | str, decoder: msgspec.json.Decoder[Any]) -> Any:
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    try:
        return decoder.decode(checked(data, WHERE))
    except (msgspec.DecodeError, RecursionError) as error:
        load_json(data, WHERE)  # says what is wrong with it, where it is no JSON at all
        if isinstance(error, msgspec.ValidationError):
            raise DecodeError(WHERE, _lower_first(str(error))) from None
        raise DecodeError(WHERE, "nested too deeply") from None


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def decode_stream_items(items: list[Any], *, received_ms: int) -> list[Decoded]:
    """Read the items of a batch: one `Decoded` each, in the same order, so that numbers can be mapped.

    A bad item gives a `Decoded` with one `Quarantined`; a name that several items tell is told by the first.
    """
    seen: Seen = {}
    return [
        decode_item(item, received_ms=received_ms, place=str(place), seen=seen)
        for place, item in enumerate(items)
    ]

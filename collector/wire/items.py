"""One item of a stream batch, told apart by its `kind`."""

from __future__ import annotations

from typing import Any

from collector.wire.http_log import decode_log_entry
from collector.wire.json_bytes import tidied
from collector.wire.payloads import quarantined_value
from domain.errors import DecodeError
from domain.events import Decoded


def decode_item(item: Any, *, received_ms: int) -> Decoded:
    """Read one item; a bad one gives a `Decoded` with one `Quarantined`."""
    try:
        return _decode(item, received_ms)
    except DecodeError as error:
        return Decoded(entries=1, quarantined=[quarantined_value(str(error), item)])


def _decode(item: Any, received_ms: int) -> Decoded:
    if not isinstance(item, dict):
        raise DecodeError("stream item", "expected an object")
    if item.get("kind") == "http-log":
        return decode_log_entry(item.get("entry"), received_ms=received_ms, node=item.get("node"))
    tidied(item, "stream item")
    raise DecodeError("stream item", "not yet")

"""What is kept of a message: the message itself, redacted, at most 64 KiB."""

from __future__ import annotations

from typing import Any

import orjson

from collector.wire.masked_json import masked_object
from collector.wire.raw_json import RawJson
from domain.events import Quarantined
from domain.redaction import redact, redact_text

MAX_PAYLOAD_BYTES = 65_536
"""Kong itself sends no worker event past 65,535 bytes; log entries are 2 to 4 KiB."""
CUT_FIELD = "gatewatch_cut"
"""Names, in a payload that was too long, what was left out of it."""
_MAX_CUTS = 64
MOST_QUARANTINED = 1_000
"""Bad entries of one message that are kept one by one: a message of a MiB could hold 350,000."""


def payload_of(value: Any) -> bytes:
    """Compact JSON of a message, redacted; its largest fields left out when it is longer than 64 KiB.

    Args:
        value: JSON that went through `json_bytes.tidied`.
    """
    return encode_payload(redact(value))


def payload_of_object(raw: RawJson, where: str) -> bytes:
    """The same for a JSON object that nobody has read yet: a tenth of the time where most of it came before.

    Raises:
        DecodeError: Nested deeper than our bounds, or a whole number past 64 bits.
    """
    data = masked_object(raw, where)
    return data if len(data) <= MAX_PAYLOAD_BYTES else encode_payload(orjson.loads(data))


def encode_payload(value: Any) -> bytes:
    """Compact JSON of what is redacted already, cut to 64 KiB."""
    data = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return data if len(data) <= MAX_PAYLOAD_BYTES else _cut(value, len(data))


def quarantined(why: str, raw: bytes) -> Quarantined:
    """What could not be read: its first 64 KiB, secrets masked as far as text can show them."""
    cut = raw[: 2 * MAX_PAYLOAD_BYTES].decode("utf-8", "surrogateescape")
    masked = redact_text(cut).encode("utf-8", "surrogateescape")
    return Quarantined(why=why, raw=masked[:MAX_PAYLOAD_BYTES])


def quarantined_value(why: str, value: Any) -> Quarantined:
    """The same for one JSON value of a message that could be read."""
    try:
        raw = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        raw = b"(nested too deeply to be shown)"
    return quarantined(why, raw)


def quarantined_rest(where: str, number: int) -> Quarantined:
    """What stands for so many bad entries of one message, past the first thousand."""
    return Quarantined(
        why=f"{where}: {number} more entries that cannot be read, not kept one by one", raw=b""
    )


def _cut(value: Any, size: int) -> bytes:
    """Replace the largest field again and again until the rest fits."""
    root = orjson.loads(orjson.dumps({CUT_FIELD: [], "payload": value}))
    if isinstance(root["payload"], dict):
        root = {**root["payload"], CUT_FIELD: []}
    sizes = sorted((len(key) + len(orjson.dumps(child)) for key, child in root.items()), reverse=True)
    if sum(sizes[_MAX_CUTS:]) > MAX_PAYLOAD_BYTES:
        return orjson.dumps({CUT_FIELD: [f"everything: {size} bytes"]})
    cut: list[str] = root[CUT_FIELD]
    for _ in range(_MAX_CUTS):
        path = _drop_largest(root)
        if path is None:
            break
        cut.append(path)
        data = orjson.dumps(root)
        if len(data) <= MAX_PAYLOAD_BYTES:
            return data
    return orjson.dumps({CUT_FIELD: [f"everything: {size} bytes"]})


def _drop_largest(root: dict[str, Any]) -> str | None:
    """Follow the largest child down while it holds most of its parent, and put its size in its place."""
    node: Any = root
    path: list[str] = []
    while True:
        children = node.items() if isinstance(node, dict) else enumerate(node)
        sizes = [(len(orjson.dumps(child)), key) for key, child in children if key != CUT_FIELD]
        if not sizes:
            return None
        size, key = max(sizes, key=lambda item: item[0])
        path.append(str(key)[:60])
        child = node[key]
        inner = child.values() if isinstance(child, dict) else child if isinstance(child, list) else ()
        if not any(2 * len(orjson.dumps(grandchild)) > size for grandchild in inner):
            node[key] = f"(left out: {size} bytes)"
            return ".".join(path)
        node = child

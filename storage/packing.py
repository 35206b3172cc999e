"""How ids, addresses and payloads are kept small, and read again."""

from __future__ import annotations

import binascii
import functools
import ipaddress
import itertools
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zstandard

TEXT_ID = b"\x00"
"""Begins a packed id that is the id itself, in UTF-8. The others say which form the rest had."""
_REQUEST, _ENTRY, _UUID = b"\x01", b"\x02", b"\x03"
_UUID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX_CHARS = 32
SMALL_PAYLOAD_BYTES = 48
"""Shorter payloads stay text: compressing gains nothing."""
MAX_PAYLOAD_BYTES = 1_048_576
Words = Sequence[str | None]
SHORTEST_WORD = 16
"""Replacing what is shorter gains nothing."""
_MARKS = tuple(bytes((number,)) for number in range(1, 9))
"""Stand for words: control characters, which JSON text never holds."""
_ALL_MARKS = b"".join(_MARKS)
LEVEL = 3
"""Higher levels gained 3 % on the recorded trace and took twice as long."""
_PLAIN, _FIRST_DICTIONARY, _FIRST_WITH_WORDS = b"\x00", b"\x01", b"\x02"
"""The first byte of a payload. The others name the dictionary that it was compressed with,
`payload_dictionary.zdict`, which must never change:
files were written with it. `bench/input/train_dictionary.py` makes another, which gets the next number."""

_OCTETS = frozenset(str(number) for number in range(256))
"""The last part of an IPv4 address does not change its prefix: one answer is remembered for all 256."""


def pack_id(event_id: str) -> bytes:
    """An event's id in 17 bytes where it is one of the usual forms, else as it is after one byte.

    Raises:
        UnicodeEncodeError: It holds half a character.
    """
    if event_id.startswith("request:"):
        digits = _hex(event_id[8:])
        if digits is not None:
            return _REQUEST + digits
    elif event_id.startswith("entry:"):
        digits = _hex(event_id[6:])
        if digits is not None:
            return _ENTRY + digits
    elif _UUID_FORM.fullmatch(event_id):
        return _UUID + bytes.fromhex(event_id.replace("-", ""))
    return TEXT_ID + event_id.encode("utf-8")


def unpack_id(packed: bytes) -> str:
    """The id that was packed."""
    if packed[:1] == TEXT_ID:
        return packed[1:].decode("utf-8")
    digits = packed[1:].hex()
    if packed[:1] == _REQUEST:
        return f"request:{digits}"
    if packed[:1] == _ENTRY:
        return f"entry:{digits}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def request_id_in(event_id: str) -> str | None:
    """The request id that an event's packed id tells, also to those who read views."""
    return event_id[8:] if pack_id(event_id)[:1] == _REQUEST else None


def is_request_id(packed: bytes) -> bool:
    """Whether a packed id holds that of a request."""
    return packed[:1] == _REQUEST


def _hex(text: str) -> bytes | None:
    if len(text) != _HEX_CHARS or text != text.lower():
        return None
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return None


class _Codec(threading.local):
    """One compressor and one decompressor a thread: they are not safe to share."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(
            level=LEVEL, dict_data=_DICTIONARY, write_checksum=False, write_dict_id=False
        )
        self.decompressor = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)


def _dictionary() -> zstandard.ZstdCompressionDict:
    found = zstandard.ZstdCompressionDict(Path(__file__).with_name("payload_dictionary.zdict").read_bytes())
    found.precompute_compress(level=LEVEL)
    return found


_DICTIONARY = _dictionary()
_CODEC = _Codec()


def pack_payload(payload: bytes, words: Words = ()) -> bytes:
    """A payload as JSON text after one byte when small, compressed when larger.

    Args:
        payload: JSON text, as a rule.
        words: What the columns of its event hold too, at most 8. Each is left out here and put in again by
            `unpack_payload`: four ids took a third of what a compressed log entry took.

    Zstandard with a dictionary takes 4 us for a log entry and a fifth of its bytes, 2 us for one of our
    plugin's; deflate with a dictionary took 23 us and a quarter.

    Raises:
        ValueError: It is longer than 1 MiB, or not UTF-8.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"payload is {len(payload)} bytes, expected at most {MAX_PAYLOAD_BYTES}")
    if len(payload) <= SMALL_PAYLOAD_BYTES:
        payload.decode("utf-8")
        return _PLAIN + payload
    # a search by a regular expression took three times as long as counting what is no mark
    if not words or len(payload.translate(None, _ALL_MARKS)) != len(payload):
        return _FIRST_DICTIONARY + _CODEC.compressor.compress(payload)
    for mark, word in zip(_MARKS, words, strict=False):
        if word is not None and len(word) >= SHORTEST_WORD:
            payload = payload.replace(word.encode("utf-8"), mark)
    return _FIRST_WITH_WORDS + _CODEC.compressor.compress(payload)


def unpack_payload(body: bytes, words: Words = ()) -> Any:
    """The JSON value of a payload; text when it is no JSON.

    Args:
        body: As `pack_payload` gave it.
        words: The same as then; whoever needs none of them may leave them away, and finds empty texts.

    Raises:
        ValueError: It is damaged.
    """
    raw = unpack_raw(body)
    if body.startswith(_FIRST_WITH_WORDS):
        for mark, word in itertools.zip_longest(_MARKS, words):
            raw = raw.replace(mark, (word or "").encode("utf-8"))
    return load_json(raw.decode("utf-8", "replace"))


def unpack_raw(body: bytes) -> bytes:
    """The text of a payload as it was compressed: with marks where words were left out.

    Raises:
        ValueError: It is damaged.
    """
    frame = body[1:]
    if body[:1] == _PLAIN:
        return frame
    try:
        if zstandard.frame_content_size(frame) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"payload is longer than {MAX_PAYLOAD_BYTES} bytes")
        return _CODEC.decompressor.decompress(frame)
    except zstandard.ZstdError as error:
        raise ValueError(f"payload is damaged: {error}") from error


def load_json(text: str | None) -> Any:
    """A JSON value; the text itself when it is no JSON, None for None."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


@functools.lru_cache(maxsize=65_536)
def sort_bytes(address: str) -> bytes | None:
    """4 or 16 bytes in the order of addresses; None for what is no address."""
    try:
        return ipaddress.ip_address(address).packed
    except ValueError:
        return None


def prefix_of(address: str) -> str | None:
    """The /24 of an IPv4 address, the /64 of an IPv6 one; None for what is no address."""
    head, dot, last = address.rpartition(".")
    return _prefix_of(f"{head}.0" if dot and last in _OCTETS else address)


@functools.lru_cache(maxsize=16_384)
def _prefix_of(address: str) -> str | None:
    packed = sort_bytes(address)
    if packed is None:
        return None
    if len(packed) == 4:  # noqa: PLR2004 - bytes of an IPv4 address
        return f"{packed[0]}.{packed[1]}.{packed[2]}.0/24"
    return f"{ipaddress.IPv6Address(packed[:8] + bytes(8))}/64"


def address_range(text: str) -> tuple[bytes, bytes] | None:
    """The first and the last address of a CIDR range, as `sort_bytes` gives them; None for other text."""
    if "/" not in text:
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return network.network_address.packed, network.broadcast_address.packed


def limit_token(name: str | None, value: int | None, window_s: int | None) -> str | None:
    """A limit as one short text: `20/minute`, `5/sms/minute`, `100/90s`; None when nothing is known."""
    window = name or (f"{window_s}s" if window_s is not None else None)
    if value is None:
        return window
    return f"{value}/{window}" if window else str(value)

"""Make storage/payload_dictionary.zdict anew: what Kong's messages have in common.

    python -m bench.input.train_dictionary TRACE_FOLDER OUT

Takes `http-log.jsonl.gz` and `kong-events.jsonl.gz` of a recorded trace. Ids, names, addresses, paths and
times are replaced by made-up ones first, so that only the shape is learned and no one's data is passed on.
Files name their dictionary by number (storage/packing.py): one that files were written with must never
change, a better one gets the next number.
"""

from __future__ import annotations

import gzip
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import zstandard

from bench.input.shapes import as_plugin_entry, is_refusal
from collector.wire.payloads import payload_of

SIZE_BYTES = 8_192
"""16 KiB gained 5 % for whole entries and nothing for our plugin's."""
EACH = 1_100
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX = re.compile(rb"\b[0-9a-f]{32}\b")
_NAME = re.compile(
    rb'"(name|username|custom_id|host|uri|path|upstream_uri|url|instance_name|x-consumer-username|user-agent)":"([^"]*)"'
)
_LISTED = re.compile(rb'"(paths|tags|hosts)":\[[^\]]*\]')
_ADDRESS = re.compile(rb"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
_TIME = re.compile(rb"\b1[67]\d{8}(?:\d{3})?\b")


def payloads(folder: Path) -> Iterator[bytes]:
    """Payloads of refusals, whole and as our plugin sends them, and of other events."""
    with gzip.open(folder / "http-log.jsonl.gz") as lines:
        for line in lines:
            body = orjson.loads(line)["body"]
            for entry in body if isinstance(body, list) else [body]:
                if is_refusal(entry):
                    yield payload_of(entry)
                    yield payload_of(as_plugin_entry(entry))
    with gzip.open(folder / "kong-events.jsonl.gz") as lines:
        for line in lines:
            yield payload_of(orjson.loads(line))


def made_up(payload: bytes, chance: random.Random) -> bytes:
    """The payload with everything that is someone's replaced."""

    def digits(match: re.Match[bytes]) -> bytes:
        return bytes(chance.choice(b"0123456789abcdef") if c != ord("-") else c for c in match[0])

    def word(_: Any = None) -> bytes:
        return bytes(chance.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(chance.randint(4, 14)))

    payload = _UUID.sub(digits, payload)
    payload = _HEX.sub(digits, payload)
    payload = _NAME.sub(
        lambda m: b'"%s":"%s%s"' % (m[1], b"/" if m[2].startswith(b"/") else b"", word()), payload
    )
    payload = _LISTED.sub(lambda m: b'"%s":["%s"]' % (m[1], word()), payload)
    payload = _ADDRESS.sub(lambda _: b".".join(b"%d" % chance.randint(1, 254) for _ in range(4)), payload)
    return _TIME.sub(lambda m: b"17" + b"%0*d" % (len(m[0]) - 2, chance.randint(0, 10**8)), payload)


def main(trace: Path, out: Path) -> None:
    """Train, and write the dictionary."""
    chance = random.Random(20_270_115)  # noqa: S311 - the same every time
    samples = [made_up(payload, chance) for payload in payloads(trace)]
    chosen = chance.sample(samples, min(len(samples), 3 * EACH))
    out.write_bytes(zstandard.train_dictionary(SIZE_BYTES, chosen, level=3).as_bytes())
    print(f"{out}: {out.stat().st_size} bytes from {len(chosen)} payloads")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

r"""Secrets planted into Kong's own payloads, in every spelling that JSON allows, are in nothing that is kept.

Names and values with `\u0061` for `a`, names that come twice, white space wherever it may stand: what reads
bytes without making values of them must come to the same as what does.
"""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from domain.errors import DecodeError
from domain.events import Decoded
from tests.collector.wire.test_hostile_input import CANARY, DECODERS, check_storable
from tests.fuzz.reading import SECRETS, as_frame, as_line

FOLDER = Path(__file__).parents[2] / "fixtures/payloads"
PAYLOADS = [orjson.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))]
PLANTS: list[Any] = [CANARY, [CANARY], {"a": CANARY}, {"a": [{"b": CANARY}]}, f'{CANARY}"', f"\\{CANARY}"]
INPUTS = 200


def planted(rng: random.Random, value: Any) -> Any:
    """A payload with one to three secrets in it."""
    found = copy.deepcopy(value)
    objects: list[dict[str, Any]] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            objects.append(part)
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            walk(inner)

    walk(found)
    for _ in range(rng.randint(1, 3)):
        rng.choice(objects)[rng.choice(SECRETS)] = copy.deepcopy(rng.choice(PLANTS))
    return found


def written(rng: random.Random, value: Any) -> str:
    """JSON of a value, in one of its many spellings."""

    def space() -> str:
        return rng.choice(("", "", " ", "\t", "\r\n", "  "))

    def of_text(text: str) -> str:
        escaped = (f"\\u{ord(c):04x}" if rng.random() < 0.3 or c in '"\\' or c < " " else c for c in text)
        return '"' + "".join(escaped) + '"'

    def joined(parts: list[str], begin: str, end: str) -> str:
        return begin + space() + f"{space()},{space()}".join(parts) + space() + end

    if isinstance(value, dict):
        pairs = []
        for name, inner in value.items():
            if rng.random() < 0.05:
                pairs.append(f"{of_text(name)}:{rng.choice(('null', '1', '[]', '{}'))}")
            pairs.append(f"{of_text(name)}{space()}:{space()}{written(rng, inner)}")
        return joined(pairs, "{", "}")
    if isinstance(value, list):
        return joined([written(rng, inner) for inner in value], "[", "]")
    return of_text(value) if isinstance(value, str) and value.isascii() else json.dumps(value)


def values_of(decoded: Decoded) -> bytes:
    """Everything that is kept, its JSON read and written anew, so that no spelling hides anything."""
    kept: list[Any] = [
        [orjson.loads(event.payload) if event.payload else None, event.before, event.after]
        for event in decoded.events
    ]
    for bad in decoded.quarantined:
        try:
            kept.append(orjson.loads(bad.raw))
        except orjson.JSONDecodeError:
            kept.append(bad.raw.decode("utf-8", "replace"))
    return orjson.dumps(kept)


@pytest.mark.parametrize("seed", range(4))
def test_no_spelling_hides_a_secret(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - not a secret
    for _ in range(INPUTS // 4):
        body = written(rng, planted(rng, rng.choice(PAYLOADS))).encode()
        for name, decode in DECODERS.items():
            try:
                decoded = decode(body)
            except DecodeError as error:
                assert CANARY not in str(error), name  # noqa: PT017 - either outcome is right
                continue
            check_storable(decoded)
            assert CANARY.encode() not in values_of(decoded), name
        as_frame(body)
        as_line(body)

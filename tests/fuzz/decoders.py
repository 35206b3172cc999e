"""A fuzzer for all that reads what arrives: `python -m tests.fuzz.decoders CORPUS... -max_total_time=60`.

atheris follows which of our lines an input reaches and keeps inputs that reach new ones. The parser is
compiled and tells it nothing, so most inputs are changed as JSON values rather than as bytes: a part of one
replaced, removed, renamed to a name that some decoder looks for, or put into another. What is read must be
storable, what is not must be refused with `DecodeError`; anything else ends the run with the input in a file.
"""

from __future__ import annotations

import copy
import random
import sys
from typing import Any

import atheris
import orjson

with atheris.instrument_imports(include=["collector", "domain"]):
    from tests.collector.wire.test_hostile_input import CANARY, NAMES
    from tests.fuzz.reading import MOST_BYTES, SECRETS, read

NAMED = [
    *NAMES,
    "shed",
    "by_kind",
    "from_ms",
    "to_ms",
    "entry",
    "session",
    "latencies",
    "why",
    "queue",
    "dropped",
]
NAMED += [
    "limit",
    "window",
    "window_s",
    "certainty",
    "old_entity",
    "data_plane",
    "role",
    "heartbeat_s",
    "first",
]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 429, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64 - 1, 0.5, -0.0, 1e308, 5e-324,
    "", "x", "\0", "\ud7ff", "\u202e", "x" * 400, "0", "1e400", "2027-01-15T08:00:00Z", "[redacted]",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "::ffff:192.0.2.1", "fe80::1%eth0", "http-log",
    "services:update", "totals", "entity", "node", "plugin", "crud", "cache", "cluster", "rate-limiting",
    "exceeded", "batch", "hello", "mlcache", "mlcache:invalidations:kong_db_cache", "balancer", "healthcheck",
    "dao:crud", "worker_event", "keyauth_credentials:secret:::::", "Bearer abcdefgh", "apikey=secret",
    [], {}, [None], {"id": {}}, {"": []},
]  # fmt: skip


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """(container, key) of every part of a value, but of no more than 500."""
    if len(found) < 500:
        keys = (
            value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        )
        for key in keys:
            found.append((value, key))
            places(value[key], found)
    return found


def changed(value: Any, seed: int) -> Any:
    """A value with one to five of its parts changed; which and how follows from the seed."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    for _ in range(rng.randint(1, 5)):
        spots = places(value, [])
        if not spots:
            return copy.deepcopy(rng.choice(VALUES))
        where, key = rng.choice(spots)
        what = rng.randint(0, 6)
        new = copy.deepcopy(rng.choice(VALUES))
        name = rng.choice(NAMED)
        if what == 0 and isinstance(where, dict):
            where[name] = where.pop(key)
        elif what == 1:
            del where[key]
        elif what == 2:
            where[key] = {name: where[key], rng.choice(NAMED): new}
        elif what == 3 and isinstance(where, dict):
            where[name] = new
        elif what == 6 and isinstance(where, dict):
            secret = rng.choice(SECRETS)
            where[secret] = rng.choice([CANARY, [CANARY], {name: CANARY}, f'"{CANARY}"'])
        elif what == 4:
            where[key] = [where[key], new]
        else:
            where[key] = new
    return value


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """The next input: mostly another JSON value, now and then other bytes."""
    if seed % 8:
        try:
            found = orjson.dumps(changed(orjson.loads(data), seed))
        except (orjson.JSONDecodeError, TypeError):
            found = b""
        if 0 < len(found) <= most:
            return found
    return bytes(atheris.Mutate(data, most))


def main(arguments: list[str]) -> None:
    """Run until told to stop by libFuzzer's options."""
    atheris.Setup([*arguments, f"-max_len={MOST_BYTES}"], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)

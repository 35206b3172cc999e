"""Draws the events of a made-up gateway day by day, and puts them and their totals into the tables."""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from bench.input import gateway
from bench.input.gateway import World
from domain.windows import DAY_MS, MINUTE_MS
from storage.codes import (
    BLOCK_BITS,
    COLUMN_OF,
    IS_REQUEST,
    MAX_VIOLATION,
    MEASURES,
    MEASURES_OF,
    META_EVENTS,
    META_LAST_RECEIVED,
    META_LAST_SEQ,
    NONE_KEY,
    WIDTHS_S,
    Dim,
    Outcome,
    meta_kept_from,
)
from storage.packing import pack_payload

_COMBO_FIELDS = ("consumer", "ip", "service", "route", "node", "limit", "outcome")
_TRAFFIC = (Outcome.SUCCESS, Outcome.CLIENT_ERROR, Outcome.UNAUTHORIZED, Outcome.SERVER_ERROR)


class Filler:
    """Puts one day after the other into the tables."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        world: World,
        random: np.random.Generator,
        days: int,
        passed_a_minute: float,
    ) -> None:
        self._connection = connection
        self._world = world
        self._random = random
        self._days = days
        self._passed_a_minute = passed_a_minute
        self._seq = 0
        self._packed = np.zeros(0, np.int64)
        self._combo_of_packed = np.zeros(0, np.int64)
        self._type_counts: dict[int, int] = {}
        self._requests = 0

    def day(self, day: int, events: int) -> None:
        """Draw and store one day."""
        last = gateway.NOW_MS - gateway.NOW_MS % DAY_MS
        start_ms = last - (self._days - 1 - day) * DAY_MS
        end_ms = min(start_ms + DAY_MS, gateway.NOW_MS)
        refused = self._refused(events, start_ms, end_ms)
        passed = self._passed(start_ms, end_ms)
        self._store_events(refused, start_ms, end_ms)
        fields = {name: np.concatenate([refused[name], passed[name]]) for name in _COMBO_FIELDS}
        at_s = np.concatenate([refused["at_ms"], passed["at_ms"]]) // 1000
        n = np.concatenate([np.ones(events, np.int64), passed["n"]])
        self._requests += int(passed["n"].sum())
        self._store_totals(fields, at_s, n, is_recent=self._days - day <= gateway.SECONDS_DAYS)

    # ---- what happened

    def _refused(self, events: int, start_ms: int, end_ms: int) -> dict[str, np.ndarray]:
        """Nine in ten in bursts of about fifty within ten minutes, one in ten by itself."""
        random, world = self._random, self._world
        bursts = max(1, events * 9 // 10 // 50)
        burst = np.sort(random.integers(0, bursts, events))
        is_single = random.random(events) < 0.1
        consumer_of, ip_of, route_of, limit_of, node_of = self._who(bursts)
        consumer, ip, route, limit, node = self._who(events)
        at_ms = random.integers(start_ms, end_ms, bursts)[burst] + random.integers(0, 600_000, events)
        chosen = {
            "consumer": np.where(is_single, consumer, consumer_of[burst]),
            "ip": np.where(is_single, ip, ip_of[burst]),
            "route": np.where(is_single, route, route_of[burst]),
            "limit": np.where(is_single, limit, limit_of[burst]),
            "node": np.where(is_single, node, node_of[burst]),
            "at_ms": np.clip(at_ms, start_ms, end_ms - 1),
        }
        is_sure = random.random(events) < 0.97
        chosen["outcome"] = np.where(is_sure, int(Outcome.LIMITED), int(Outcome.PROBABLE))
        chosen["limit"] = np.where(is_sure, chosen["limit"], NONE_KEY)
        chosen["service"] = world.services[(chosen["route"] - world.routes[0]) % gateway.SERVICES]
        order = np.argsort(chosen["at_ms"], kind="stable")
        return {name: values[order] for name, values in chosen.items()}

    def _passed(self, start_ms: int, end_ms: int) -> dict[str, np.ndarray]:
        """So many combinations a minute, some of them many requests."""
        random, world = self._random, self._world
        how_many = round(self._passed_a_minute * ((end_ms - start_ms) // MINUTE_MS))
        consumer, ip, route, _, node = self._who(how_many)
        return {
            "consumer": consumer,
            "ip": ip,
            "route": route,
            "service": world.services[(route - world.routes[0]) % gateway.SERVICES],
            "node": node,
            "limit": np.zeros(how_many, np.int64),
            "outcome": random.choice(
                [int(outcome) for outcome in _TRAFFIC], how_many, p=[0.9, 0.06, 0.02, 0.02]
            ),
            "at_ms": random.integers(start_ms, end_ms, how_many),
            "n": 1 + random.geometric(0.05, how_many),
        }

    def _who(self, how_many: int) -> tuple[np.ndarray, ...]:
        """Some consumers are far busier than others, and each has its own 25 addresses and few routes."""
        random, world = self._random, self._world
        place = np.minimum(
            (gateway.CONSUMERS * random.power(0.35, how_many)).astype(np.int64), gateway.CONSUMERS - 1
        )
        own = (place * 25 + (25 * random.power(0.5, how_many)).astype(np.int64)) % len(world.addresses)
        is_anonymous = random.random(how_many) < 0.08
        consumer = np.where(is_anonymous, NONE_KEY, world.consumers[place])
        route = world.routes[(place * 7 + random.integers(0, 3, how_many)) % gateway.ROUTES]
        limit = world.limits[place % len(gateway.LIMITS)]
        return consumer, world.addresses[own], route, limit, random.choice(world.nodes, how_many)

    # ---- events

    def _store_events(self, refused: dict[str, np.ndarray], start_ms: int, end_ms: int) -> None:
        random, world = self._random, self._world
        other = np.sort(random.integers(start_ms, end_ms, gateway.CHANGES + gateway.INVALIDATIONS))
        is_change = np.zeros(len(other), bool)
        is_change[random.choice(len(other), gateway.CHANGES, replace=False)] = True
        at_ms = np.concatenate([refused["at_ms"], other])
        order = np.argsort(at_ms, kind="stable")
        count = len(refused["at_ms"])
        seqs = np.empty(len(order), np.int64)
        seqs[order] = self._seq + 1 + np.arange(len(order))
        self._seq += len(order)
        sure, unsure = (word for word in list(world.words)[:2])
        evidence = np.where(refused["outcome"] == Outcome.LIMITED, world.words[sure], world.words[unsure])
        certainty = np.where(refused["outcome"] == Outcome.LIMITED, 1, 2)
        ids = random.bytes(16 * len(order))
        lag = random.integers(20, 900, len(order))
        rows: list[tuple[Any, ...]] = []
        columns = [
            values.tolist()
            for values in (
                seqs[:count], refused["at_ms"], lag[:count], certainty, refused["node"], refused["consumer"],
                refused["ip"], refused["service"], refused["route"], refused["limit"], evidence,
            )
        ]  # fmt: skip
        for place, (seq, at, late, sure_, node, consumer, ip, service, route, limit, why) in enumerate(
            zip(*columns, strict=True)
        ):
            packed = b"\x01" + ids[16 * place : 16 * place + 16]
            rows.append(
                (seq, packed, 1, 1, at, late, IS_REQUEST, 0, 1, sure_, world.source, node, consumer, ip,
                 service, route, limit, 429, why, None, None, None, None)
            )  # fmt: skip
        details = []
        for place, (seq, at, changes) in enumerate(
            zip(seqs[count:].tolist(), other.tolist(), is_change.tolist(), strict=True), count
        ):
            kind, type_id = (4, 2) if changes else (3, 3)
            packed = b"\x03" + ids[16 * place : 16 * place + 16]
            node = int(world.nodes[seq % gateway.NODES])
            rows.append(
                (
                    seq,
                    packed,
                    kind,
                    type_id,
                    at,
                    5,
                    0,
                    0,
                    0,
                    0,
                    world.source,
                    node,
                    0,
                    0,
                    0,
                    0,
                    0,
                    *[None] * 6,
                )
            )
            words = world.words
            if changes:
                details.append(
                    (seq, words["services"], f"{seq:032x}", f"service-{seq % gateway.SERVICES:02}",
                     words["update"], words["ana"], *[None] * 5, "{}", "{}")
                )  # fmt: skip
            else:
                details.append(
                    (seq, words["plugins"], *[None] * 4, words["core_cache"], "plugins:x", *[None] * 5)
                )
        rows.sort()
        many = self._connection.executemany
        many(f"INSERT INTO events VALUES ({', '.join('?' * 23)})", rows)
        many(f"INSERT INTO event_details VALUES ({', '.join('?' * 13)})", details)
        self._store_blocks(seqs, at_ms)
        self._count_kinds(refused, other, is_change, seqs[count:])
        for type_id, n in ((1, count), (2, gateway.CHANGES), (3, gateway.INVALIDATIONS)):
            self._type_counts[type_id] = self._type_counts.get(type_id, 0) + n

    def _store_blocks(self, seqs: np.ndarray, at_ms: np.ndarray) -> None:
        blocks, inverse = np.unique(seqs >> BLOCK_BITS, return_inverse=True)
        least, most = np.full(len(blocks), 2**62, np.int64), np.zeros(len(blocks), np.int64)
        np.minimum.at(least, inverse, at_ms)
        np.maximum.at(most, inverse, at_ms)
        self._connection.executemany(
            "INSERT INTO event_blocks VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n,"
            " min_at_ms = min(min_at_ms, excluded.min_at_ms), max_at_ms = max(max_at_ms, excluded.max_at_ms)",
            zip(blocks.tolist(), np.bincount(inverse).tolist(), least.tolist(), most.tolist(), strict=True),
        )

    def _count_kinds(
        self, refused: dict[str, np.ndarray], other: np.ndarray, is_change: np.ndarray, seqs: np.ndarray
    ) -> None:
        world = self._world
        at_s = np.concatenate([refused["at_ms"], other]) // 1000
        types = np.concatenate([np.full(len(refused["at_ms"]), 1), np.where(is_change, 2, 3)])
        entity = np.where(
            types == 1, 0, np.where(types == 2, world.words["services"], world.words["plugins"])
        )
        node = np.concatenate([refused["node"], world.nodes[seqs % gateway.NODES]])
        is_recent = (gateway.NOW_MS - int(at_s[0]) * 1000) < gateway.SECONDS_DAYS * DAY_MS
        for res, width_s in enumerate(WIDTHS_S):
            if res or is_recent:
                keys = np.stack([at_s // width_s * width_s, types, entity, node])
                places, counts = np.unique(keys, axis=1, return_counts=True)
                rows = np.concatenate([places, counts[None]]).T.tolist()
                self._connection.executemany(f"INSERT INTO kind_counts VALUES ({res}, ?, ?, ?, ?, ?)", rows)

    # ---- totals

    def _store_totals(
        self, fields: dict[str, np.ndarray], at_s: np.ndarray, n: np.ndarray, *, is_recent: bool
    ) -> None:
        combo = self._combos(fields)
        many = self._connection.executemany
        for res, width_s in enumerate(WIDTHS_S):
            if not res and not is_recent:
                continue
            bucket_s = at_s // width_s * width_s
            places, sums = _summed(bucket_s * 2**31 + combo, n)
            many(
                f"INSERT INTO cells VALUES ({res}, ?, ?, ?)",
                np.stack([places // 2**31, places % 2**31, sums]).T.tolist(),
            )
            for dim, keys, keep in self._keys_of(fields):
                rows = _activity(bucket_s[keep], keys[keep], fields["outcome"][keep], n[keep])
                marks = ", ".join("?" * (2 + len(MEASURES)))
                many(f"INSERT INTO activity VALUES ({res}, {int(dim)}, {marks})", rows)

    def _keys_of(self, fields: dict[str, np.ndarray]) -> list[tuple[Dim, np.ndarray, Any]]:
        everything = slice(None)
        zero = np.zeros_like(fields["ip"])
        found: list[tuple[Dim, np.ndarray, Any]] = [(Dim.ALL, zero, everything)]
        for dim, column in COLUMN_OF.items():
            keys = fields["limit" if dim == Dim.LIMIT else column]
            is_counted = (keys != NONE_KEY) | (fields["outcome"] <= MAX_VIOLATION)
            found.append((dim, keys, is_counted if dim == Dim.LIMIT else everything))
        found.append((Dim.PREFIX, self._world.prefix_of[fields["ip"]], everything))
        return found

    def _combos(self, fields: dict[str, np.ndarray]) -> np.ndarray:
        """The number of each combination, new ones given the next."""
        world = self._world
        packed = np.zeros_like(fields["ip"])
        for name, first, size in (
            ("consumer", world.consumers[0] - 1, gateway.CONSUMERS + 1),
            ("ip", world.addresses[0], gateway.ADDRESSES),
            ("route", world.routes[0], gateway.ROUTES),
            ("node", world.nodes[0], gateway.NODES),
            ("limit", world.limits[0] - 1, len(gateway.LIMITS) + 1),
            ("outcome", 0, 16),
        ):
            packed = packed * size + np.maximum(fields[name] - first, 0)
        unique, first_place, inverse = np.unique(packed, return_index=True, return_inverse=True)
        place = np.minimum(np.searchsorted(self._packed, unique), max(len(self._packed) - 1, 0))
        is_new = self._packed[place] != unique if len(self._packed) else np.ones(len(unique), bool)
        numbers = np.zeros(len(unique), np.int64)
        if len(self._packed):
            numbers[~is_new] = self._combo_of_packed[place[~is_new]]
        numbers[is_new] = len(self._packed) + 1 + np.arange(is_new.sum())
        new = first_place[is_new]
        columns = [numbers[is_new], *(fields[name][new] for name in _COMBO_FIELDS)]
        self._connection.executemany(
            f"INSERT INTO combos VALUES ({', '.join('?' * 8)})", np.stack(columns).T.tolist()
        )
        every = np.concatenate([self._packed, unique[is_new]])
        order = np.argsort(every)
        self._combo_of_packed = np.concatenate([self._combo_of_packed, numbers[is_new]])[order]
        self._packed = every[order]
        return numbers[inverse]

    def finish(self) -> None:
        """What is known of the whole."""
        db = self._connection
        events = sum(self._type_counts.values())
        db.executemany("UPDATE event_types SET n = ?2 WHERE type_id = ?1", list(self._type_counts.items()))
        seconds_s = (gateway.NOW_MS - gateway.NOW_MS % DAY_MS - (gateway.SECONDS_DAYS - 1) * DAY_MS) // 1000
        meta = {META_EVENTS: events, META_LAST_SEQ: self._seq, META_LAST_RECEIVED: gateway.NOW_MS,
                meta_kept_from(0): seconds_s}  # fmt: skip
        db.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))
        db.execute(
            "INSERT INTO sources (source, way, first_received_ms, last_received_ms, events, requests)"
            " VALUES ('http-log', 'http-log', ?, ?, ?, ?)",
            (gateway.NOW_MS - self._days * DAY_MS, gateway.NOW_MS, events, self._requests),
        )
        body = pack_payload(
            b'{"response":{"status":429},"request":{"uri":"/"},"consumer":{"username":"x"}}' * 20
        )
        db.execute(
            "INSERT INTO payloads SELECT seq, ? FROM events WHERE seq > ?",
            (body, self._seq - gateway.PAYLOADS),
        )


def _summed(places: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    unique, inverse = np.unique(places, return_inverse=True)
    return unique, np.bincount(inverse, n, len(unique)).astype(np.int64)


def _activity(bucket_s: np.ndarray, keys: np.ndarray, outcome: np.ndarray, n: np.ndarray) -> list[list[int]]:
    unique, inverse = np.unique(bucket_s * 2**31 + keys, return_inverse=True)
    table = np.zeros((2 + len(MEASURES), len(unique)), np.int64)
    table[0], table[1] = unique // 2**31, unique % 2**31
    for place in range(len(MEASURES)):
        outcomes = [int(o) for o, places in MEASURES_OF.items() if place in places]
        table[2 + place] = np.bincount(inverse, np.where(np.isin(outcome, outcomes), n, 0), len(unique))
    return table.T.tolist()  # type: ignore[no-any-return]

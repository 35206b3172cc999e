"""Redis Streams as the bus: `GATEWATCH_BUS=redis://HOST:PORT`, Redis 7.2 or newer, or Valkey 8 or newer.

It promises less than NATS JetStream. A message is acknowledged when the primary has it in its append-only
file, forced to disk (`WAITAOF 1 0`); replicas get it afterwards, so what was acknowledged last can be lost
when the primary is, and a replica takes its place. All of it is in memory, and on one shard. Without
`appendonly yes` nothing is acknowledged; with `appendfsync everysec` each message waits for up to a second.

A message that comes again under its name within ten minutes is not added again. A writer that says nothing
about a message for 15 s has lost it.
"""

from __future__ import annotations

import secrets
import time
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from collector.bus.bus import ACK_WAIT_S, Delivered
from collector.bus.parcels import SUBJECTS, Message
from domain.errors import BusError, BusFull
from storage.batches import BusState

_KEY = "{gatewatch}"
"""The part in braces keeps all keys on one shard."""
STREAM, NEWEST, BYTES, DEAD = (f"{_KEY}:{name}" for name in ("batches", "newest", "bytes", "dead"))
GROUP = "writers"
MOST_MESSAGE_BYTES = 8_388_608
SAME_NAME_S = 600
SYNC_LIMIT_MS = 2_000
ANSWER_LIMIT_S = 5.0
CLAIM_EVERY_S = 5.0
_SEQUENCE_BITS = 20
_ADD = """
if not redis.call('SET', KEYS[4], '1', 'NX', 'EX', ARGV[4]) then return 'known' end
if tonumber(redis.call('GET', KEYS[3]) or '0') + #ARGV[2] > tonumber(ARGV[3]) then
  redis.call('DEL', KEYS[4])
  return redis.error_reply('FULL the bus holds as much as bus_bytes allows')
end
local id = redis.call('XADD', KEYS[1], '*', 's', ARGV[1], 'b', ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], id)
redis.call('INCRBY', KEYS[3], #ARGV[2])
return id"""
_DONE = """
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if #found == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
local subject, body = found[1][2][2], found[1][2][4]
redis.call('DECRBY', KEYS[3], #body)
if redis.call('HGET', KEYS[2], subject) == ARGV[2] then redis.call('HDEL', KEYS[2], subject) end
return 1"""


class RedisBus:
    """One server, or the address of whoever is primary.

    Args:
        url: `redis://` or `rediss://`.
        most_bytes: How much the stream may hold.
        login: User and password, where they are needed.
        ca_file: For `rediss://`, where its certificate is not of the public authorities.
    """

    def __init__(
        self,
        url: str,
        most_bytes: int,
        login: tuple[str, str] | None = None,
        ca_file: str = "",
    ) -> None:
        parts = urlsplit(url)
        self.shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._most_bytes = most_bytes
        options: dict[str, Any] = {"ssl_ca_certs": ca_file} if ca_file else {}
        if login:
            options |= {"username": login[0], "password": login[1]}
        self._redis: Any = Redis.from_url(
            url,
            socket_connect_timeout=2,
            socket_timeout=ANSWER_LIMIT_S,
            health_check_interval=5,
            protocol=2,
            **options,
        )
        self._redis.response_callbacks.clear()  # answers as the protocol has them
        self._me = secrets.token_hex(8)
        self._has_group = False
        self._claimed_s = 0.0

    @property
    def most_bytes(self) -> int:
        """The longest body; Redis itself would take more."""
        return MOST_MESSAGE_BYTES

    async def start(self) -> None:
        """Nothing to do: each command connects where that is needed."""

    async def publish(self, message: Message) -> None:
        """Add a message; returns when it is in the primary's file, on disk.

        Raises:
            BusFull: There is no room.
            BusError: It is not known to be there.
        """
        keys = (STREAM, NEWEST, BYTES, f"{_KEY}:name:{message.name}")
        try:
            async with self._redis.pipeline(transaction=False) as both:
                both.eval(_ADD, 4, *keys, message.subject, message.body, self._most_bytes, SAME_NAME_S)
                both.execute_command("WAITAOF", 1, 0, SYNC_LIMIT_MS)
                added, synced = await both.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise BusError(str(error) or type(error).__name__) from error
        if isinstance(added, Exception):
            is_full = str(added).startswith(("FULL", "OOM"))
            raise (BusFull if is_full else BusError)(str(added))
        if isinstance(synced, Exception):
            raise BusError(f"it cannot say what is on its disk (appendonly yes, Redis 7.2): {synced}")
        if int(synced[0]) < 1:
            raise BusError(f"it did not bring the message to its disk within {SYNC_LIMIT_MS} ms")

    async def newest(self, subject: str) -> bytes | None:
        """The newest message of a subject that is not stored yet."""
        place = await self._ask("HGET", NEWEST, subject)
        if place is None:
            return None
        found = await self._ask("XRANGE", STREAM, place, place)
        return _body(found[0]) if found else None

    async def take(self, most: int, wait_s: float) -> list[Delivered]:
        """Messages that a writer lost, else new ones."""
        await self._make_group()
        if time.monotonic() - self._claimed_s >= CLAIM_EVERY_S:
            self._claimed_s = time.monotonic()
            idle_ms = round(1000 * ACK_WAIT_S)
            found = await self._ask("XAUTOCLAIM", STREAM, GROUP, self._me, idle_ms, "0-0", "COUNT", most)
            if found[1]:
                return [await self._again(entry) for entry in found[1] if entry[1]]
        wait_ms = max(1, round(1000 * wait_s))
        found = await self._ask(
            "XREADGROUP", "GROUP", GROUP, self._me, "COUNT", most, "BLOCK", wait_ms, "STREAMS", STREAM, ">"
        )
        return [_delivered(entry, 1) for entry in (found[0][1] if found else [])]

    async def _again(self, entry: Any) -> Delivered:
        found = await self._ask("XPENDING", STREAM, GROUP, entry[0], entry[0], 1)
        return _delivered(entry, int(found[0][3]) if found else 2)

    async def _make_group(self) -> None:
        if self._has_group:
            return
        try:
            await self._redis.execute_command("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM")
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise BusError(str(error)) from error
        except (RedisError, OSError) as error:
            raise BusError(str(error) or type(error).__name__) from error
        self._has_group = True

    async def done(self, delivered: Delivered) -> None:
        """It is stored: take it out of the stream."""
        await self._ask("EVAL", _DONE, 3, STREAM, NEWEST, BYTES, GROUP, delivered.handle)

    async def keep(self, delivered: Delivered) -> None:
        """Have it for another 15 s."""
        await self._ask("XCLAIM", STREAM, GROUP, self._me, 0, delivered.handle, "JUSTID")

    async def give_back(self, delivered: Delivered) -> None:
        """Another writer finds it when it looks for lost ones, within 5 s."""
        idle_ms = round(1000 * ACK_WAIT_S)
        await self._ask("XCLAIM", STREAM, GROUP, self._me, 0, delivered.handle, "IDLE", idle_ms, "JUSTID")

    async def lay_aside(self, delivered: Delivered, why: str) -> None:
        """Copy it to the stream of the dead, then forget it."""
        found = await self._ask("XRANGE", STREAM, delivered.handle, delivered.handle)
        subject = _fields(found[0])[b"s"] if found else f"{SUBJECTS}.again"
        await self._ask("XADD", DEAD, "*", "why", why[:500], "b", delivered.body, "s", subject)
        await self.done(delivered)

    async def put_back(self, most: int) -> int:
        """Copy up to `most` of the dead to the stream again, the oldest first; they are dead no more.

        Where the word that one is forgotten is lost, its copy comes again under the same name.
        """
        found = await self._ask("XRANGE", DEAD, "-", "+", "COUNT", most)
        for entry in found:
            subject, place = _fields(entry)[b"s"].decode(), entry[0].decode()
            await self.publish(Message(subject, f"again-{place}", _body(entry)))
            await self._ask("XDEL", DEAD, place)
        return len(found)

    async def state(self) -> BusState:
        """From the stream and its group, and what the server says about its file and its replicas."""
        try:
            await self._make_group()
            held = int(await self._ask("XLEN", STREAM))
            pending = await self._ask("XPENDING", STREAM, GROUP)
            dead = int(await self._ask("XLEN", DEAD))
            stored_bytes = int(await self._ask("GET", BYTES) or 0)
            told = _facts(await self._ask("INFO", "replication", "persistence"))
        except (BusError, RedisError, OSError) as error:
            return BusState(url=self.shown, is_connected=False, problem=str(error) or type(error).__name__)
        in_hand, is_synced = int(pending[0]), told.get("aof_enabled") == "1"
        replicas = 1 + int(told.get("connected_slaves", "0"))
        why = "" if is_synced else "it has no append-only file, so nothing is acknowledged: appendonly yes"
        return BusState(
            url=self.shown,
            is_connected=True,
            problem=why,
            waiting=max(0, held - in_hand),
            in_hand=in_hand,
            dead=dead,
            stored_bytes=stored_bytes,
            replicas=replicas,
            replicas_current=replicas,
            is_synced=is_synced,
        )

    async def stop(self) -> None:
        """Close connections."""
        await self._redis.aclose()

    async def _ask(self, *words: Any) -> Any:
        try:
            return await self._redis.execute_command(*words)
        except (RedisError, OSError) as error:
            if str(error).startswith("NOGROUP"):
                self._has_group = False
            raise BusError(str(error) or type(error).__name__) from error


def _delivered(entry: Any, deliveries: int) -> Delivered:
    place = entry[0]
    ms, _, sequence = place.decode().partition("-")
    number = (int(ms) << _SEQUENCE_BITS) + int(sequence)
    return Delivered(number, _body(entry), deliveries, place)


def _body(entry: Any) -> bytes:
    """Of an entry of the stream: its place, then names and values in turn."""
    return _fields(entry)[b"b"]


def _fields(entry: Any) -> dict[bytes, bytes]:
    names_and_values = entry[1]
    return dict(zip(names_and_values[::2], names_and_values[1::2], strict=True))


def _facts(text: bytes) -> dict[str, str]:
    """Lines `name:value` of INFO."""
    lines = text.decode("utf-8", "replace").splitlines()
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}

"""The two streams of JetStream: what waits for a writer, and what nothing could be made of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from collector.bus.parcels import SUBJECTS

log = logging.getLogger("gatewatch.bus")

STREAM = "GATEWATCH"
DEAD_STREAM = "GATEWATCH_DEAD"
DEAD_SUBJECT = "gatewatch.dead"
SUBJECT_HEADER = "Gatewatch-Subject"
"""Where a message of the dead was before."""
PUBLISH_LIMIT_S = 2.0
"""How long to wait for an acknowledgement. A stream without a leader takes up to 7 s to have one again."""
SAME_NAME_S = 600.0
"""A message that comes again under the same name within this time is not stored again by the stream."""
MOST_DEAD_BYTES = 268_435_456
RETRY_S = 0.5
FAILURES = (nats.errors.Error, OSError, ValueError)
"""What a call of the client may end in: a socket that breaks under it, and an answer that is no JSON, too."""
_REPLICAS = 3


async def make_streams(js: JetStreamContext, most_bytes: int, note: Callable[[str], None]) -> None:
    """Make the streams that are not there. One that is there keeps its settings.

    Args:
        js: Connected.
        most_bytes: How much the first may hold.
        note: Is told why they cannot be made yet.
    """
    while True:
        try:
            if not await _has(js, STREAM):
                await _add(js, STREAM, f"{SUBJECTS}.*", most_bytes, RetentionPolicy.WORK_QUEUE)
            if not await _has(js, DEAD_STREAM):
                await _add(js, DEAD_STREAM, DEAD_SUBJECT, MOST_DEAD_BYTES, RetentionPolicy.LIMITS)
        except (nats.errors.TimeoutError, nats.js.errors.ServiceUnavailableError) as error:
            # a cluster that has no leader yet
            note(f"the streams cannot be made yet: {error}")
            await asyncio.sleep(RETRY_S)
        except nats.js.errors.BadRequestError as error:
            if error.err_code == 10058:  # noqa: PLR2004 - another of us was faster, with other words
                return
            raise
        else:
            return


async def put_back(js: JetStreamContext, most: int) -> int:
    """Copy up to `most` of the dead to the stream again, the oldest first; returns how many.

    One is forgotten among the dead after its copy is safe. Where that word is lost it is copied again under
    the same name, and its batches are known by their places.
    """
    place = (await js.stream_info(DEAD_STREAM)).state.first_seq
    for done in range(most):
        try:
            dead = await js.get_msg(DEAD_STREAM, seq=place, subject=DEAD_SUBJECT, next=True)
        except nats.js.errors.NotFoundError:
            return done
        if dead.seq is None:
            raise ValueError("a message of the dead has no place")
        subject = (dead.headers or {}).get(SUBJECT_HEADER, f"{SUBJECTS}.again")
        name = {"Nats-Msg-Id": f"again-{dead.seq}"}
        await js.publish(subject, dead.data or b"", timeout=PUBLISH_LIMIT_S, stream=STREAM, headers=name)
        await js.delete_msg(DEAD_STREAM, dead.seq)
        place = dead.seq + 1
    return most


async def _has(js: JetStreamContext, stream: str) -> bool:
    try:
        await js.stream_info(stream)
    except nats.js.errors.NotFoundError:
        return False
    return True


async def _add(js: JetStreamContext, name: str, subject: str, most_bytes: int, keep: RetentionPolicy) -> None:
    config = StreamConfig(
        name=name,
        subjects=[subject],
        retention=keep,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW if keep is RetentionPolicy.WORK_QUEUE else DiscardPolicy.OLD,
        max_bytes=most_bytes,
        duplicate_window=SAME_NAME_S,
        num_replicas=_REPLICAS,
    )
    try:
        await js.add_stream(config)
    except nats.js.errors.APIError as error:
        if error.err_code not in {10074, 10005, 10052}:  # replicas > 1 need a cluster; too few nodes
            raise
        config.num_replicas = 1
        await js.add_stream(config)
        log.warning(
            "the bus has fewer than three nodes: the stream %s is on one disk, and lost with it", name
        )

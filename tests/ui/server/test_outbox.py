from __future__ import annotations

import asyncio

from ui.server.outbox import MAX_WAITING_TAILS, Outbox, Slot


async def test_a_newer_picture_replaces_one_that_waits() -> None:
    outbox = Outbox()

    outbox.put(Slot.FULL, b"1")
    outbox.put(Slot.FULL, b"2")

    assert await outbox.take() == [b"2"]
    assert outbox.dropped == 1


async def test_trouble_and_freshness_go_first_and_tails_keep_their_order() -> None:
    outbox = Outbox()
    for tail in (b"t1", b"t2"):
        outbox.put_tail(tail)
    outbox.put(Slot.TICKET, b"ticket")
    outbox.put(Slot.FULL, b"full")
    outbox.put(Slot.FRESH, b"fresh")
    outbox.put(Slot.TROUBLE, b"trouble")

    assert await outbox.take() == [b"trouble", b"fresh", b"t1", b"t2", b"full", b"ticket"]


async def test_it_never_grows_and_says_that_rows_were_lost() -> None:
    outbox = Outbox()

    for i in range(MAX_WAITING_TAILS * 3):
        outbox.put_tail(b"%d" % i)

    assert outbox.has_lost_tail
    assert outbox.dropped == MAX_WAITING_TAILS * 3
    assert await outbox.take() == []


async def test_taking_waits_for_something_to_send() -> None:
    outbox = Outbox()
    taking = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not taking.done()

    outbox.put(Slot.FRESH, b"x")

    assert await taking == [b"x"]

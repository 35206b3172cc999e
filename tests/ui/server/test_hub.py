from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from domain.errors import DeadlineExceeded, StoreError
from domain.windows import MINUTE_MS
from storage.rows import Freshness
from tests.ui.event_rows import event_row
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, live_freshness, source_state, totals
from ui.server.hub import FRESH_EVERY_MS, MAX_CHANNELS, RETRY_MS, Hub, StoreWatch, TooManyViews
from ui.server.outbox import Outbox
from ui.server.subscription import Subscription

SUB = Subscription(range_ms=15 * MINUTE_MS)


class Store:
    """A store in which a test commits, and a clock that it moves."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.version = 1
        self.last_seq = 10
        self.rows: tuple[Any, ...] = ()
        self.reader = ScriptedReader(
            data_version=lambda: self.version,
            freshness=self.freshness,
            totals=totals(limited=1, requests=None),
            tail=lambda _query, after, _limit: tuple(r for r in self.rows if r.seq > after),
        )

    def freshness(self) -> Freshness:
        """A live feed."""
        at_ms = self.now_ms - 100
        source = source_state(last_received_ms=at_ms, last_beat_ms=at_ms)
        return live_freshness(last_seq=self.last_seq, last_received_ms=at_ms, sources=(source,))

    def commit(self, *rows: Any) -> None:
        """Another connection wrote these rows."""
        self.version += 1
        self.last_seq += 1
        self.rows = (*rows, *self.rows)

    def asked(self, name: str) -> int:
        """How often a question was asked."""
        return sum(found == name for found, _ in self.reader.asked)


@pytest.fixture
async def store() -> Store:
    return Store()


@pytest.fixture
async def watch(store: Store) -> AsyncIterator[StoreWatch]:
    made = StoreWatch(lambda: store.reader, lambda: store.now_ms, 0.0, "127.0.0.1:8766")
    yield made
    made.close()


async def kinds(outbox: Outbox) -> list[str]:
    return [orjson.loads(raw)["t"] for raw in await asyncio.wait_for(outbox.take(), 1)]


async def test_a_newcomer_is_given_everything_at_once(watch: StoreWatch) -> None:
    viewer = Outbox()
    watch.join(SUB, viewer)

    await watch.step()

    assert await kinds(viewer) == ["fresh", "tail", "full"]


async def test_a_view_is_computed_once_for_all_who_watch_it(store: Store, watch: StoreWatch) -> None:
    viewers = [Outbox() for _ in range(50)]
    for viewer in viewers:
        watch.join(SUB, viewer)

    await watch.step()

    assert store.asked("series") == 1
    assert {raw for viewer in viewers for raw in await viewer.take()} == set(await taken(watch, store))


async def taken(watch: StoreWatch, store: Store) -> list[bytes]:
    """What one more viewer is given, at the same time."""
    late = Outbox()
    watch.join(SUB, late)
    store.version += 0
    await watch.step()
    return await late.take()


async def test_a_commit_is_pushed_as_rows_at_once_and_as_a_picture_within_a_second(
    store: Store, watch: StoreWatch
) -> None:
    viewer = Outbox()
    watch.join(SUB, viewer)
    await watch.step()
    await viewer.take()

    store.now_ms += 200
    store.commit(event_row(seq=11))
    await watch.step()
    soon = await kinds(viewer)
    store.now_ms += 900
    await watch.step()
    later = await kinds(viewer)

    assert soon == ["fresh", "tail"]
    assert later == ["full"]


async def test_nothing_new_is_not_read_again(store: Store, watch: StoreWatch) -> None:
    viewer = Outbox()
    watch.join(SUB, viewer)
    await watch.step()
    asked = len(store.reader.asked)

    store.now_ms += 100
    await watch.step()

    assert [name for name, _ in store.reader.asked[asked:]] == ["data_version"]


async def test_a_heartbeat_alone_is_told_but_redraws_nothing(store: Store, watch: StoreWatch) -> None:
    viewer = Outbox()
    watch.join(SUB, viewer)
    await watch.step()
    await viewer.take()

    store.now_ms += 1_500
    store.version += 1
    await watch.step()

    assert await kinds(viewer) == ["fresh"]


async def test_silence_is_told_too(store: Store, watch: StoreWatch) -> None:
    """A browser that hears nothing for seconds takes the connection for broken."""
    viewer = Outbox()
    watch.join(SUB, viewer)
    await watch.step()
    await viewer.take()

    store.now_ms += FRESH_EVERY_MS
    await watch.step()

    assert "fresh" in await kinds(viewer)


async def test_a_window_that_moves_on_is_redrawn_without_a_commit(store: Store, watch: StoreWatch) -> None:
    viewer = Outbox()
    watch.join(SUB, viewer)
    await watch.step()
    await viewer.take()

    store.now_ms += SUB.bucket_ms
    await watch.step()

    assert "full" in await kinds(viewer)


async def test_a_failing_read_is_told_and_a_good_one_after_it_is_news(
    store: Store, watch: StoreWatch
) -> None:
    viewer = Outbox()
    watch.join(SUB, viewer)
    store.reader.answers["freshness"] = StoreError("disk I/O error")
    await watch.step()
    trouble = await viewer.take()

    store.reader.answers["freshness"] = store.freshness
    await watch.step()

    assert orjson.loads(trouble[0]) == {"t": "trouble", "text": "the database cannot be read: disk I/O error"}
    assert await kinds(viewer) == ["fresh", "tail", "full"]


async def test_one_failing_view_does_not_spoil_another(store: Store, watch: StoreWatch) -> None:
    other = Subscription(range_ms=60 * MINUTE_MS)
    viewers = {SUB: Outbox(), other: Outbox()}
    for subscription, viewer in viewers.items():
        watch.join(subscription, viewer)

    def series(window: Any, *rest: Any) -> Any:
        if window.length_ms == 15 * MINUTE_MS:
            raise StoreError("no")
        return ScriptedReader().series(window, *rest)

    store.reader.answers["series"] = series
    await watch.step()

    assert "trouble" in await kinds(viewers[SUB])
    assert "full" in await kinds(viewers[other])


async def test_a_view_that_cannot_be_read_rests_while_freshness_goes_on(
    store: Store, watch: StoreWatch
) -> None:
    """One that runs into its deadline each time must not hold up the others five times a second."""
    viewer = Outbox()
    watch.join(SUB, viewer)
    store.reader.answers["series"] = DeadlineExceeded(2_000)
    await watch.step()
    await viewer.take()

    for _ in range(10):
        store.now_ms += 400
        store.commit()
        await watch.step()
    resting = store.asked("series")
    told = await kinds(viewer)
    store.now_ms += RETRY_MS
    store.reader.answers["series"] = ScriptedReader().answers["series"]
    await watch.step()

    assert resting == 1
    assert told == ["fresh"]
    assert "full" in await kinds(viewer)


async def test_an_error_of_our_own_is_told_without_its_text(store: Store, watch: StoreWatch) -> None:
    viewer = Outbox()
    watch.join(SUB, viewer)
    store.reader.answers["freshness"] = ZeroDivisionError("secret detail")

    await watch.step()

    (raw,) = await viewer.take()
    assert b"secret" not in raw
    assert b"its log says why" in raw


async def test_the_last_to_leave_takes_the_view_along(store: Store, watch: StoreWatch) -> None:
    viewer = Outbox()
    watch.join(SUB, viewer)
    watch.leave(SUB, viewer)

    await watch.step()

    assert store.asked("series") == 0


async def test_a_store_that_nobody_watches_is_not_even_opened() -> None:
    opened: list[int] = []
    made = StoreWatch(lambda: opened.append(1) or ScriptedReader(), lambda: NOW_MS, 0.0, "")  # type: ignore[func-returns-value] - counts
    task = asyncio.create_task(made.run())

    await asyncio.sleep(0.01)
    task.cancel()

    assert opened == []


async def test_too_many_different_views_are_refused(watch: StoreWatch) -> None:
    for i in range(MAX_CHANNELS):
        watch.join(Subscription(range_ms=MINUTE_MS * (i + 1)), Outbox())
    watch.join(Subscription(range_ms=MINUTE_MS), Outbox())

    with pytest.raises(TooManyViews):
        watch.join(Subscription(range_ms=1), Outbox())


async def test_a_hub_keeps_the_sample_apart(store: Store) -> None:
    sample = ScriptedReader(freshness=live_freshness(), totals=totals(limited=5))
    watches = {
        False: StoreWatch(lambda: store.reader, lambda: store.now_ms, 0.001, ""),
        True: StoreWatch(lambda: sample, lambda: NOW_MS, 0.001, ""),
    }
    hub = Hub(watches)
    hub.start()
    viewer, subscription = Outbox(), Subscription(range_ms=15 * MINUTE_MS, sample=True)
    hub.join(subscription, viewer)

    await asyncio.wait_for(viewer.take(), 2)
    hub.leave(subscription, viewer)
    await hub.stop()

    assert sample.asked
    assert store.reader.asked == []

"""A database with flipped bytes wherever they may be: events are taken in again, and nothing is deleted."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from collector.steady_store import SteadyStore
from domain.errors import StoreForeign
from domain.events import Decoded
from storage.batches import Batch
from storage.sqlite_store import SqliteStore
from tests.e2e.load import measured
from tests.storage.filling import NOW_MS, SETTINGS, opened, put, refusal, request

pytestmark = pytest.mark.slow

FILES = 200
PAGE = 4_096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A sound file of a few hundred pages."""
    path = tmp_path_factory.mktemp("whole") / "g.db"
    with opened(path) as store:
        for start in range(0, 3_000, 500):
            many = range(start, start + 500)
            put(store, *(refusal(n, ip=f"10.0.{n % 7}.{n % 250}", consumer_id=f"c-{n % 90}") for n in many))
            put(store, *(request(n, ip=f"10.1.{n % 7}.{n % 250}") for n in many))
        store.checkpoint()
    return path.read_bytes()


def damaged(whole: bytes, number: int) -> tuple[bytes, str]:
    """The file with something wrong, of a kind that goes by the number; the same for the same number."""
    chance, raw = random.Random(number), bytearray(whole)  # noqa: S311 - no secret
    kind = ("a byte", "a page", "the header", "the end")[number % 4]
    if kind == "a byte":
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    elif kind == "a page":
        start = chance.randrange(len(raw) // PAGE) * PAGE
        raw[start : start + PAGE] = chance.randbytes(PAGE)
    elif kind == "the header":
        raw[chance.randrange(100)] = chance.randrange(256)
    else:
        del raw[chance.randrange(len(raw)) :]
    return bytes(raw), kind


def steady(path: Path) -> SteadyStore:
    return SteadyStore(lambda: SqliteStore(path, SETTINGS), path, lambda: NOW_MS, lambda _s: True)


def opens(store: SteadyStore) -> bool:
    """Whether it can be used, a new file in its place included; False where it looks like somebody else's."""
    try:
        store.open()
    except StoreForeign:
        return False
    return True


@pytest.mark.timeout(900)
def test_whatever_is_damaged_events_are_taken_in_and_the_file_is_kept(tmp_path: Path, whole: bytes) -> None:
    """A damaged file is found out at the start, or when it is written to; or it does not matter there."""
    moved, longest_s = 0, 0.0
    for number in range(FILES):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "g.db"
        raw, kind = damaged(whole, number)
        path.write_bytes(raw)
        since_s = time.monotonic()
        store = steady(path)
        if not opens(store):
            assert path.read_bytes() == raw, f"{number}, {kind}: refused, and not left alone"
            continue
        batch = Batch(
            source="s", way="events", received_ms=NOW_MS,
            decoded=Decoded(events=[refusal(10_000 + number)], entries=1),
        )  # fmt: skip
        written = store.write([batch], ())
        longest_s = max(longest_s, time.monotonic() - since_s)
        assert written is not None, f"{number}, {kind}"
        assert written[0].events + written[0].quarantined == 1, f"{number}, {kind}"
        kept = list(folder.glob("g.db.corrupt-*"))
        moved += bool(kept)
        assert store.notice or not kept
        assert store.health.state == "ok"
        store.opened().close()
    measured(f"{FILES} damaged files: {moved} moved aside, taken in again after {longest_s:.1f} s at most")

    assert moved > FILES / 8
    assert longest_s < 5.0

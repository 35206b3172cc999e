from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.scripted_reader import NOW_MS, ScriptedReader
from ui import store


class Closing(ScriptedReader):
    """Remembers that it was closed."""

    closed = False

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def test_pages_share_one_reader_per_database() -> None:
    opened: list[bool] = []

    def opener(sample: bool) -> ScriptedReader:  # noqa: FBT001 - the opener's contract
        opened.append(sample)
        return ScriptedReader()

    with store.using(opener, lambda: NOW_MS):
        assert store.reader() is store.reader()
        assert store.reader(sample=True) is not store.reader()

    assert opened == [False, True]


def test_after_the_block_everything_is_as_before_and_closed() -> None:
    before, readers = store.now_ms(), [Closing()]

    with store.using(lambda _sample: readers[0], lambda: NOW_MS):
        store.reader()
        assert store.now_ms() == NOW_MS

    assert store.now_ms() >= before
    assert readers[0].closed


def test_a_database_that_does_not_exist_yet_answers_like_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWATCH_DATABASE", str(tmp_path / "none.db"))
    store.settings.cache_clear()
    try:
        reader = store.open_reader(False)

        assert reader.freshness().sources == ()
        reader.close()
    finally:
        store.settings.cache_clear()
    assert not (tmp_path / "none.db").exists()

"""A store that outlives trouble: waits while busy, replaces a damaged file, lets no batch block others."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from collector.backoff import doubling
from collector.wire.payloads import quarantined
from domain.errors import StoreBusy, StoreCorrupt, StoreError, StoreForeign
from domain.events import Decoded
from storage.batches import Batch, CollectorStatus, SourceBeat, Written
from storage.keeping import move
from storage.protocol import Store

T = TypeVar("T")

log = logging.getLogger("gatewatch.writer")


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """Whether the store can take anything now."""

    state: str
    """`ok` or `degraded`."""
    detail: str = ""
    """One sentence when not ok."""


class SteadyStore:
    """Used by the writer's thread alone; `health` and `notice` may be read from anywhere.

    Args:
        open_store: Opens the store; called again after a damaged file was moved away.
        database: Path of the file, for moving it away.
        now_ms: The wall clock.
        pause: Waits so many seconds; False when there is no more time because of a stop.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        database: Path,
        now_ms: Callable[[], int],
        pause: Callable[[float], bool],
    ) -> None:
        self.health = Health("ok")
        self.notice = ""
        """A sentence about something that a person should know, such as a file moved away; else empty."""
        self.on_failure: Callable[[str], None] = lambda _: None
        self.on_replaced: Callable[[], None] = lambda: None
        self._open_store = open_store
        self._database = database
        self._now_ms = now_ms
        self._pause = pause
        self._store: Store | None = None
        self._is_replacing = False

    def open(self) -> None:
        """Open the store for the first time.

        Raises:
            StoreError: It cannot be opened: a stop came first, or the file is not this program's to write.
        """
        for wait_s in doubling():
            try:
                self._store = self._open_store()
            except StoreForeign:
                raise
            except StoreBusy as error:
                self.degrade(f"the database cannot be opened yet: {error}")
                if not self._pause(wait_s):
                    raise
            except StoreCorrupt as error:
                self._move_away(error)
            else:
                self.recover()
                return

    def opened(self) -> Store:
        """The store, opened again after it was given up.

        Raises:
            StoreError: It cannot be opened now.
        """
        if self._store is None:
            self._store = self._open_store()
            if self._is_replacing:
                self._is_replacing = False
                self.on_replaced()
        return self._store

    def cursor(self, source: str, epoch: str) -> int | None:
        """The durable cursor; None when a stop came before it could be read."""
        return self._guarded(lambda: self.opened().cursor(source, epoch))

    def write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat]) -> list[Written] | None:
        """Store batches, each for sure; None when a stop came before they could be stored."""
        return self._guarded(lambda: self._write(batches, beats))

    def finish(self, at_ms: int, status: CollectorStatus) -> None:
        """Say a last word and close."""
        if self._store is None:
            return
        with contextlib.suppress(StoreError):
            self._store.beat(at_ms, status)
            self._store.checkpoint()
        with contextlib.suppress(StoreError):
            self._store.close()

    def degrade(self, detail: str) -> None:
        """Note that nothing can be stored, and why."""
        if self.health.state == "ok":
            log.error("cannot store, nothing is acknowledged until it works again: %s", detail)
            self.on_failure("busy")
        self.health = Health("degraded", detail)

    def recover(self) -> None:
        """Note that it works."""
        if self.health.state != "ok":
            log.warning("can store again")
            self.health = Health("ok")

    def replace(self, error: StoreCorrupt) -> None:
        """Move a damaged file away; a new one is begun with the next use."""
        damaged, self._store = self._store, None
        if damaged is not None:
            with contextlib.suppress(StoreError):
                damaged.close()
        self.degrade(f"the database is damaged: {error}")
        try:
            self._move_away(error)
        except OSError as failure:
            self.degrade(f"the database is damaged and cannot be moved away: {failure}")
        else:
            self._is_replacing = True

    def _guarded(self, act: Callable[[], T]) -> T | None:
        """Do something with the store, again while it is busy; None when stopped before it could."""
        for wait_s in doubling():
            try:
                found = act()
            except StoreBusy as error:
                self.degrade(str(error))
            except StoreCorrupt as error:
                self.replace(error)
            except Exception as error:
                # what nobody foresaw must not lose a batch: later ones would move the cursor past it
                log.exception("the store failed; trying again")
                self.degrade(f"the store failed: {type(error).__name__}")
            else:
                self.recover()
                return found
            if not self._pause(wait_s):
                return None
        raise AssertionError  # doubling() has no end

    def _write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat]) -> list[Written]:
        try:
            return self.opened().write(batches, beats)
        except StoreError:
            raise
        except Exception:
            log.exception("a transaction failed; trying its %d batches one by one", len(batches))
            self.on_failure("unexpected")
        return [self._write_alone(batch) for batch in batches]

    def _write_alone(self, batch: Batch) -> Written:
        """One bad batch must not stop the others for ever: what cannot be stored is quarantined."""
        try:
            return self.opened().write([batch])[0]
        except StoreError:
            raise
        except Exception as error:
            log.exception("a batch of %s cannot be stored", batch.source.encode("unicode_escape").decode())
            why = f"could not be stored: {type(error).__name__}"
        raw = b"\n".join(event.payload or event.id.encode() for event in batch.decoded.events)
        kept = Decoded(entries=batch.decoded.entries, quarantined=[quarantined(why, raw)])
        stand_in = Batch(
            source=batch.source,
            way=batch.way,
            received_ms=batch.received_ms,
            decoded=kept,
            epoch=batch.epoch,
            first=batch.first,
            upto=batch.upto,
        )
        return self.opened().write([stand_in])[0]

    def _move_away(self, error: StoreCorrupt) -> None:
        kept = move_aside(self._database, self._now_ms())
        self.notice = f"the database was damaged ({error}); it was kept as {kept}, and a new one begun"
        log.critical("%s", self.notice)
        self.on_failure("corrupt")


def move_aside(database: Path, now_ms: int) -> Path:
    """Rename a database with its log and index to `<name>.corrupt-<time>`; returns the new path.

    Raises:
        OSError: It cannot be renamed.
    """
    target = stamped(database, "corrupt", now_ms)
    move(database, target)
    return target


def stamped(database: Path, word: str, now_ms: int) -> Path:
    """A name beside a database that says what became of it, and when: `<name>.<word>-20270115T080000000Z`."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now_ms / 1000)) + f"{now_ms % 1000:03d}Z"
    return database.with_name(f"{database.name}.{word}-{stamp}")

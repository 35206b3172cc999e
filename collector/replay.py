"""`python -m collector replay`: recorded files into a database, or to a running collector.

Into a database: source `replay:<hash of the content>`, epoch `file`, and a line's number is its sequence
number, so the cursor that the store keeps makes a run resumable and a second one empty. Several files are
played together, in order of time: what one tells of a node may be the answer to what another asks.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from collector.backoff import doubling
from collector.batching import add, weight
from collector.claim import DatabaseClaim
from collector.logs import log_to_stderr
from collector.options import replay_parser
from collector.playing import Line, Player, Totals, now_ms, shown_progress, tell_end, teller
from collector.recording import Recording
from collector.replay_stream import send
from collector.wire.payloads import quarantined
from collector.wire.recorded import decode_recorded
from domain.errors import StoreBusy, StoreCorrupt, refusal_of
from domain.events import Decoded
from settings import Settings, SettingValueError, load_settings
from storage.batches import Batch
from storage.location import located
from storage.opening import open_store
from storage.protocol import Store

log = logging.getLogger("gatewatch.replay")

EPOCH = "file"
BATCH_ITEMS = 2_000
FLUSH_EVERY_S = 0.25
INTERRUPTED = 130


class Replay:
    """One run into a store."""

    def __init__(self, store: Store, player: Player, stop: threading.Event) -> None:
        self.totals = Totals()
        self._store = store
        self._player = player
        self._stop = stop
        self._batches: dict[str, Batch] = {}
        """Of each source, what waits to be stored; all of it goes into one transaction."""
        self._started_s = time.monotonic()
        self._flushed_s = self._started_s

    def play(self, recordings: Sequence[tuple[Recording, Callable[[int], None]]]) -> None:
        """Store every line that is not stored yet, until the end or until told to stop.

        Args:
            recordings: Each with what wants to know how far it has been read, in bytes.
        """
        feeds = [self._lines(recording, tell) for recording, tell in recordings]
        for source, line, progress in heapq.merge(*feeds, key=lambda item: item[1].received_ms):
            if not self._wait(line) or self._stop.is_set():
                break
            self._add(source, line)
            progress()
        self._flush()
        for recording, _ in recordings:
            if recording.is_cut_short:
                log.warning("%s ends in the middle of its compressed data", recording.path)

    def _lines(
        self, recording: Recording, tell: Callable[[int], None]
    ) -> Iterator[tuple[str, Line, Callable[[], None]]]:
        source = recording.source + self._player.run
        for line in self._player.lines(recording, self._store.cursor(source, EPOCH)):
            yield source, line, lambda: tell(recording.bytes_read)

    def _wait(self, line: Line) -> bool:
        """Wait until a line is due; False when told to stop before."""
        while (left_s := self._started_s + line.at_s - time.monotonic()) > 0:
            if left_s > FLUSH_EVERY_S or self._is_flush_due():
                self._flush()
            if self._stop.wait(min(left_s, FLUSH_EVERY_S)):
                return False
        return True

    def _add(self, source: str, line: Line) -> None:
        try:
            decoded = decode_recorded(line.raw, received_ms=line.received_ms, place=line.place, run=line.run)
        except Exception as error:  # noqa: BLE001 - see refusal_of
            why = str(refusal_of(error, "recorded line"))
            decoded = Decoded(entries=1, quarantined=[quarantined(why, line.raw)])
        if decoded.plugins_complete:
            self._flush()
        batch = self._batches.get(source)
        if batch is None:
            batch = self._batches[source] = Batch(
                source=source,
                way="replay",
                received_ms=line.received_ms,
                decoded=Decoded(),
                epoch=EPOCH,
                first=line.number,
                upto=line.number,
            )
        add(batch.decoded, decoded)
        batch.upto = line.number
        batch.received_ms = max(batch.received_ms, line.received_ms)
        if decoded.plugins_complete:
            batch.decoded.plugins_complete = True
            self._flush()
        elif weight(batch) >= BATCH_ITEMS or (self._player.pace and self._is_flush_due()):
            self._flush()

    def _is_flush_due(self) -> bool:
        return time.monotonic() - self._flushed_s >= FLUSH_EVERY_S

    def _flush(self) -> None:
        self._flushed_s = time.monotonic()
        batches = list(self._batches.values())
        self._batches.clear()
        if not batches:
            return
        waits = doubling()
        while True:
            try:
                found = self._store.write(batches)
                break
            except StoreBusy as error:
                log.warning("cannot store, trying again: %s", error)
                if self._stop.wait(next(waits)):
                    return
        totals = self.totals
        for batch, written in zip(batches, found, strict=True):
            totals.entries += batch.decoded.entries
            totals.events += written.events
            totals.violations += written.violations
            totals.duplicates += written.duplicates
            totals.quarantined += written.quarantined


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
        SettingValueError: An option or a file cannot be used.
    """
    options = replay_parser().parse_args(arguments)
    settings = load_settings({"database": options.database, "token_file": options.token_file})
    log_to_stderr()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as held:
        recordings = [Recording(Path(name)) for name in options.files]
        for recording in recordings:
            held.callback(recording.close)
        start_ms = now_ms() if options.shift_to_now else None
        player = Player(options.pace, start_ms, now_ms)
        if options.to:
            totals = send(options.to, settings, recordings, player, stop)
        else:
            if isinstance(located(settings.database), Path):
                held.enter_context(DatabaseClaim(settings.database))
            totals = store(settings, recordings, player, stop)
    print(totals, flush=True)  # noqa: T201 - its output
    return INTERRUPTED if stop.is_set() else 0


def store(settings: Settings, recordings: list[Recording], player: Player, stop: threading.Event) -> Totals:
    """Play into the database itself.

    Raises:
        SettingValueError: The database is damaged, or not ours.
    """
    try:
        with contextlib.closing(open_store(settings.database, settings)) as found:
            replay = Replay(found, player, stop)
            with shown_progress() as progress:
                tasks = [progress.add_task(r.path.name, total=r.bytes) for r in recordings]
                tellers = [teller(progress, task) for task in tasks]
                replay.play(list(zip(recordings, tellers, strict=True)))
                for task, recording in zip(tasks, recordings, strict=True):
                    tell_end(progress, task, recording, is_done=not stop.is_set())
            found.settle()
            found.checkpoint()
    except StoreCorrupt as error:
        raise SettingValueError(f"database {located(settings.database)} cannot be used: {error}") from error
    return replay.totals

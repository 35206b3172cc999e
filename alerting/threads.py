"""Evaluation, delivery and backtests beside the collector, each in a thread of its own.

They wait for locks and for other people's servers; the streams of the collector must not wait with them.
A turn that fails is told in the log and tried again: alerts are the last thing that may stop.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable

from alerting.backtest import backtest
from alerting.live import Live
from alerting.receivers import Routes, read_routes
from alerting.sending import Sender
from alerting.subscribing import Subscriptions
from alerting.surroundings import change_of
from domain.errors import DeadlineExceeded, StoreError
from domain.rules import RuleError, parse_rule
from settings import Settings
from storage.alert_book import AlertBook
from storage.alert_reads import AlertReads
from storage.outbox_book import OutboxBook

log = logging.getLogger("gatewatch.alerting")

EVALUATE_EVERY_S = 1.0
DELIVER_EVERY_S = 0.5
BACKTEST_EVERY_S = 1.0
AFTER_FAILURE_S = 5.0
FINISH_S = 2.0
READ_MS = 5_000
BACKTEST_READ_MS = 60_000
LATE_MS = 60_000
"""A dead man's switch hears nothing from us when evaluation is this far behind."""
MOST_DAYS = 90


class AlertThreads:
    """All of alerting.

    Args:
        settings: Which database, who is told.
        now_ms: The wall clock.
        may_act: Whether alerting is still this process's: asked before every turn and every message.

    Raises:
        SettingValueError: The file of receivers cannot be used.
    """

    def __init__(
        self, settings: Settings, now_ms: Callable[[], int], may_act: Callable[[], bool] = lambda: True
    ) -> None:
        self._may_act = may_act
        self._settings = settings
        self._now_ms = now_ms
        self._routes: Routes = read_routes(settings.notify_file)
        self._stop = threading.Event()
        self._evaluated_at_ms = 0
        self._threads = [
            threading.Thread(target=self._keep, args=(name, run), name=name, daemon=True)
            for name, run in (
                ("alerts", self._evaluate),
                ("delivery", self._deliver),
                ("backtests", self._backtests),
            )
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        """End after the turns that run; what is under way in the outbox is sent after the next start."""
        self._stop.set()
        until_s = time.monotonic() + FINISH_S
        for thread in self._threads:
            if thread.is_alive():
                await asyncio.to_thread(thread.join, max(0.0, until_s - time.monotonic()))

    def _keep(self, name: str, run: Callable[[], None]) -> None:
        """Run until told to stop; begin anew after a failure."""
        while not self._stop.is_set():
            try:
                run()
            except (StoreError, DeadlineExceeded) as error:
                log.warning("%s: %s; trying again", name, error)
            except Exception:
                # a mistake of ours in one pass must not end the judging of alerts
                log.exception("%s failed; beginning anew", name)
            self._stop.wait(AFTER_FAILURE_S)

    def _goes_on(self) -> bool:
        return not self._stop.is_set() and self._may_act()

    def _evaluate(self) -> None:
        reads = AlertReads(self._settings.database, READ_MS)
        book = AlertBook(self._settings.database)
        try:
            live = Live(reads, book, self._routes, self._settings.dashboard_url, self._now_ms, message_id)
            while self._goes_on():
                started_s = time.monotonic()
                live.turn()
                self._evaluated_at_ms = self._now_ms()
                self._stop.wait(max(0.05, EVALUATE_EVERY_S - (time.monotonic() - started_s)))
        finally:
            book.close()
            reads.close()

    def _deliver(self) -> None:
        reads = AlertReads(self._settings.database, READ_MS)
        book = OutboxBook(self._settings.database)
        try:
            sender = Sender(book, self._routes, self._now_ms, _chance, message_id, may_act=self._goes_on)
            subscriptions = Subscriptions(reads, book, self._routes, change_of, self._now_ms)
            while self._goes_on():
                subscriptions.turn()
                sent = sender.turn()
                sender.beat(is_well=self._now_ms() - self._evaluated_at_ms < LATE_MS)
                if not sent:
                    self._stop.wait(DELIVER_EVERY_S)
        finally:
            book.close()
            reads.close()

    def _backtests(self) -> None:
        reads = AlertReads(self._settings.database, BACKTEST_READ_MS)
        book = OutboxBook(self._settings.database)
        try:
            while not self._stop.wait(BACKTEST_EVERY_S) and self._may_act():
                for request in book.open_requests("backtest"):
                    try:
                        rule = parse_rule(request.body.get("rule"))
                        days = max(1, min(MOST_DAYS, int(request.body.get("days", 7))))
                        answer = backtest(reads, rule, days, self._now_ms())
                    except (RuleError, ValueError, TypeError) as error:
                        answer = {"failure": str(error)}
                    book.answer(request.request_id, answer, self._now_ms())
        finally:
            book.close()
            reads.close()


def message_id() -> str:
    """A new one, that nobody can guess."""
    return f"msg_{secrets.token_hex(12)}"


def _chance() -> float:
    return secrets.randbelow(1_000_000) / 1_000_000

"""Turns at writing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from storage.connection import open_writer, transaction
from storage.turns import Turns


def test_a_turn_is_taken_once_and_given_back() -> None:
    turns = Turns()

    assert turns.take(0.01)
    assert not turns.take(0.01)
    turns.give_back()
    assert turns.take(0.01)


def test_turns_go_in_the_order_of_asking() -> None:
    turns, order = Turns(), []
    turns.take()

    def wait(number: int) -> None:
        turns.take()
        order.append(number)
        turns.give_back()

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(turns._waiting) <= number:
            time.sleep(0.001)
    turns.give_back()
    for thread in threads:
        thread.join(5)

    assert order == [0, 1, 2, 3, 4]


def test_a_writer_that_never_pauses_lets_others_in(tmp_path: Path) -> None:
    path, stop, others = tmp_path / "g.db", threading.Event(), 0
    busy, other = open_writer(path), open_writer(path)
    other.execute("CREATE TABLE t (n)")

    def never_pause() -> None:
        while not stop.is_set():
            with transaction(busy):
                busy.execute("INSERT INTO t VALUES (1)")
                time.sleep(0.02)

    thread = threading.Thread(target=never_pause)
    thread.start()
    try:
        for _ in range(10):
            with transaction(other):
                other.execute("INSERT INTO t VALUES (2)")
            others += 1
    finally:
        stop.set()
        thread.join(5)
        busy.close()
        other.close()

    assert others == 10

"""How many may connect, and how often one may fill the log."""

from __future__ import annotations

import pytest

from collector.admission import (
    GUESS_DELAY_S,
    GUESSES_FREE,
    REMEMBERED_PEERS,
    ConnectionCaps,
    Guesses,
    OncePerMinute,
    most_connections,
)


class ManualClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_one_address_cannot_take_all_places() -> None:
    caps = ConnectionCaps(total=3, per_address=2)
    caps.take("a")
    caps.take("a")

    assert (caps.refusal("a"), caps.refusal("b")) == ("address-limit", None)
    caps.take("b")
    assert caps.refusal("c") == "total-limit"
    caps.give_back("a")
    assert caps.refusal("a") is None


def test_addresses_that_left_are_forgotten() -> None:
    caps = ConnectionCaps(total=10)
    for number in range(1000):
        caps.take(str(number))
        caps.give_back(str(number))

    assert (caps.open, len(caps._by_address)) == (0, 0)


@pytest.mark.parametrize(("files", "most"), [(256, 16), (1024, 768), (1_000_000, 10_240)])
def test_some_file_handles_are_kept_back(files: int, most: int) -> None:
    assert most_connections(files) == most


def test_a_peer_gets_one_line_a_minute_and_is_counted_meanwhile() -> None:
    clock = ManualClock()
    quiet = OncePerMinute(clock)

    first = [quiet.passes("a") for _ in range(4)]
    clock.now_s += 60
    later = [quiet.passes("a"), quiet.passes("b")]

    assert first == [0, None, None, None]
    assert later == [3, 0]


def test_many_peers_take_no_more_than_a_bounded_memory() -> None:
    quiet = OncePerMinute(ManualClock())

    for number in range(5000):
        quiet.passes(str(number))

    assert len(quiet._seen) == 1024


def test_who_is_wrong_again_and_again_waits_and_nobody_else_does() -> None:
    clock = ManualClock()
    guesses = Guesses(clock)
    first = [guesses.delay_s("a") for _ in range(GUESSES_FREE)]

    assert set(first) == {0.0}
    assert (guesses.delay_s("a"), guesses.delay_s("b")) == (GUESS_DELAY_S, 0.0)
    clock.now_s += 10
    assert guesses.delay_s("a") == 0.0


def test_peers_that_guessed_are_forgotten_in_the_end() -> None:
    guesses = Guesses(ManualClock())
    for number in range(2 * REMEMBERED_PEERS):
        guesses.delay_s(str(number))

    assert len(guesses._seen) == REMEMBERED_PEERS

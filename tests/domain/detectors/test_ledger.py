"""The memory of detectors: what it remembers, and that it stays small."""

from __future__ import annotations

from domain.detectors.ledger import Ledger, Row
from domain.detectors.tracks import MOST_KNOWN, MOST_PEERS, REFUSED, UNAUTHORIZED, Outcome
from tests.domain.detectors.stage import START_MS

SLOT = START_MS // 10_000


def row(address: str, n: int = 1, consumer: int = 0, outcome: Outcome = Outcome.PASSED) -> Row:
    return (consumer, address, 5, 6, 0, int(outcome), n)


def test_counts_of_a_slot_add_up_by_outcome() -> None:
    ledger = Ledger()
    ledger.add(SLOT, [row("192.0.2.1", 3, 9), row("192.0.2.1", 2, 9, Outcome.REFUSED)])

    track = ledger.consumers[9]

    assert (track.total(SLOT, SLOT), track.total(SLOT, SLOT, REFUSED)) == (5, 2)


def test_a_refusal_counted_elsewhere_is_no_second_request() -> None:
    ledger = Ledger()
    ledger.add(SLOT, [row("192.0.2.1", 3, 9), row("192.0.2.1", 2, 9, Outcome.REFUSED_ASIDE)])

    track = ledger.consumers[9]

    assert (track.total(SLOT, SLOT), track.total(SLOT, SLOT, REFUSED)) == (3, 2)


def test_a_correction_takes_back_what_was_counted() -> None:
    ledger = Ledger()
    ledger.add(SLOT, [row("192.0.2.1", 3, 9, Outcome.REFUSED)])
    ledger.add(SLOT, [row("192.0.2.1", -3, 9, Outcome.REFUSED), row("192.0.2.1", 3, 9)])

    assert ledger.consumers[9].total(SLOT, SLOT, REFUSED) == 0


def test_an_address_has_a_track_once_it_sent_more_than_a_handful() -> None:
    ledger = Ledger()
    ledger.add(SLOT, [row("192.0.2.1", 11)])
    before = dict(ledger.addresses)
    ledger.add(SLOT + 1, [row("192.0.2.1", 1, outcome=Outcome.UNAUTHORIZED)])

    assert before == {}
    assert ledger.addresses["192.0.2.1"].total(SLOT, SLOT + 1, UNAUTHORIZED) == 1


def test_a_handful_spread_over_minutes_makes_no_track() -> None:
    ledger = Ledger()
    for minute in range(20):
        ledger.add(SLOT + 6 * minute, [row("192.0.2.1", 2)])

    assert ledger.addresses == {}


def test_what_is_older_than_a_quarter_of_an_hour_is_forgotten() -> None:
    ledger = Ledger()
    ledger.add(SLOT, [row("192.0.2.1", 50, 9)])
    ledger.add(SLOT + 6 * 17, [row("192.0.2.2", 50, 9)])

    assert min(ledger.consumers[9].slots) == SLOT + 6 * 17
    assert "192.0.2.1" not in ledger.addresses


def test_peers_beyond_the_most_are_said_to_be_left_out() -> None:
    ledger = Ledger()
    ledger.add(SLOT, [row(f"198.{n // 250}.{n % 250}.1", 1, 9) for n in range(MOST_PEERS + 5)])
    minute = ledger.minute_of(SLOT)

    track = ledger.consumers[9]

    assert len(track.peers(minute, minute)) == MOST_PEERS
    assert track.is_partial(minute, minute)


def test_first_sights_are_remembered_only_so_many_times() -> None:
    ledger = Ledger()
    for part in range(6):
        rows = [row(f"{part}.{n // 250}.{n % 250}.1", 1, 9) for n in range(1000)]
        ledger.add(SLOT + 6 * part, rows)

    track = ledger.consumers[9]

    assert (len(track.known), track.is_crowded) == (MOST_KNOWN, True)


def test_addresses_that_come_once_cost_a_number_each_and_only_for_two_minutes() -> None:
    """A hundred thousand of them a minute are measured by bench/alerts.py."""
    ledger = Ledger()
    for minute in range(6):
        rows = [row(f"{minute}.{n >> 8}.{n & 255}.7") for n in range(2_000)]
        ledger.add(SLOT + 6 * minute, rows)

    assert (ledger.addresses, ledger.sites) == ({}, {})
    assert sum(map(len, ledger._counts)) == 2 * 2 * 2_000


def test_more_addresses_than_can_be_counted_are_counted_as_such() -> None:
    ledger = Ledger(most_counted=100)
    ledger.add(SLOT, [row(f"192.0.{n}.1") for n in range(200)])

    assert sum(map(len, ledger._counts)) == 100
    assert ledger.uncounted == 300


def test_the_quietest_tracks_go_when_there_are_too_many() -> None:
    ledger = Ledger(most_tracks=16)
    for consumer in range(1, 40):
        ledger.add(SLOT + consumer, [row("192.0.2.1", 1, consumer)])

    assert len(ledger.consumers) <= 16
    assert 39 in ledger.consumers


def test_who_took_part_in_the_oldest_minutes_is_forgotten_where_there_are_too_many() -> None:
    """Counts stay, and so do the last three minutes."""
    ledger = Ledger(most_peers=100)
    for minute in range(8):
        rows = [row(f"10.{minute}.{n}.1", consumer=1) for n in range(50)]
        ledger.add(SLOT + 6 * minute, rows)

    track = ledger.consumers[1]
    newest = ledger.minute_of(SLOT + 6 * 7)
    assert sorted(track.chapters) == list(range(newest - 3, newest + 1))
    assert ledger.reaches_ms == 3 * 60_000
    assert track.total(SLOT, SLOT + 6 * 8) == 8 * ledger_count(ledger)


def ledger_count(ledger: Ledger) -> int:
    """Requests that one minute brought."""
    return ledger.everything.total(SLOT, SLOT)


def test_addresses_remembered_in_all_are_bounded_and_given_back() -> None:
    ledger = Ledger(most_tracks=16)
    before = ledger._room.left
    for consumer in range(1, 17):
        ledger.add(SLOT, [row(f"10.0.{n}.1", consumer=consumer) for n in range(10)])
    held = before - ledger._room.left
    ledger.add(SLOT + 1, [row("10.0.0.1", consumer=99)])

    assert held >= 160
    assert before - ledger._room.left < held


def test_the_rest_of_a_network_is_counted_for_the_network_and_is_no_client() -> None:
    ledger = Ledger()
    ledger.add(SLOT, [row("192.0.2.0/24", 50, 9), row("192.0.2.1", 20, 9)])

    assert list(ledger.addresses) == ["192.0.2.1"]
    assert ledger.sites["192.0.2.0/24"].total(SLOT, SLOT) == 70
    assert set(ledger.consumers[9].known) == {"192.0.2.0/24", "192.0.2.1"}

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.server.tickets import TicketRefused, Tickets

KEY = b"k" * 32


class ManualClock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        """The time."""
        return self.now_ms


def test_a_ticket_carries_what_it_was_made_for() -> None:
    tickets = Tickets(KEY, ManualClock())

    assert tickets.check(tickets.issue("live", {"a": [1, "ä"]}, 1000), "live") == {"a": [1, "ä"]}


@pytest.mark.parametrize(
    ("later_ms", "purpose", "reason"),
    [(999, "live", None), (1000, "live", "expired"), (0, "export", "not for export")],
)
def test_a_ticket_is_good_for_one_purpose_and_a_while(
    later_ms: int, purpose: str, reason: str | None
) -> None:
    clock = ManualClock()
    tickets = Tickets(KEY, clock)
    ticket = tickets.issue("live", None, 1000)

    clock.now_ms += later_ms

    if reason is None:
        assert tickets.check(ticket, purpose) is None
        return
    with pytest.raises(TicketRefused, match=reason):
        tickets.check(ticket, purpose)


def test_a_ticket_of_another_process_is_refused() -> None:
    theirs = Tickets(b"o" * 32, ManualClock()).issue("live", None, 1000)

    with pytest.raises(TicketRefused, match="not ours"):
        Tickets(KEY, ManualClock()).check(theirs, "live")


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_nothing_made_up_is_accepted_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(TicketRefused):
        Tickets(KEY, ManualClock()).check(text, "live")


def test_a_changed_letter_spoils_it() -> None:
    tickets = Tickets(KEY, ManualClock())
    ticket = tickets.issue("live", {"a": 1}, 1000)

    for index in range(len(ticket)):
        other = "A" if ticket[index] != "A" else "B"
        changed = ticket[:index] + other + ticket[index + 1 :]
        if index == len(ticket) - 1:
            continue  # the last letter of base64 has bits that are not read
        with pytest.raises(TicketRefused):
            tickets.check(changed, "live")


def test_a_huge_ticket_is_refused_unread() -> None:
    with pytest.raises(TicketRefused, match="cannot be read"):
        Tickets(KEY, ManualClock()).check("A" * 20_000 + ".B", "live")

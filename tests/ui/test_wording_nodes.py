from __future__ import annotations

import pytest

from domain.node_states import Feed, NodeState
from ui import wording_nodes as words

DAY = 86_400_000


def test_every_state_and_feed_has_its_words_and_its_own_icon() -> None:
    assert set(words.STATES) == set(NodeState)
    assert set(words.FEEDS) == set(Feed)
    icons = [text.partition(" ")[0] for text in words.STATES.values()]
    assert len(set(icons)) == len(icons)


@pytest.mark.parametrize(
    ("left_ms", "expected"),
    [
        (-2 * DAY, ("✕ expired 2 d ago", "critical")),
        (3 * DAY, ("▲ 3 d left", "critical")),
        (29 * DAY, ("▲ 29 d left", "high")),
        (400 * DAY, ("400 d", "")),
    ],
)
def test_certificates(left_ms: int, expected: tuple[str, str]) -> None:
    assert words.certificate(left_ms + 1_000 * DAY, 1_000 * DAY) == expected


def test_a_certificate_that_is_not_known_says_nothing() -> None:
    assert words.certificate(None, 0) == ("", "")


@pytest.mark.parametrize(
    ("feed", "every_s", "expected"),
    [
        (Feed.HEARTBEAT, None, "late after 30 s, lost after 90 s"),
        (Feed.HEARTBEAT, 60, "late after 180 s, lost after 540 s"),
        (Feed.ADMIN_API, 5, "late after 15 s, lost after 45 s"),
        (Feed.EVENTS, None, "says nothing"),
    ],
)
def test_patience_is_told_as_it_is_in_force(feed: str, every_s: float | None, expected: str) -> None:
    assert words.patience(feed, every_s) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "No node is known"),
        (["live"], "The one node known is live"),
        (["live"] * 3, "All 3 nodes are live"),
        (["live", "late", "lost", "lost"], "1 of 4 nodes live: 1 late, 2 lost"),
        (["unknown"], "0 of 1 node live: 1 unknown"),
    ],
)
def test_the_page_in_one_sentence(states: list[str], expected: str) -> None:
    assert words.verdict([NodeState(state) for state in states]) == expected


@pytest.mark.parametrize(
    ("seen", "expected", "waiting", "said"),
    [
        (3, 3, 0, "✓ 3 of 3 nodes"),
        (2, 3, 0, "✕ 2 of 3 nodes"),
        (2, 3, 1, "… 2 of 3 nodes, still on its way"),
        (0, 0, 0, "? no node could tell"),
    ],
)
def test_completeness(seen: int, expected: int, waiting: int, said: str) -> None:
    assert words.seen_by(seen, expected, waiting) == said


def test_purges_are_named() -> None:
    assert words.untold((), is_purge=True) == "a whole cache purged"
    assert words.untold(("consumers",), is_purge=True) == "a whole cache purged, and consumers"
    assert words.untold(("consumers", "routes"), is_purge=False) == "consumers, routes"

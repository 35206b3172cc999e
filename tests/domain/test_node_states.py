from __future__ import annotations

import itertools

import pytest

from domain.node_states import (
    EMPTY_HASH,
    HISTORY_MS,
    RHYTHMS,
    SEVERITY,
    Feed,
    FeedMemory,
    Finding,
    IllegalTransitionError,
    NodeState,
    event_of,
    expected_hash,
    misfit,
    next_state,
    presence,
    reason_of,
)

T = 1_795_384_629_000


def feed(kind: str, age_s: float | None, **more: object) -> FeedMemory:
    last_ms = None if age_s is None else T - round(age_s * 1000)
    if kind in {Feed.ADMIN_API, Feed.DATA_PLANES}:
        more.setdefault("asked_ms", T)
    return FeedMemory(kind, last_ms, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "age_s", "finding", "changes_in_s"),
    [
        (Feed.HEARTBEAT, 0, Finding.HEARD, 30),
        (Feed.HEARTBEAT, 29.999, Finding.HEARD, 0.001),
        (Feed.HEARTBEAT, 30, Finding.QUIET, 60),
        (Feed.HEARTBEAT, 89.999, Finding.QUIET, 0.001),
        (Feed.HEARTBEAT, 90, Finding.SILENT, None),
        (Feed.ADMIN_API, 14.999, Finding.HEARD, 0.001),
        (Feed.ADMIN_API, 15, Finding.QUIET, 15),
        (Feed.ADMIN_API, 44, Finding.QUIET, 1),
        (Feed.ADMIN_API, 45, Finding.SILENT, None),
        (Feed.DATA_PLANES, 44.999, Finding.HEARD, 0.001),
        (Feed.DATA_PLANES, 45, Finding.QUIET, 45),
        (Feed.DATA_PLANES, 90, Finding.SILENT, None),
        (Feed.STREAM, 59, Finding.HEARD, 1),
        (Feed.STREAM, 60, Finding.QUIET, 120),
        (Feed.STREAM, 180, Finding.SILENT, None),
        (Feed.EVENTS, 0, Finding.UNWATCHED, None),
        (Feed.STARTED, 0, Finding.UNWATCHED, None),
    ],
)
def test_silence_means_late_and_lost_after_the_documented_seconds(
    kind: Feed, age_s: float, finding: Finding, changes_in_s: float | None
) -> None:
    found = presence([feed(kind, age_s)], T)

    expected_until = None if changes_in_s is None else T + round(changes_in_s * 1000)
    assert (found.finding, found.until_ms) == (finding, expected_until)


def test_the_table_in_the_docstring_is_the_table_in_force() -> None:
    import domain.node_states as module  # noqa: PLC0415 - for its docstring

    rows = [line.split("|")[1:-1] for line in (module.__doc__ or "").splitlines() if line.startswith("| ")]
    documented = [tuple(float(cell.strip().removesuffix(" s")) for cell in row[1:]) for row in rows[1:]]

    assert documented == [
        (r.every_s, r.late_s, r.lost_s)
        for r in (RHYTHMS[f] for f in (Feed.HEARTBEAT, Feed.ADMIN_API, Feed.DATA_PLANES, Feed.STREAM))
    ]


@pytest.mark.parametrize(
    ("label", "feeds", "finding"),
    [
        ("no feed at all", [], Finding.UNWATCHED),
        ("only events name it, just now", [feed(Feed.EVENTS, 0)], Finding.UNWATCHED),
        ("an address that never answered", [feed(Feed.ADMIN_API, None, problem="refused")], Finding.UNHEARD),
        (
            "a failed poll is silence, not death",
            [feed(Feed.ADMIN_API, 7, problem="connection refused", problem_ms=T - 2_000)],
            Finding.HEARD,
        ),
        (
            "a poll that may not ask tells nothing",
            [feed(Feed.ADMIN_API, 7, problem="403", is_telling=False)],
            Finding.UNWATCHED,
        ),
        (
            "a poll that may not ask, beside heartbeats",
            [feed(Feed.ADMIN_API, 700, problem="403", is_telling=False), feed(Feed.HEARTBEAT, 95)],
            Finding.SILENT,
        ),
        ("nobody asks any more", [feed(Feed.ADMIN_API, 20, asked_ms=T - 20_000)], Finding.UNWATCHED),
        (
            "nobody asks any more, and heartbeats stopped",
            [feed(Feed.ADMIN_API, 95, asked_ms=T - 95_000), feed(Feed.HEARTBEAT, 40)],
            Finding.QUIET,
        ),
        ("fresh by one of two", [feed(Feed.ADMIN_API, 200), feed(Feed.HEARTBEAT, 12)], Finding.HEARD),
        ("late by all", [feed(Feed.ADMIN_API, 200), feed(Feed.HEARTBEAT, 31)], Finding.QUIET),
        (
            "an open stream does not cover for missing heartbeats",
            [feed(Feed.STREAM, 1), feed(Feed.HEARTBEAT, 31)],
            Finding.QUIET,
        ),
        ("an open stream of a sender without heartbeats", [feed(Feed.STREAM, 1)], Finding.HEARD),
        ("a slow heartbeat gets its own patience", [feed(Feed.HEARTBEAT, 170, every_s=60)], Finding.HEARD),
        ("but not for ever", [feed(Feed.HEARTBEAT, 181, every_s=60)], Finding.QUIET),
        ("a fast one gets the usual patience", [feed(Feed.HEARTBEAT, 29, every_s=1)], Finding.HEARD),
        ("a dead row of a control plane", [feed(Feed.DATA_PLANES, 32 * 3600)], Finding.SILENT),
    ],
)
def test_a_node_is_as_fresh_as_its_freshest_feed_that_tells(
    label: str, feeds: list[FeedMemory], finding: Finding
) -> None:
    assert presence(feeds, T).finding is finding, label


@pytest.mark.parametrize(
    ("last_heard_s", "listening_s", "finding"),
    [
        (3, 1, Finding.HEARD),
        (29, 0, Finding.HEARD),
        (31, 0, Finding.UNWATCHED),
        (7_200, 29, Finding.UNWATCHED),
        (7_200, 30, Finding.QUIET),
        (7_200, 90, Finding.SILENT),
        (HISTORY_MS / 1000 + 100, 90, Finding.UNWATCHED),
    ],
)
def test_silence_before_we_listened_says_nothing(
    last_heard_s: float, listening_s: float, finding: Finding
) -> None:
    found = presence([feed(Feed.HEARTBEAT, last_heard_s)], T, T - round(listening_s * 1000))

    assert found.finding is finding


def test_a_control_plane_listened_while_we_did_not() -> None:
    assert presence([feed(Feed.DATA_PLANES, 32 * 3_600)], T, T - 1_000).finding is Finding.SILENT


L, A, X, N, D, I, U = (  # noqa: E741 - as in the table below
    NodeState.LIVE,
    NodeState.LATE,
    NodeState.LOST,
    NodeState.NEVER_SEEN,
    NodeState.DRIFTED,
    NodeState.INCOMPATIBLE,
    NodeState.UNKNOWN,
)


@pytest.mark.parametrize(
    ("finding", "following"),
    [
        (Finding.HEARD, (L, L, L, L, L, L, L)),
        (Finding.DIFFERS, (D, D, D, D, D, D, D)),
        (Finding.UNSUPPORTED, (I, I, I, I, I, I, I)),
        (Finding.QUIET, (A, A, X, None, A, A, A)),
        (Finding.SILENT, (X, X, X, None, X, X, X)),
        (Finding.UNWATCHED, (U, U, X, U, U, U, U)),
        (Finding.UNHEARD, (None, None, None, N, None, None, N)),
    ],
)
def test_next_state_from_each_state(finding: Finding, following: tuple[NodeState | None, ...]) -> None:
    """The columns are live, late, lost, never seen, drifted, incompatible, unknown."""
    for state, expected in zip((L, A, X, N, D, I, U), following, strict=True):
        if expected is None:
            with pytest.raises(IllegalTransitionError, match=f"{state} cannot be found {finding}"):
                next_state(state, finding)
        else:
            assert next_state(state, finding) is expected


def test_every_change_that_matters_is_one_event_and_no_other_is() -> None:
    events = {
        (before, after): event_of(before, after) for before, after in itertools.product(NodeState, NodeState)
    }

    assert {after for (_, after), event in events.items() if event == "node_lost"} == {X}
    assert {pair for pair, event in events.items() if event == "node_recovered"} == {(X, L), (X, I)}
    assert {after for (_, after), event in events.items() if event == "config_drifted"} == {D}
    assert all(events[state, state] is None for state in NodeState)
    assert events[A, L] is None


def test_alarm_ranks_every_state_once() -> None:
    assert sorted(SEVERITY) == sorted(NodeState)
    assert SEVERITY[0] is X
    assert SEVERITY[-1] is L


@pytest.mark.parametrize(
    ("label", "hashes", "expected"),
    [
        ("nobody has one", {}, None),
        ("most wins", {"a": ("x", 1), "b": ("x", 1), "c": ("y", 9)}, "x"),
        ("of equally many, the newest", {"a": ("x", 1), "b": ("y", 9)}, "y"),
        ("an empty configuration is one too", {"a": (EMPTY_HASH, 1)}, EMPTY_HASH),
    ],
)
def test_the_expected_configuration(
    label: str, hashes: dict[str, tuple[str, int]], expected: str | None
) -> None:
    assert expected_hash(hashes) == expected, label


@pytest.mark.parametrize(
    ("version", "control_plane", "missing", "complaint", "words"),
    [
        ("3.9.3", "3.9.1", (), None, None),
        ("3.8.0", "3.9.1", (), "normal", None),
        ("3.9.3", None, (), "unknown", None),
        ("3.10.0", "3.9.1", (), "normal", "version 3.10.0 does not fit its control plane, which runs 3.9.1"),
        ("2.8.5", "3.9.1", (), None, "version 2.8.5 does not fit its control plane, which runs 3.9.1"),
        ("x", "3.9.1", (), None, None),
        ("3.9", "3.9", ("b", "a"), None, "it has not got the plugin a, b, which the cluster uses"),
        ("3.9", "3.9", "edcba", None, "it has not got the plugin a, b, c and 2 more, which the cluster uses"),
        (None, None, (), "plugin_set_incompatible", "its control plane refuses it: plugin set"),
    ],
)
def test_what_does_not_fit_is_said_in_words(
    version: str | None, control_plane: str | None, missing: str, complaint: str | None, words: str | None
) -> None:
    found = misfit(
        version=version, control_plane_version=control_plane, plugins_missing=missing, complaint=complaint
    )

    assert found == words


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ([feed(Feed.HEARTBEAT, 34)], "last heartbeat 34 s ago"),
        ([feed(Feed.HEARTBEAT, 119)], "last heartbeat 119 s ago"),
        ([feed(Feed.HEARTBEAT, 1_317)], "last heartbeat 21 min ago"),
        ([feed(Feed.HEARTBEAT, 9 * 86_400)], "last heartbeat 9 d ago"),
        (
            [
                feed(Feed.HEARTBEAT, 34),
                feed(Feed.ADMIN_API, 40, problem="connection refused", problem_ms=T - 35_000),
            ],
            "last heartbeat 34 s ago; connection refused",
        ),
        ([feed(Feed.ADMIN_API, None, problem="connection refused")], "never heard: connection refused"),
        ([feed(Feed.EVENTS, 2)], "no heartbeat and no Admin API poll tells whether it runs"),
        (
            [feed(Feed.ADMIN_API, 7, problem="it answers 403", is_telling=False)],
            "it cannot be asked: it answers 403",
        ),
    ],
)
def test_reasons(feeds: list[FeedMemory], words: str) -> None:
    assert reason_of(feeds, presence(feeds, T).finding, T) == words

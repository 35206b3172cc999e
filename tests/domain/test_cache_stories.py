from __future__ import annotations

import pytest

from domain.cache_stories import Burst, Cause, Dropped, Seen, tell_stories

T = 1_795_384_629_000
LATER = T + 3_600_000
BOTH = {"a": [(T - 1_000, LATER)], "b": [(T - 1_000, LATER)]}
WS = "308e2b57-a16d-4b45-b1f3-132a45df6517"


def dropped(key: str, at_ms: int = 10, node: str = "a") -> Dropped:
    return Dropped(T + at_ms, node, key.partition(":")[0], key)


def cause(entity_type: str = "services", at_ms: int = 0, **more: object) -> Cause:
    values: dict[str, object] = {"node": "a", "entity_id": "s-1", "name": "orders"}
    return Cause(T + at_ms, entity_type=entity_type, **(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "change", "key"),
    [
        ("a service", cause(), f"services:s-1:::::{WS}"),
        ("a route", cause("routes", entity_id="r-1"), f"routes:r-1:::::{WS}"),
        ("a consumer by its id", cause("consumers", entity_id="c-1"), f"consumers:c-1:::::{WS}"),
        (
            "a consumer by its name",
            cause("consumers", entity_id="c-1", name="acme"),
            f"consumers:acme:::::{WS}",
        ),
        (
            "a plugin on a service",
            cause("plugins", name="key-auth", scope=(None, "s-1", None)),
            f"plugins:key-auth::s-1:::{WS}",
        ),
        (
            "a plugin on a consumer",
            cause("plugins", name="rate-limiting", scope=(None, None, "c-1")),
            f"plugins:rate-limiting:::c-1::{WS}",
        ),
        ("a plugin everywhere", cause("plugins", name="http-log"), f"plugins:http-log:::::{WS}"),
        (
            "a target, whose address has a colon",
            cause("targets", name="10.0.0.1:80", scope=("u-1", None, None)),
            f"targets:u-1:10.0.0.1:80::::{WS}",
        ),
        (
            "a credential, masked",
            cause("keyauth_credentials", name=None),
            f"keyauth_credentials:[redacted]:::::{WS}",
        ),
        ("what a route makes stale besides", cause("routes", entity_id="r-1"), "router:version"),
        ("what a plugin makes stale besides", cause("plugins", name="x"), "plugins_iterator:version"),
        ("what an upstream makes stale besides", cause("upstreams"), "balancer:upstreams"),
    ],
)
def test_a_key_is_tied_to_the_change_that_drops_it(label: str, change: Cause, key: str) -> None:
    stories, rest = tell_stories([dropped(key)], [change], BOTH, LATER)

    assert (stories[0].keys, dict(stories[0].delays_ms), rest) == (1, {"a": 10}, []), label


def test_a_plugin_of_another_scope_is_another_key() -> None:
    changes = [
        cause("plugins", name="key-auth", scope=("r-1", None, None)),
        cause("plugins", at_ms=1, name="key-auth", scope=("r-2", None, None)),
    ]

    stories, _ = tell_stories([dropped(f"plugins:key-auth:r-1::::{WS}")], changes, BOTH, LATER)

    assert [(story.cause.scope[0], story.keys) for story in stories] == [("r-2", 0), ("r-1", 1)]


def test_two_of_three_nodes_saw_it() -> None:
    present = BOTH | {"c": BOTH["a"]}
    seen = [dropped(f"services:s-1:::::{WS}", 5, "a"), dropped(f"services:s-1:::::{WS}", 2_400, "b")]
    other = dropped("services:s-9:::::", 20, "c")

    (story,), _ = tell_stories([seen[0], other, seen[1]], [cause()], present, LATER)

    assert (story.seen, story.expected, story.is_complete) == (2, 3, False)
    assert dict(story.nodes) == {"a": Seen.SEEN, "b": Seen.SEEN, "c": Seen.MISSED}
    assert dict(story.delays_ms) == {"a": 5, "b": 2_400}


@pytest.mark.parametrize(
    ("label", "spans", "tells", "now_ms", "found"),
    [
        ("there, and silent", [(T, LATER)], True, LATER, Seen.MISSED),
        ("still on its way", [(T, T + 3_000)], True, T + 3_000, Seen.WAITING),
        ("gone meanwhile", [(T, T + 9_000)], True, LATER, Seen.UNKNOWN),
        ("came later", [(T + 1, LATER)], True, LATER, Seen.UNKNOWN),
        ("not there", [], True, LATER, Seen.UNKNOWN),
        ("never tells about its caches", [(T, LATER)], False, LATER, Seen.UNKNOWN),
    ],
)
def test_a_node_that_dropped_nothing(
    label: str,
    spans: list[tuple[int, int]],
    tells: bool,  # noqa: FBT001
    now_ms: int,
    found: Seen,
) -> None:
    before = [dropped("consumers:x:::::", -60_000, "b")] if tells else []

    (story,), _ = tell_stories(before, [cause()], {"b": spans}, now_ms)

    assert story.nodes["b"] is found, label
    assert story.expected == (found is not Seen.UNKNOWN)


def test_changes_of_one_entity_in_a_row_are_each_seen_by_each_node() -> None:
    key = f"plugins:ip-restriction::s-1:::{WS}"
    changes = [
        cause("plugins", at_ms=at_ms, name="ip-restriction", scope=(None, "s-1", None)) for at_ms in (0, 16)
    ]
    events = [dropped(key, 5), dropped(key, 20), dropped(key, 900, "b"), dropped(key, 901, "b")]

    stories, _ = tell_stories(events, changes, BOTH, LATER)

    assert [dict(story.delays_ms) for story in stories] == [{"a": 4, "b": 885}, {"a": 5, "b": 900}]


def test_masked_keys_are_matched_in_order_per_node() -> None:
    changes = [cause("keyauth_credentials", at_ms=at_ms, name=None) for at_ms in (0, 8, 16)]
    key = "keyauth_credentials:[redacted]:::::"
    events = [dropped(key, at_ms) for at_ms in (1, 9, 17)] + [dropped(key, 900 + n, "b") for n in range(3)]

    stories, rest = tell_stories(events, changes, BOTH, LATER)

    assert [story.seen for story in stories] == [2, 2, 2]
    assert rest == []


def test_what_comes_too_late_is_not_of_the_change() -> None:
    stories, rest = tell_stories([dropped("services:s-1:::::", 15_001)], [cause()], BOTH, LATER)

    assert stories[0].keys == 0
    assert [burst.keys for burst in rest] == [1]


def test_what_no_change_explains_is_told_in_bursts_newest_first() -> None:
    events = [
        dropped("consumers:a:::::", 0),
        dropped("consumers:b:::::", 900),
        dropped("routes:r:::::", 901),
        dropped("consumers:c:::::", 901, "b"),
        dropped("consumers:d:::::", 5_000),
        Dropped(T + 9_000, "b", "", ""),
    ]

    _, rest = tell_stories(events, [], BOTH, LATER)

    assert rest == [
        Burst("b", T + 9_000, T + 9_000, 0, (), is_purge=True),
        Burst("a", T + 5_000, T + 5_000, 1, ("consumers",), is_purge=False),
        Burst("b", T + 901, T + 901, 1, ("consumers",), is_purge=False),
        Burst("a", T, T + 901, 3, ("consumers", "routes"), is_purge=False),
    ]


def test_ten_thousand_keys_are_tied_quickly() -> None:
    changes = [cause("consumers", at_ms=i, entity_id=f"c-{i}") for i in range(300)]
    events = [dropped(f"consumers:c-{i % 300}:::::", 500 + i // 50, "ab"[i % 2]) for i in range(5_000)]

    stories, _ = tell_stories(events, changes, BOTH, LATER)

    assert sum(story.keys for story in stories) == 5_000

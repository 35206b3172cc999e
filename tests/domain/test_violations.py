from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Certainty, PluginSeen
from domain.violations import Answer, answered_by, judge, settle

CERTAIN, PROBABLE, RULED_OUT = Certainty.CERTAIN, Certainty.PROBABLE, Certainty.RULED_OUT
JSON_BY_KONG = {"content-type": "application/json; charset=utf-8", "server": "kong/3.9.3"}
DENIED = {
    "retry-after": "20",
    "ratelimit-limit": "5",
    "ratelimit-remaining": "0",
    "x-ratelimit-limit-minute": "5",
    "x-ratelimit-remaining-minute": "0",
}


def answer(status: int = 429, headers: dict[str, Any] | None = None, **fields: Any) -> Answer:
    """By Kong, upstream not called, unless said otherwise."""
    told = {"source": "kong", "upstream_status": "", "has_request_id": True} | fields
    return Answer(status=status, headers=headers or {}, **told)


def plugin(name: str, *, group: str | None = None, **config: Any) -> PluginSeen:
    return PluginSeen(
        plugin_id=name, name=name, enabled=True, at_ms=0, consumer_group_id=group, config=config
    )


HIDDEN = plugin("rate-limiting", minute=5, hide_client_headers=True, error_code=429)
TERMINATION = plugin("request-termination", status_code=429, message="quota page: see docs")
HIDDEN_420 = plugin("rate-limiting", minute=5, hide_client_headers=True, error_code=420)
MAINTENANCE = plugin("request-termination", status_code=503)
HIDDEN_OF_GROUP = plugin("rate-limiting-advanced", group="gold", hide_client_headers=True)
TERMINATION_OF_GROUP = plugin("request-termination", group="gold", status_code=429)
BLOCKING = plugin("response-ratelimiting", block_on_first_violation=True, limits={"sms": {"minute": 10}})

JUDGEMENTS: list[tuple[str, Answer, Certainty | None]] = [
    ("a denial by rate-limiting", answer(headers=DENIED), CERTAIN),
    ("a denial with a status of the operator's own", answer(420, DENIED), CERTAIN),
    ("429 with Retry-After, limit headers removed later", answer(headers={"retry-after": "1"}), CERTAIN),
    (
        "a named limit is used up after the upstream answered",
        answer(headers={"x-ratelimit-remaining-sms-minute": "0"}, upstream_status="200", has_tries=True),
        CERTAIN,
    ),
    ("the upstream's own 429", answer(source="upstream", upstream_status="429", has_tries=True), None),
    (
        "the upstream's own 429 with everything a limit of Kong's would say",
        answer(headers=DENIED, source="upstream", upstream_status="429", has_tries=True),
        None,
    ),
    ("headers hidden", answer(headers=JSON_BY_KONG | {"content-length": "92"}), PROBABLE),
    ("headers hidden, no length", answer(headers=JSON_BY_KONG), PROBABLE),
    (
        "429 after the upstream answered, without a named limit at 0",
        answer(upstream_status="502, 200", has_tries=True),
        PROBABLE,
    ),
    (
        "request-termination after a limit let the request pass",
        answer(headers=JSON_BY_KONG | {"content-length": "40", "ratelimit-remaining": "0"}),
        RULED_OUT,
    ),
    ("request-termination", answer(headers=JSON_BY_KONG | {"content-length": "40"}), RULED_OUT),
    (
        "short, but by Enterprise, whose wording we cannot read",
        answer(headers=JSON_BY_KONG | {"content-length": "40", "server": "kong/3.9.1.0-enterprise-edition"}),
        PROBABLE,
    ),
    (
        "short, but by a Kong that gives its requests no id",
        answer(headers=JSON_BY_KONG | {"content-length": "40"}, has_request_id=False),
        PROBABLE,
    ),
    ("short, but no JSON", answer(headers={"content-length": "40", "server": "kong/3.9.3"}), PROBABLE),
    ("Retry-After of a 503", answer(503, {"retry-after": "30"}), None),
    ("Retry-After of a 503 with requests left", answer(503, DENIED | {"ratelimit-remaining": "3"}), None),
    ("a 200 with limit headers", answer(200, {"ratelimit-remaining": "0"}), None),
    ("a 404", answer(404), None),
    ("before Kong 3.6, upstream not called", answer(source=None, headers=DENIED), CERTAIN),
    ("before Kong 3.6, the upstream's own", answer(source=None, upstream_status="429", has_tries=True), None),
    ("before Kong 3.6, after a retry", answer(source=None, upstream_status="502, 429", has_tries=True), None),
    ("long before, upstream called", answer(source=None, upstream_status=None, has_tries=True), None),
    ("long before, upstream not called", answer(source=None, upstream_status=None), PROBABLE),
]


@pytest.mark.parametrize(
    ("given_answer", "expected"), [row[1:] for row in JUDGEMENTS], ids=[row[0] for row in JUDGEMENTS]
)
def test_an_answer_is_judged_by_what_it_shows(given_answer: Answer, expected: Certainty | None) -> None:
    judgement = judge(given_answer)

    assert judgement.certainty == expected
    assert (judgement.evidence is None) == (expected is None)


def test_a_denial_names_its_limit() -> None:
    judgement = judge(answer(headers=DENIED))

    assert (judgement.limit_name, judgement.limit_value, judgement.window_s) == ("minute", 5, 60)
    assert judgement.evidence == "429 by Kong with Retry-After and RateLimit-Remaining 0"


def test_a_limit_without_its_own_header_takes_the_general_one() -> None:
    judgement = judge(
        answer(headers={"retry-after": "9", "ratelimit-limit": "7", "x-ratelimit-remaining-hour": "0"})
    )

    assert (judgement.limit_name, judgement.limit_value) == ("hour", 7)


def test_a_denial_that_names_no_window_still_tells_how_many() -> None:
    judgement = judge(answer(headers={"retry-after": "9", "ratelimit-limit": "7"}))

    assert (judgement.limit_name, judgement.limit_value, judgement.window_s) == (None, 7, None)


def test_the_length_of_a_default_answer_is_mentioned() -> None:
    judgement = judge(answer(headers={"content-length": "92"}))

    assert judgement.evidence is not None
    assert judgement.evidence.endswith("92 bytes is the length of a limiter's default answer")


@pytest.mark.parametrize(
    ("fields", "who"),
    [
        ({"source": "upstream"}, "upstream"),
        ({"source": "kong"}, "kong"),
        ({"source": "something new"}, "kong"),
        ({"source": None, "upstream_status": "429"}, "upstream"),
        ({"source": None, "upstream_status": "-"}, "kong"),
    ],
)
def test_who_answered_is_worked_out_where_kong_does_not_say(fields: dict[str, Any], who: str) -> None:
    assert answered_by(answer(**fields)) == who


SETTLEMENTS: list[tuple[str, Certainty, int | None, list[PluginSeen], Certainty]] = [
    ("certain stays certain", CERTAIN, 40, [TERMINATION], CERTAIN),
    ("nothing is known", PROBABLE, 92, [], PROBABLE),
    ("a limiter that hides its headers", PROBABLE, 92, [HIDDEN], CERTAIN),
    ("a limiter that blocks at the first violation", PROBABLE, None, [BLOCKING], CERTAIN),
    ("request-termination alone", PROBABLE, 92, [TERMINATION], RULED_OUT),
    ("both, and the length is the limiter's", PROBABLE, 92, [HIDDEN, TERMINATION], CERTAIN),
    ("both, and the length is the termination's", PROBABLE, 34, [HIDDEN, TERMINATION], RULED_OUT),
    ("both, and no length", PROBABLE, None, [HIDDEN, TERMINATION], PROBABLE),
    ("both, and a length of neither", PROBABLE, 55, [HIDDEN, TERMINATION], PROBABLE),
    ("a limiter that shows its headers", PROBABLE, 92, [plugin("rate-limiting", minute=5)], PROBABLE),
    ("a limiter with another status", PROBABLE, 92, [HIDDEN_420], PROBABLE),
    ("termination with another status", PROBABLE, 92, [MAINTENANCE], PROBABLE),
    ("ruled out, and a limiter explains the length", RULED_OUT, 37, [HIDDEN], CERTAIN),
    ("ruled out, and the limiter answers longer", RULED_OUT, 40, [HIDDEN], RULED_OUT),
    ("ruled out by length, plugins unknown", RULED_OUT, 40, [], RULED_OUT),
    ("a group's limiter might run", PROBABLE, 92, [HIDDEN_OF_GROUP], PROBABLE),
    ("a group's termination might run", PROBABLE, 92, [TERMINATION_OF_GROUP], PROBABLE),
    ("a group's limiter might run besides a termination", PROBABLE, None,
     [TERMINATION, HIDDEN_OF_GROUP], PROBABLE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "answer_bytes", "plugins", "after"),
    [row[1:] for row in SETTLEMENTS],
    ids=[row[0] for row in SETTLEMENTS],
)
def test_a_judgement_is_settled_by_the_plugins_in_force(
    before: Certainty, answer_bytes: int | None, plugins: list[PluginSeen], after: Certainty
) -> None:
    assert settle(before, 429, answer_bytes, plugins).certainty == after


def test_a_settled_refusal_names_the_only_limit_there_is() -> None:
    judgement = settle(PROBABLE, 429, 92, [HIDDEN])

    assert (judgement.limit_name, judgement.limit_value, judgement.window_s) == ("minute", 5, 60)
    assert judgement.evidence == "rate-limiting refuses with 429 here without limit headers"


def test_of_several_limits_none_is_named() -> None:
    several = plugin("rate-limiting", minute=5, hour=9, hide_client_headers=True)

    assert settle(PROBABLE, 429, 92, [several]).limit_name is None


def test_an_answer_as_long_as_a_message_of_the_operators_own_is_the_limiters() -> None:
    worded = plugin("rate-limiting", minute=5, hide_client_headers=True, error_message="slow down, please")

    assert settle(PROBABLE, 429, 69 + len("slow down, please"), [worded, TERMINATION]).certainty is CERTAIN


def test_a_termination_with_a_body_of_its_own_is_known_by_its_length() -> None:
    page = plugin("request-termination", status_code=429, body="<p>später</p>", content_type="text/html")

    assert settle(PROBABLE, 429, len("<p>später</p>".encode()), [HIDDEN, page]).certainty is RULED_OUT


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.lists(st.text(max_size=3), max_size=2)
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [*DENIED, "content-length", "content-type", "server", "x-ratelimit-remaining-sms-minute"]
    ),
    VALUES,
)


@given(
    st.integers(0, 999),
    st.sampled_from(["kong", "upstream", None, "else"]),
    st.none() | st.text(max_size=12),
    st.booleans(),
    HEADERS,
)
def test_no_answer_breaks_the_judgement_and_no_upstream_answer_counts(
    status: int,
    source: str | None,
    upstream_status: str | None,
    has_tries: bool,  # noqa: FBT001 - drawn
    headers: dict[str, Any],
) -> None:
    found = judge(
        Answer(
            status=status,
            source=source,
            upstream_status=upstream_status,
            has_tries=has_tries,
            headers=headers,
        )
    )

    assert source != "upstream" or found.certainty is None
    assert status == 429 or found.certainty in (None, CERTAIN)
    assert (found.certainty is None) == (found.evidence is None)


@given(
    st.sampled_from(list(Certainty)),
    st.sampled_from([429, 420, 503]),
    st.none() | st.integers(0, 500),
    st.lists(st.sampled_from([HIDDEN, TERMINATION, BLOCKING]), max_size=3),
)
def test_settling_is_done_once_and_for_all(
    certainty: Certainty, status: int, answer_bytes: int | None, plugins: list[PluginSeen]
) -> None:
    first = settle(certainty, status, answer_bytes, plugins)

    assert first.certainty is not None
    assert settle(first.certainty, status, answer_bytes, plugins).certainty == first.certainty

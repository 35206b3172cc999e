"""Sentences about events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ui.event_rows import event_row
from ui import wording_events as words

NOBODY: dict[str, Any] = dict.fromkeys(
    ("consumer_id", "consumer", "ip", "service", "route", "status", "limit_name", "limit_value", "certainty")
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "429 by 20 / minute"),
        ({"limit_name": None, "limit_value": None, "window_s": None}, "answered 429"),
        ({"status": None, "limit_name": None, "limit_value": None, "window_s": None}, "exceeded"),
        (
            NOBODY
            | {"kind": "crud", "event": "services.updated", "entity_type": "services"}
            | {"entity_name": "orders", "operation": "update", "actor": "ana"},
            "service orders updated by ana",
        ),
        (
            NOBODY
            | {"kind": "crud", "event": "keyauth_credentials.deleted", "operation": "delete"}
            | {"entity_type": "keyauth_credentials", "entity_id": "8e4a"},
            "keyauth credential 8e4a deleted",
        ),
        (NOBODY | {"kind": "crud", "event": "routes.created"}, "route created"),
        (
            NOBODY | {"kind": "cache", "event": "invalidated", "cache": "kong_db_cache", "key_masked": "a:b"},
            "invalidated · kong_db_cache · a:b",
        ),
        (
            NOBODY
            | {"kind": "cluster", "event": "target_unhealthy", "target": "10.0.0.1:80"}
            | {"upstream": "orders.up", "health": "unhealthy"},
            "target unhealthy: 10.0.0.1:80 of orders.up, unhealthy",
        ),
        (NOBODY | {"kind": "cluster", "event": "node_lost"}, "node lost"),
        (NOBODY | {"kind": "novel", "event": "shiny_thing"}, "shiny thing"),
    ],
)
def test_an_event_of_any_kind_is_one_line(changes: dict[str, Any], expected: str) -> None:
    assert words.what(event_row(**changes)) == expected


@pytest.mark.parametrize(
    ("shown", "total", "has_more", "at_least", "expected"),
    [
        (100, 2_474, True, False, "100 of 2,474 events, latest arrival first"),
        (100, 2_474, True, True, "100 of at least 2,474 events, latest arrival first"),
        (1, 1, False, False, "1 event"),
        (3, None, False, False, "3 events, latest arrival first"),
        (50, None, True, False, "The 50 events that arrived last"),
        (1, None, True, False, "The event that arrived last"),
        (0, 0, False, False, "0 events"),
    ],
)
def test_how_many_match(
    shown: int,
    total: int | None,
    has_more: bool,  # noqa: FBT001 - a column of the table
    at_least: bool,  # noqa: FBT001 - a column of the table
    expected: str,
) -> None:
    assert words.matching(shown, total, has_more=has_more, at_least=at_least) == expected


def test_a_kind_that_is_unknown_stands_as_it_came() -> None:
    assert words.kind("crud") == "configuration"
    assert words.kind("novel") == "novel"


def test_a_ruled_out_event_says_why_and_is_not_called_uncounted() -> None:
    row = event_row(certainty="ruled-out", counted=False, evidence="request-termination answers 429 here")

    assert words.why(row) == "request-termination answers 429 here"
    assert words.certainty(row) == "○ ruled out"

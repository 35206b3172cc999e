from __future__ import annotations

from typing import Any

import pytest

from collector.poller.clusters import Clusters, Upstreams, cluster_of, has_checks

POSTGRES = {"database": "postgres", "pg_host": "db", "pg_port": 5432, "pg_database": "kong"}


def test_nodes_of_one_database_are_one_cluster() -> None:
    assert cluster_of(POSTGRES, "http://a:8001") == cluster_of(POSTGRES, "http://b:8001")
    assert cluster_of(POSTGRES | {"pg_schema": "blue"}, "http://a") != cluster_of(POSTGRES, "http://a")


def test_a_node_without_a_database_is_a_cluster_of_its_own() -> None:
    assert cluster_of({"database": "off"}, "http://a:8001") == "http://a:8001"


def test_one_node_is_listed_and_another_when_it_is_gone() -> None:
    clusters = Clusters()
    first = [clusters.is_chosen("c", address) for address in ("a", "b", "a")]

    clusters.leave("a")

    assert first == [True, False, True]
    assert [clusters.is_chosen("c", address) for address in ("b", "a")] == [True, False]


@pytest.mark.parametrize(
    ("checks", "found"),
    [
        (None, False),
        ({}, False),
        ({"active": {"healthy": {"interval": 0}, "unhealthy": {"interval": 0}}}, False),
        ({"active": {"healthy": {"interval": 0}, "unhealthy": {"interval": 0.5}}}, True),
        ({"passive": {"unhealthy": {"http_failures": 0, "tcp_failures": 3}}}, True),
        ({"passive": {"healthy": {"successes": 0}}}, False),
        ({"active": "nonsense"}, False),
    ],
)
def test_an_upstream_has_checks_where_something_can_change_by_itself(checks: Any, found: bool) -> None:  # noqa: FBT001
    assert has_checks({"name": "u", "healthchecks": checks}) is found


def test_upstreams_are_known_by_cluster() -> None:
    clusters = Clusters()
    checked = {"name": "a", "healthchecks": {"active": {"healthy": {"interval": 1}}}}

    clusters.know_upstreams("c", [checked, {"name": "b"}, {"name": None}])

    assert clusters.upstreams("c") == Upstreams(("a",), ("b",))
    assert clusters.upstreams("elsewhere") == Upstreams()

"""No traffic, however odd, makes a detector fail: a rule that fails is a rule that sees nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.detectors import DETECTORS
from domain.limits import Limit
from tests.domain.detectors.stage import Stage, plugin

NAMES = st.sampled_from([None, "a", "b"])
LIMITS = st.sampled_from(
    [
        None,
        Limit(name="second", value=1, window_s=1),
        Limit(name="month", value=1, window_s=2_592_000),
        Limit(name="?", value=None, window_s=None),
        Limit(name="none", value=0, window_s=1),
    ]
)
ROWS = st.fixed_dictionaries(
    {
        "at_s": st.sampled_from([-3600.0, -900.0, -120.0, -10.0, 0.0, 9.9, 10.0, 40.0, 50.0, 55.0]),
        "n": st.sampled_from([1, 5, 60, 400, 10**9]),
        "consumer": NAMES,
        "ip": st.sampled_from([None, "192.0.2.1", "192.0.2.2", "2001:db8::1", "not an address"]),
        "route": NAMES,
        "service": NAMES,
        "limit": LIMITS,
        "refused": st.booleans(),
        "aside": st.booleans(),
        "unauthorized": st.booleans(),
        "failed": st.booleans(),
    }
)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from([-100.0, 0.0, 30.0]),
        st.sampled_from(["plugins", "services", "consumers", "keyauth_credentials"]),
        st.sampled_from(["create", "update", "delete"]),
        st.sampled_from(
            [
                {},
                {"before": plugin(minute=20), "after": plugin(minute=100)},
                {"before": plugin(), "after": plugin(enabled=False)},
                {"before": plugin(minute="20"), "after": plugin(minute=None)},
                {"after": {"id": "x", "config": []}},
            ]
        ),
    ),
    max_size=3,
)


@given(rows=st.lists(ROWS, max_size=8), changes=CHANGES, at_s=st.sampled_from([0.0, 5.0, 60.0, 1_000.0]))
def test_no_traffic_makes_a_detector_fail(
    rows: list[dict[str, Any]], changes: list[Any], at_s: float
) -> None:
    stage = Stage()
    for row in sorted(rows, key=lambda row: row["at_s"]):
        stage.add(**row)
    for when_s, entity_type, operation, states in changes:
        stage.change(when_s, entity_type, operation, **states)

    for detector in DETECTORS:
        for found in stage.see(detector, at_s):
            assert found.why
            assert found.count >= 0

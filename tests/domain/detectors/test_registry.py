"""Every detector says what it is, in the field's words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.detectors import DETECTORS
from domain.detectors.detector import Detector
from tests.domain.detectors.stage import Stage

SIGMA = {
    "event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg",
    "value_percentile",
}  # fmt: skip
"""Correlation types of the Sigma specification."""


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=lambda d: d.name)
def test_a_detector_is_described_with_the_names_of_the_field(detector: Detector) -> None:
    assert detector.title
    assert detector.what
    assert detector.guide
    assert detector.false_positives
    assert 0 < detector.delay_s <= 180
    assert detector.sigma is None or detector.sigma in SIGMA
    assert all(re.fullmatch(r"(API\d+:2023|OAT-\d{3})", name) for name in detector.owasp)
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", name) for name in detector.attack)


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=lambda d: d.name)
def test_start_values_lie_within_their_bounds(detector: Detector) -> None:
    for parameter in detector.parameters:
        assert parameter.minimum <= parameter.default <= parameter.maximum, parameter.name


@pytest.mark.parametrize("name", DETECTORS)
def test_a_quiet_gateway_is_nothing_to_any_detector(name: str) -> None:
    stage = Stage(began_s=-30 * 86_400)

    assert stage.see(name, 0) == []


@pytest.mark.parametrize("name", DETECTORS)
def test_each_detector_is_a_file_of_its_name_with_tests_of_its_own(name: str, root: Path) -> None:
    assert (root / "domain" / "detectors" / f"{name}.py").exists()
    assert (root / "tests" / "domain" / "detectors" / f"test_{name}.py").exists()

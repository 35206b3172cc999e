"""Counters as Prometheus text."""

from __future__ import annotations

import pytest

from collector.metrics import FAMILIES, Histogram, Metrics


def test_counters_are_shown_with_sorted_labels_and_escaped_values() -> None:
    metrics = Metrics()
    metrics.count("gatewatch_events_total", 3, way="stream", kind='a"b\n')

    text = metrics.text({"gatewatch_queue_batches": 2.0}, {"version": "1"})

    assert 'gatewatch_events_total{kind="a\\"b\\n",way="stream"} 3' in text.splitlines()
    assert "gatewatch_queue_batches 2" in text.splitlines()
    assert 'gatewatch_build_info{version="1"} 1' in text.splitlines()


def test_every_family_has_its_help_and_type_once() -> None:
    lines = Metrics().text({}, {}).splitlines()

    for family in FAMILIES.values():
        assert lines.count(f"# HELP {family.name} {family.help}") == 1
        assert lines.count(f"# TYPE {family.name} {family.type}") == 1


def test_a_counter_that_nobody_described_is_refused() -> None:
    with pytest.raises(KeyError):
        Metrics().count("gatewatch_surprises_total")


def test_a_value_sums_over_the_labels_not_named() -> None:
    metrics = Metrics()
    metrics.count("gatewatch_events_total", 3, way="stream", kind="crud")
    metrics.count("gatewatch_events_total", 4, way="stream", kind="cache")

    assert metrics.value("gatewatch_events_total", way="stream") == 7
    assert metrics.value("gatewatch_events_total", kind="cache") == 4


def test_a_histogram_is_cumulative_and_ends_with_infinity() -> None:
    histogram = Histogram((1.0, 5.0))
    for value in (0.5, 1.0, 4.0, 100.0):
        histogram.observe(value)

    assert histogram.lines("h") == [
        'h_bucket{le="1.0"} 2',
        'h_bucket{le="5.0"} 3',
        'h_bucket{le="+Inf"} 4',
        "h_sum 105.5",
        "h_count 4",
    ]


def test_a_quantile_is_unknown_until_something_was_counted() -> None:
    histogram = Histogram((1.0, 5.0))

    assert histogram.quantile(0.99) is None
    histogram.observe(2.0)
    assert histogram.quantile(0.99) == 5.0

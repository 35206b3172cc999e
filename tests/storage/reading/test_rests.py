"""What of a ranking is one name, and what stands for many."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from domain.filters import Dimension
from storage.codes import NONE_KEY, OTHER_KEY, Dim
from storage.reading import rests
from storage.reading.connections import Connections
from storage.reading.rests import count_names, crowds_in
from tests.storage.filling import SETTINGS, opened, put, refusal, rows


def test_unknown_and_other_are_no_names_and_only_other_makes_a_count_a_bound() -> None:
    assert count_names(None, Dim.CONSUMER, np.array([NONE_KEY, 5, 6])) == (2, False)  # type: ignore[arg-type]
    assert count_names(None, Dim.CONSUMER, np.array([OTHER_KEY, 5])) == (1, True)  # type: ignore[arg-type]


@pytest.mark.parametrize(("most", "is_folded"), [(50_000, False), (1, True)])
def test_the_rest_of_a_prefix_is_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, *, is_folded: bool
) -> None:
    """Where there are more rests than are looked at, no count of addresses is sure."""
    monkeypatch.setattr(rests, "MAX_RESTS", most)
    path = tmp_path / "g.db"
    with opened(path, dataclasses.replace(SETTINGS, max_names_per_minute=4)) as store:
        put(store, refusal(1, ip="10.0.0.1"), refusal(2, ip="10.0.0.2"))
    keys = dict(rows(path, "SELECT value, key_id FROM keys WHERE dim = ?", Dim.IP))

    with contextlib.closing(Connections(path, 5_000)) as connections, connections.snapshot() as snapshot:
        one_address = count_names(snapshot, Dim.IP, np.array([keys["10.0.0.1"]]))
        with_rest = count_names(snapshot, Dim.IP, np.array(sorted(keys.values())))

    assert one_address == (1, is_folded)
    assert with_rest == (1, True)


def test_a_crowd_is_told_of_each_dimension_that_had_one() -> None:
    meta = {"crowd_from_ms.ip": 60_000, "crowd_upto_ms.ip": 180_000, "crowd.ip": 77, "events": 3}

    (crowd,) = crowds_in(meta)

    assert (crowd.dimension, crowd.from_ms, crowd.upto_ms, crowd.about) == (Dimension.IP, 60_000, 180_000, 77)

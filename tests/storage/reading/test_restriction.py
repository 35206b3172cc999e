"""Filters as a condition and as a mask: the same places are left by both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from domain.filters import Dimension, Filters
from storage.codes import Dim
from storage.reading.connections import Connections
from storage.reading.restriction import FEW, Restriction, read_restriction
from storage.reading.snapshot import Snapshot
from tests.storage.filling import opened, put, refusal

KEYS = list(range(100))


@pytest.fixture
def snapshot(tmp_path: Path) -> Iterator[Snapshot]:
    path = tmp_path / "g.db"
    with opened(path) as store:
        put(store, *(refusal(n, ip=f"10.0.{n}.1") for n in range(FEW + 5)))
    connections = Connections(path, 5_000)
    with connections.snapshot() as found:
        yield found
    connections.close()


@pytest.mark.parametrize(
    "restriction",
    [
        pytest.param(Restriction((), ()), id="nothing"),
        pytest.param(Restriction(((Dim.IP, (3,)),), ()), id="one"),
        pytest.param(Restriction(((Dim.IP, (3, 5)),), ((Dim.IP, (5,)),)), id="kept and left out"),
        pytest.param(Restriction((), ((Dim.IP, tuple(range(60))),)), id="many left out"),
        pytest.param(Restriction(((Dim.IP, tuple(range(FEW + 1))),), ()), id="many kept"),
        pytest.param(Restriction(((Dim.IP, ()),), ()), id="nothing known"),
        pytest.param(Restriction((), ((Dim.IP, ()),)), id="nothing known left out"),
        pytest.param(Restriction(((Dim.CONSUMER, (1,)),), ()), id="another dimension"),
    ],
)
def test_a_condition_leaves_what_a_mask_leaves(snapshot: Snapshot, restriction: Restriction) -> None:
    condition, bound = restriction.of(Dim.IP, "value")
    by_condition = snapshot.rows(
        f"SELECT value FROM json_each(?) WHERE {condition}", ("[" + ",".join(map(str, KEYS)) + "]", *bound)
    )

    mask = restriction.mask(Dim.IP, np.array(KEYS, np.uint32))

    assert [value for (value,) in by_condition] == np.flatnonzero(mask).tolist()


def test_values_of_a_dimension_are_put_together(snapshot: Snapshot) -> None:
    filters = Filters(
        ((Dimension.IP, "10.0.1.1"), (Dimension.IP, "10.0.0.0/16"), (Dimension.SERVICE, "orders")),
        ((Dimension.IP, "nobody"),),
    )

    found = read_restriction(snapshot, filters)

    assert [(dim, len(keys)) for dim, keys in found.include] == [(Dim.IP, FEW + 5), (Dim.SERVICE, 1)]
    assert found.exclude == ((Dim.IP, ()),)
    assert found.dims == {Dim.IP, Dim.SERVICE}
    assert not found.is_impossible


def test_a_filter_that_keeps_what_nobody_knows_is_impossible(snapshot: Snapshot) -> None:
    assert read_restriction(snapshot, Filters(((Dimension.NODE, "nobody"),))).is_impossible

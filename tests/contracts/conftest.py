"""Every engine, empty, for each test of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from storage.protocol import Reader, Store
from tests.contracts.engines import ENGINES, NAMED, SETTINGS, Engine


class Opened(NamedTuple):
    """A store and a reader of the same data."""

    store: Store
    reader: Reader


@pytest.fixture(params=NAMED)
def engine(request: pytest.FixtureRequest) -> Engine:
    """One after the other."""
    return ENGINES[request.param]


@pytest.fixture
def opened(engine: Engine, tmp_path: Path) -> Iterator[Opened]:
    """Nothing is stored yet."""
    with engine(tmp_path, SETTINGS) as both:
        yield Opened(*both)

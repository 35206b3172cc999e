"""Marks of requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.request_marks import mark_of, mark_of_request


def test_a_mark_is_the_same_on_every_machine() -> None:
    """Stored ones are compared with those of later versions."""
    assert mark_of_request("d1f02573c91f0e4aa259bd5922593442") == 5157425882059705576
    assert mark_of_request("not-one-of-kongs") == mark_of(b"not-one-of-kongs")
    assert mark_of(b"d1f02573c91f0e4aa259bd5922593442") == -5667892565521102585


@given(st.text(max_size=40) | st.integers(0, 2**128 - 1).map(lambda n: f"{n:032x}"))
def test_a_mark_fits_64_bits_whatever_the_id(request_id: str) -> None:
    assert -(2**63) <= mark_of_request(request_id) < 2**63


@given(st.integers(0, 2**128 - 1), st.integers(0, 127))
def test_ids_that_differ_in_one_bit_differ_in_their_marks(number: int, bit: int) -> None:
    assert mark_of_request(f"{number:032x}") != mark_of_request(f"{number ^ 1 << bit:032x}")


@pytest.mark.parametrize("shift", [0, 32, 64, 96])
def test_numbers_anywhere_in_an_id_spread_over_the_last_bits(shift: int) -> None:
    """Which are where the memory of resends keeps a mark."""
    marks = {mark_of_request(f"{number << shift:032x}") & 0xFFFF for number in range(20_000)}

    assert len(marks) > 10_000

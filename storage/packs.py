"""How the totals of an hour or a day that is over stand packed: one array of numbers per column.

A pack says again what `cells` and `combos` say, in the order in which long windows are read: summing 90 days
of 22,000 combinations each takes 20 ms from packs and 5 s from rows. Violations stand apart from the rest,
because most questions are about them alone. A pack is never changed: what comes late throws it away, and it
is made again.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable

from domain.windows import DAY_MS, HOUR_MS
from storage.codes import COLUMN_OF, RES_CODES

PACKED = (RES_CODES[HOUR_MS], RES_CODES[DAY_MS])
"""The resolutions that are packed."""
REFUSED, PASSED = 0, 1
"""Parts: violations, and everything else."""
COLUMNS = (*COLUMN_OF.values(), "outcome", "n")
WIDTHS = {name: 1 if name == "outcome" else 4 for name in COLUMNS}
"""Bytes per number, little end first; unsigned, but for `n`."""
MAX_N = 2**31 - 1


def column_id(pack: int, part: int, column: str) -> int:
    """Where a column of a pack stands in `pack_columns`."""
    return (pack * 2 + part) * 8 + COLUMNS.index(column)


def pack_column(column: str, numbers: Iterable[int]) -> bytes:
    """The numbers of a column as bytes.

    Raises:
        OverflowError: One does not fit.
    """
    packed = array("i" if column == "n" else "B" if WIDTHS[column] == 1 else "I", numbers)
    if packed.itemsize != WIDTHS[column]:
        raise OverflowError(f"this machine's arrays of {packed.typecode!r} have {packed.itemsize} bytes")
    if sys.byteorder != "little":
        packed.byteswap()
    return packed.tobytes()

"""Rows -> incidents -> people.

- `evaluation`: one instant after the other: the feed into the ledger, detectors, incidents
- `knowledge`: names and the past, read when they are asked for
- `history`: evaluation over what is stored already; `python -m alerting replay`
"""

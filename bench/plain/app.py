"""One consumer's page as plain Streamlit: the same answers of the same file, in its own elements."""

from __future__ import annotations

import os

import pandas as pd
import plotly.express as px
import streamlit as st

from bench.input import gateway
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, Window, bucket_width_ms, floor_ms
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader


@st.cache_resource
def opened() -> SqliteReader:
    """One reader for all sessions."""
    return SqliteReader(os.environ["GATEWATCH_DATABASE"], 10_000)  # noqa: TID251 - a script of its own


def render() -> None:
    """Ask and draw, at every run."""
    token = st.query_params.get("of", "consumer-0001")
    reader = opened()
    to_ms = floor_ms(gateway.NOW_MS, 10_000)
    window, filters = Window(to_ms - 7 * DAY_MS, to_ms), Filters().adding(Dimension.CONSUMER, token)
    bucket_ms = bucket_width_ms(window, 200)
    window = window.aligned(bucket_ms)
    st.title(token)
    totals = reader.totals(window, filters)
    for column, (name, value) in zip(
        st.columns(4),
        {
            "Violations": totals.violations,
            "Requests": totals.requests,
            "Addresses": totals.addresses,
            "Probable": totals.probable,
        }.items(),
        strict=True,
    ):
        column.metric(name, value)
    past = pd.DataFrame(
        reader.activity(window, Dimension.CONSUMER, token, bucket_ms),
        columns=["at", "requests", "violations", "probable"],
    )
    past["at"] = pd.to_datetime(past["at"], unit="ms")
    for measure in ("violations", "requests"):
        st.plotly_chart(px.bar(past, x="at", y=measure), key=measure)
    left, right = st.columns(2)
    for place, dimension in (
        (left, Dimension.IP),
        (right, Dimension.SERVICE),
        (right, Dimension.ROUTE),
        (right, Dimension.LIMIT),
    ):
        rows = reader.breakdown(dimension, window, filters)
        place.subheader(dimension.value)
        place.dataframe(
            pd.DataFrame(
                [
                    {"name": r.label, "violations": r.limited + r.probable, "requests": r.requests}
                    for r in rows
                ]
            )
        )
    found = reader.events(EventQuery(window=window, filters=filters, violations_only=True))
    st.dataframe(
        pd.DataFrame(
            [{"at": r.at_ms, "service": r.service, "address": r.ip, "status": r.status} for r in found.rows]
        )
    )


render()

"""Gatewatch: `streamlit run dashboard.py`. The pages are in ui/, what runs beside them in ui/server/."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from ui import exposure, viewer
from ui.server.serving import DashboardServer
from ui.store import now_ms, open_alerts, open_reader, settings

ROOT = Path(__file__).resolve().parent

if problem := exposure.refusal(st.get_option("server.address"), viewer.login()):
    raise SystemExit(problem)

environ = dict(os.environ)  # noqa: TID251 - the collector is our child and inherits ours
environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), environ.get("PYTHONPATH"))))
server = DashboardServer(
    settings(),
    ROOT,
    environ,
    open_reader,
    open_alerts,
    now_ms,
    lambda: st.get_option("server.allowedHosts"),
    lambda: st.get_option("server.corsAllowedOrigins"),
)
app = st.App(
    str(ROOT / "ui" / "entry" / "main.py"),
    lifespan=server.lifespan,
    routes=server.routes(),
    middleware=server.middleware(),
)

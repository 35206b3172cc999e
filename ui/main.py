"""The script that Streamlit runs for every page: set-up, and the page that the URL names."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import viewer
from ui.navigation import existing, streamlit_page

HERE = Path(__file__).resolve().parent

st.set_page_config(page_title="Gatewatch", page_icon=HERE / "icon.svg", layout="wide")
st.html(HERE / "style.css")
viewer.admit()
st.navigation([streamlit_page(entry.name) for entry in existing()], position="hidden").run()

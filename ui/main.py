"""The script that Streamlit runs for every page: set-up, and the page that the URL names."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.navigation import existing, streamlit_page

STYLE = Path(__file__).resolve().parent / "style.css"

st.set_page_config(page_title="Gatewatch", page_icon=":material/shield:", layout="wide")
st.html(STYLE)
st.navigation([streamlit_page(entry.name) for entry in existing()], position="hidden").run()

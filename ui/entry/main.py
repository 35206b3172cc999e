"""The script that Streamlit runs for every page: set-up, and the page that the URL names.

It stands in a folder of its own: beside a folder `pages/` Streamlit would run the files in there as pages
by themselves, until the first visitor of a new process has come by way of this script.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import permits, viewer
from ui.navigation import existing, streamlit_page

UI = Path(__file__).resolve().parent.parent

st.set_page_config(page_title="Gatewatch", page_icon=UI / "icon.svg", layout="wide")
st.html(UI / "style.css")
viewer.admit()
permits.admit()
st.navigation([streamlit_page(entry.name) for entry in existing()], position="hidden").run()

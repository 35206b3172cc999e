"""Charts: rows in, Plotly figure out. No Streamlit, no clock, no store."""

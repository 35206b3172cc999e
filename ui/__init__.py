"""What people see.

- `entry/main`: page set-up and navigation; `pages/`: one file a page
- `state`: the URL is the state; `wording`: every sentence shown
- `safe_text`: the one way data gets into labels
- `charts/`: rows in, plotly figure out, no Streamlit; `components/`: pieces that several pages use
- `server/`: what runs beside the pages in the same process: hub, routes, headers, supervisor
"""

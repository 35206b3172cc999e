"""What runs beside the pages in the same process, behind `dashboard.py`.

- `serving`: puts the parts together and gives `dashboard.py` its lifespan, routes and middleware
- `status`: what the running server offers to pages
- `supervisor`, `sample_player`, `child`, `log_file`: the collectors we start, watch and stop
- `hub`, `live_view`, `outbox`, `live_route`: live views, computed once for all who watch
- `live_frame`, `tiles`, `node_line`: the parts of a live view
- `subscription`, `tickets`: what a browser may watch, and the proof that a page allowed it
- `routes`, `exports`, `assets`: files, health and downloads; `headers`, `hosts`: who may ask, and how
"""

"""What happened and what it means: pure records and decisions.

No I/O, no clock, no SQL, no Streamlit. Clocks, ids and randomness come in as arguments.

- `errors`: the tree of errors, split by whose fault it is
- `events`: the five kinds of event and what a decoder hands on
- `violations`: is a log entry a violation by Kong, and how sure can we be
- `redaction`: secrets out, before anything is stored, logged or shown
- `nodes`, `node_states`, `fleet`, `successions`: signs of life -> how every Kong node is, and why
- `targets`: the health of an upstream's targets as each node sees it
- `cache_stories`, `cache_storms`: what made caches forget, and whether that is much
- `windows`: spans of time, buckets and how a span splits into rollups
- `filters`: what a page is restricted to, as plain text in a URL
- `baseline`: what is usual, from the past, skipping gaps
- `detectors/`: what somebody should look at, one pure function each
- `rules`: which detectors look, with which numbers, for whom; `inhibition`: what explains what
- `incidents`, `incident_flow`: what becomes of findings; `silences`: who is not told of what
"""

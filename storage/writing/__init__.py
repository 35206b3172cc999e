"""The parts of one write transaction; `intake` and `books` put them together.

- `keys`: words -> small integers
- `entities`: names over time; `places`: whose request it was and where it went
- `event_rows`, `details`: events into rows; `alike`: what events of one minute have in common
- `hooks`: which repeats count
- `nodes`, `targets`: states of nodes and of upstreams' targets, once per change
- `resends`: log entries that came before
- `rollups`: totals; `packs`: totals of hours and days that are over
- `sources`: cursors, senders, gaps, quarantine, the collector's status
- `plugins`, `settlement`: judging again; `retention`: clearing away

Each keeps caches of what is committed. After a rollback they are thrown away together.
"""

"""The parts of one write transaction; `storage.sqlite_store` puts them together.

- `keys`: words -> small integers
- `entities`: names over time
- `event_rows`: events into rows; `hooks`: which repeats count
- `resends`: log entries that came before
- `rollups`: totals; `packs`: totals of hours and days that are over
- `sources`: cursors, senders, gaps, quarantine, the collector's status
- `plugins`, `settlement`: judging again; `retention`: clearing away

Each keeps caches of what is committed. After a rollback they are thrown away together.
"""

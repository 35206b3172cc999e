"""The parts of one answer; `storage.sqlite_reader` puts them together.

- `connections`: read-only connections, their deadline, and a file that comes, goes or is replaced
- `spans`: a window -> the stored resolutions that answer it exactly
- `words`: tokens, ids and names <-> numbers
- `restriction`: filters -> numbers, and what of a table they leave
- `packed`, `cells`: what was counted, from packs and from rows; `entries`: both as columns of numbers
- `arrays`: sums over such columns; `remembered`: what need not be read again
- `sums`: totals per name in a window
- `totals`, `series`, `tops`, `pairs`, `kinds`: the questions that sums answer
- `event_rows`, `event_search`, `event_pages`: stored events
- `nodes`, `caches`: the questions of those pages
- `entities`, `freshness`, `markers`, `trouble`, `health`: the other questions

Every question gets a `Snapshot`: one short read transaction, so that its numbers belong together.
"""

"""The store and nothing else.

- `protocol`: what a store and a reader can do; `batches` goes in, `rows` come out
- `sqlite_store`, `sqlite_reader`: that contract on one SQLite file
"""

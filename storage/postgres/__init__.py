"""The store on PostgreSQL 18, for more than one machine; imported only where a setting names one.

- `connection`: psycopg behind the methods that our books use of a connection; `errors`: what its errors mean
- `statements`: our SQL as PostgreSQL reads it; `functions`: what SQLite has and PostgreSQL lacks
- `ddl`, `schema`: the same tables, from the same migrations
- `bulk`: many rows in one statement
- `store`: `storage.protocol.Store`; several of it may write at once
"""

"""Bytes to records, pure: no socket, no clock, no store. `received_ms` is always passed in.

- `json_bytes`: the one JSON parser, with its bounds; `raw_json`: JSON taken apart, its parts still bytes
- `masked_json`: redaction from bytes to bytes, each part once; `payloads`: what is kept of a message
- `fields`: one value of a JSON object as a bound column may hold it
- `times`: a sender's idea of when, checked against when it arrived
- `http_log`: Kong's http-log plugin; `parties`: whose request an entry tells of
- `event_hooks`, `signature`: Kong Enterprise event hooks
- `changes`: an entity before and after, shared by all who tell about configuration
- `generic`: webhook publishers and our own event JSON
- `kong_events`: worker events and cluster events as Kong posts them inside a node
- `admin`, `admin_lists`: answers of Kong's Admin API
- `stream`: frames and items of gatewatch.ingest.v1
- `recorded`: one line of a recorded file, recognised by its shape

Every decoder returns `domain.events.Decoded` and raises `domain.errors.DecodeError` only when the whole
message is unreadable; one bad entry among good ones is quarantined.
"""

"""The sockets.

- `session`: one stream connection as a pure state machine; `stream`: the WebSocket server around it
- `http`: the HTTP intakes, /healthz and /metrics
- `listening`: addresses and sockets to listen on
"""

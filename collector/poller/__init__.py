"""Asking Kong: every node's Admin API, gently, for signs of life, target health, names and limits in force.

- `address`: what may be polled, checked once
- `plan`: what to ask next, within a budget of requests; pure
- `client`: one request, with limits on everything; what a failure says about the node
- `node`: one address, polled until told to stop
- `poller`: all addresses, and which of them share a database

Kong's Admin API knows no conditional requests (kong/api/endpoints.lua, 3.9). What stands in for them: nodes
with a configuration hash list nothing again while it is the same, nodes that share a database are listed
once, and a page that is the same as last time is not stored again.
"""

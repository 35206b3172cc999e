"""`python -m collector simulate`: made-up, labelled gateway traffic over the real stream protocol.

- `world`: services, routes, consumers, addresses; `limits`: Kong's fixed windows; `entries`: log entries
- `scenarios`: the attacks; `traffic`: everything in order of time, the same for the same seed
- `labels`: the attacks' requests in a file of their own; `command`: options and sending

Refusals are not made up: every request goes through the counters of its node, as in Kong.
"""

from collector.simulate.command import main

__all__ = ["main"]

"""Kong's configuration: what changed, who did it, what followed, and what is put right, with approval.

- `admin_api`: the one door to Kong's Admin API: reads, and requests that were approved
- `planning`: what was asked for -> the exact requests, against how Kong is now
- `applying`: an approved plan -> sent, verified by reading back, recorded; and what a crash left behind
- `blocking`: blocks that are on, undone when their time is over
- `audit`: the Admin API's own records, and the actors of changes found by them
- `verdicts`: what followed each change
- `drift`: how Kong is, against what events told
- `service`: all of it, in turns
- `thread`: the service beside the collector, for as long as that runs
"""

"""What is wrong with what we show, and what to do about it: one pure decision per thing that can be wrong.

Health means: is what you see all there is. The worst comes first; nothing in the list means that every check
passed, and the page says which ones those were.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import StrEnum

from domain.filters import Dimension
from domain.windows import DAY_MS, MINUTE_MS
from settings import Settings
from storage.batches import Gap
from storage.rows import Freshness, SourceState, StoreHealth
from ui import wording as words
from ui.live_state import COLLECTOR_SILENT_MS, Cause, Feed, FeedState, is_connected
from ui.server.status import ChildState, ChildStatus

MEGABYTE = 1_000_000
LITTLE_DISK_BYTES = 2_000 * MEGABYTE
NO_DISK_BYTES = 300 * MEGABYTE
"""A full disk stops the store: nothing is acknowledged, and senders keep what they can."""
LARGE_WAL_BYTES = 256 * MEGABYTE
"""The collector folds it in long before; a reader that never ends its read keeps it from doing so."""
SLOW_COMMIT_MS = 500.0
"""A commit on a healthy local disk takes a few milliseconds."""
SILENT_SOURCE_MS = 15 * MINUTE_MS
FORGOTTEN_SOURCE_MS = 7 * DAY_MS
"""A sender that has been away for so long is history and no trouble."""
CLOCK_OFF_MS = 5_000
FULL_SHARE = 0.9
CROWD_OVER_MS = 10 * MINUTE_MS
"""So long after the last name that was one too many it is the past."""


class Severity(StrEnum):
    """How much a problem matters, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    NOTICE = "notice"


SEVERITIES = {
    Severity.CRITICAL: ":material/dangerous: Critical",
    Severity.HIGH: ":material/warning: High",
    Severity.NOTICE: ":material/info: Notice",
}
"""Icon and word, always together."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. Texts may hold data: escape them where they are shown."""

    severity: Severity
    what: str
    so: str
    """What it means for what is shown."""
    do: str
    """What to do next."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Everything that the checks look at."""

    freshness: Freshness
    feed: Feed
    health: StoreHealth
    settings: Settings
    child: ChildStatus | None
    """The collector as our supervisor sees it; None where none runs."""
    gaps: tuple[Gap, ...]
    """That touch the page's span."""
    quarantined: int
    """In the page's span; the newest are counted."""
    now_ms: int


def problems(checked: Checked) -> list[Problem]:
    """What is wrong, worst first."""
    found = [problem for check in CHECKS for problem in check(checked)]
    return sorted(found, key=lambda problem: list(Severity).index(problem.severity))


def _collector(checked: Checked) -> Iterator[Problem]:
    collector, child = checked.freshness.collector, checked.child
    if child is not None and child.state == ChildState.CONFLICT:
        yield Problem(
            severity=Severity.CRITICAL,
            what=f"The collector's address is taken: {child.detail}",
            so="Nothing that Kong sends reaches this database.",
            do="Stop the other program, or set http_listen and ws_listen to free ports, then restart.",
        )
    elif collector is None:
        yield Problem(
            severity=Severity.CRITICAL,
            what="No collector has ever written to this database.",
            so="Nothing that Kong sends is received.",
            do=_start(child),
        )
    elif checked.now_ms - collector.beat_ms > COLLECTOR_SILENT_MS:
        yield Problem(
            severity=Severity.CRITICAL,
            what=f"The collector was last heard {words.ago(collector.beat_ms, checked.now_ms)}.",
            so="What is shown ends there. Kong's http-log keeps what it can and sends it later.",
            do=_start(child),
        )
    elif collector.state == "degraded":
        yield Problem(
            severity=Severity.CRITICAL,
            what=f"The collector cannot store: {collector.detail or 'it does not say why'}",
            so="Nothing is acknowledged, so senders repeat; nothing is lost while their buffers last.",
            do="Free the disk or the lock that is named; the collector goes on by itself.",
        )
    elif collector.state == "stopping":
        yield Problem(
            severity=Severity.HIGH,
            what="The collector is stopping.",
            so="It takes nothing new.",
            do="Nothing, if you stopped it; else see its log.",
        )


def _start(child: ChildStatus | None) -> str:
    if child is None or child.state == ChildState.OFF:
        return "Start it with python -m collector, on this database."
    detail = f" It says: {child.detail}" if child.detail else ""
    if child.state in (ChildState.RUNNING, ChildState.EXTERNAL):
        return f"It answers, but does not write to this database: see its log.{detail}"
    return f"The dashboard is starting it.{detail} Its log is beside the database."


def _feed(checked: Checked) -> Iterator[Problem]:
    """Nothing arrives, and no other check says why."""
    feed = checked.feed
    if feed.state not in (FeedState.STALE, FeedState.DISCONNECTED):
        return
    if feed.cause not in (Cause.NOTHING_ARRIVES, Cause.SENDERS_GONE):
        return
    is_long = (feed.age_ms or 0) > SILENT_SOURCE_MS or feed.cause == Cause.SENDERS_GONE
    yield Problem(
        severity=Severity.HIGH if is_long else Severity.NOTICE,
        what=f"Nothing has arrived for {words.duration(feed.age_ms)}.",
        so="It may be quiet, or we may be blind: HTTP senders give no sign of life between two requests.",
        do="Send a request through Kong. If it does not show up within seconds, see docs/connect-kong.md.",
    )


def _senders(checked: Checked) -> Iterator[Problem]:
    for source in checked.freshness.sources:
        heard_ms = heard_of(source)
        if heard_ms is None or checked.now_ms - heard_ms > FORGOTTEN_SOURCE_MS:
            continue
        if source.connected is not None and not is_open(source, checked.freshness):
            yield Problem(
                severity=Severity.HIGH,
                what=f"The stream of {named(source)} is closed; last heard "
                f"{words.ago(heard_ms, checked.now_ms)}.",
                so="What that node refuses since then is not shown, until it reconnects and sends it.",
                do="See whether the node runs and reaches the collector's ws_listen; its log says more.",
            )
        elif source.connected is None and _is_silent(checked, source, heard_ms):
            yield Problem(
                severity=Severity.NOTICE,
                what=f"{named(source)} ({source.way}) sent nothing for "
                f"{words.duration(checked.now_ms - heard_ms)}.",
                so="No requests, or no way to us: HTTP senders give no sign of life between the two.",
                do="Send a request through Kong. If it does not show up, see Kong's error log for http-log.",
            )


def _is_silent(checked: Checked, source: SourceState, heard_ms: int) -> bool:
    is_replay = source.way == "replay"
    return not is_replay and checked.now_ms - heard_ms > SILENT_SOURCE_MS


def _missing(checked: Checked) -> Iterator[Problem]:
    if checked.gaps:
        lost_ms = sum(gap.to_ms - gap.from_ms for gap in checked.gaps)
        causes = ", ".join(dict.fromkeys(gap.cause for gap in checked.gaps))[:200]
        yield Problem(
            severity=Severity.HIGH,
            what=f"{words.counted(len(checked.gaps), 'gap')} in this span, "
            f"{words.duration(lost_ms)} together: {causes}.",
            so="Counts over them say “at least”; charts hatch them, and they teach no baseline.",
            do="See the gaps below: each names its sender and its cause.",
        )
    if checked.quarantined:
        yield Problem(
            severity=Severity.HIGH,
            what=f"{words.counted(checked.quarantined, 'message')} of this span could not be read.",
            so="They were acknowledged and kept as they came; nothing of them is in any count.",
            do="See the quarantine: the reason says what was expected.",
        )


def _disk(checked: Checked) -> Iterator[Problem]:
    health, collector = checked.health, checked.freshness.collector
    free_bytes = health.free_disk_bytes or 0
    if 0 < free_bytes < LITTLE_DISK_BYTES:
        is_full = free_bytes < NO_DISK_BYTES
        yield Problem(
            severity=Severity.CRITICAL if is_full else Severity.HIGH,
            what=f"{words.size(free_bytes)} of disk are left.",
            so="On a full disk nothing is stored and nothing acknowledged.",
            do="Make room, or keep less: events_days is the setting that frees most.",
        )
    if health.wal_bytes is not None and health.wal_bytes > LARGE_WAL_BYTES:
        yield Problem(
            severity=Severity.NOTICE,
            what=f"The write-ahead log is {words.size(health.wal_bytes)} large.",
            so="Reads become slower, and the disk fuller.",
            do="A program that reads the file without ending its read keeps it from being folded in: end it.",
        )
    if collector is not None and (collector.commit_p99_ms or 0) > SLOW_COMMIT_MS:
        yield Problem(
            severity=Severity.HIGH,
            what=f"One commit in a hundred takes longer than {collector.commit_p99_ms:,.0f} ms.",
            so="Events show up late; senders wait when the queue fills.",
            do="Put the database on a local disk, or see what else writes to it.",
        )


def _load(checked: Checked) -> Iterator[Problem]:
    collector = checked.freshness.collector
    if collector is None:
        return
    if collector.queue_batches >= FULL_SHARE * checked.settings.queue_batches:
        yield Problem(
            severity=Severity.HIGH,
            what=f"The queue to the store is full: {collector.queue_batches} batches.",
            so="Senders wait; nothing is lost while their buffers last.",
            do="See the commit times; if they are low, the machine is too small for the traffic.",
        )
    if collector.rejected_connections:
        turned_away = words.counted(
            collector.rejected_connections, "connection or request was", "connections and requests were"
        )
        yield Problem(
            severity=Severity.NOTICE,
            what=f"{turned_away} turned away since the collector started.",
            so="A sender with a wrong token, or somebody who should not send.",
            do="The collector's log names each address and reason.",
        )


def _clocks(checked: Checked) -> Iterator[Problem]:
    collector = checked.freshness.collector
    if collector is not None and collector.beat_ms - checked.now_ms > CLOCK_OFF_MS:
        ahead_ms = collector.beat_ms - checked.now_ms
        yield Problem(
            severity=Severity.HIGH,
            what=f"The collector's clock is {words.duration(ahead_ms)} ahead of this machine's.",
            so="Freshness, and spans that end now, are off by that much.",
            do="Set both clocks (NTP).",
        )


def _folded(checked: Checked) -> Iterator[Problem]:
    folded = {Dimension.IP: checked.health.folded, Dimension.CONSUMER: checked.health.folded_consumers}
    for crowd in checked.health.crowds:
        many = words.PLURALS[crowd.dimension]
        is_now = checked.now_ms - crowd.upto_ms < CROWD_OVER_MS
        yield Problem(
            severity=Severity.HIGH if is_now else Severity.NOTICE,
            what=f"More {many} than are told apart"
            + (": about " if is_now else f" until {words.ago(crowd.upto_ms, checked.now_ms)}: about ")
            + f"{crowd.about:,} too many in the newest such minute, "
            f"{words.counted(folded[crowd.dimension], 'request')} in all.",
            so=f"Every total is whole. {_WHERE_FOLDED[crowd.dimension]} How many {many} there were is a "
            "lower bound.",
            do="A million new names within minutes are an attack or a mistake, not customers: see which "
            "prefixes and routes they share. To name more of them, raise max_names_per_minute; the file "
            "grows with it.",
        )
    if checked.health.folded and Dimension.IP not in {crowd.dimension for crowd in checked.health.crowds}:
        yield Problem(
            severity=Severity.NOTICE,
            what=f"{words.counted(checked.health.folded, 'request')} came from addresses that were not told "
            "apart.",
            so="They count in every total, by their /24 or /64; how many addresses there were is a lower "
            "bound.",
            do="If you need them all, raise max_addresses_per_minute; the file grows with it.",
        )


_WHERE_FOLDED = {
    Dimension.IP: "Those too many count by their /24 or /64, as the rest of it.",
    Dimension.CONSUMER: "Those too many count under Other; the events behind it say who they were.",
}
CHECKS = (_collector, _feed, _senders, _missing, _disk, _load, _clocks, _folded)


def heard_of(source: SourceState) -> int | None:
    """The newest sign of life of a sender."""
    return max(filter(None, (source.last_received_ms, source.last_beat_ms)), default=None)


def named(source: SourceState) -> str:
    """What people call a sender."""
    return source.hostname or source.source


def is_open(source: SourceState, freshness: Freshness) -> bool:
    """Whether its stream is open, by the collector's word; no word, and it is not."""
    return freshness.collector is not None and is_connected(source, freshness.collector.beat_ms)


def source_state(source: SourceState, freshness: Freshness, now_ms: int) -> tuple[str, str]:
    """(icon and word, tone) of a sender."""
    heard_ms = heard_of(source)
    if source.connected is not None:
        if is_open(source, freshness):
            return "● connected", ""
        return "✕ closed", "critical" if _is_recent(heard_ms, now_ms) else "faint"
    if source.way == "replay":
        return "○ replayed", "faint"
    if heard_ms is None:
        return "○ never heard", "unknown"
    return ("● sending", "") if now_ms - heard_ms <= SILENT_SOURCE_MS else ("◐ silent", "high")


def _is_recent(heard_ms: int | None, now_ms: int) -> bool:
    return heard_ms is not None and now_ms - heard_ms <= FORGOTTEN_SOURCE_MS


def verdict(found: list[Problem], feed: Feed) -> str:
    """The answer first."""
    worst = [problem for problem in found if problem.severity != Severity.NOTICE]
    if feed.state == FeedState.WAITING and not worst:
        return "Nothing has been received yet; the collector is ready."
    if not found:
        return "✓ All is well: what you see is all there is."
    if not worst:
        return f"✓ What you see is all there is. {words.counted(len(found), 'thing')} to know:"
    return (
        f"{words.counted(len(worst), 'thing is', 'things are')} wrong. What you see may not be all there is."
    )


SOMETHING_ARRIVED = "something arrived lately"
PASSED = (
    "the collector answers and can store",
    SOMETHING_ARRIVED,
    "every stream is open",
    "no gap in this span",
    "nothing unreadable in this span",
    "disk, write-ahead log and commit times are in bounds",
    "the queue is not full",
    "clocks agree",
)
"""What is checked, in the order of `CHECKS`."""


def passed(feed: Feed) -> tuple[str, ...]:
    """What was found right, where nothing is wrong: nothing has arrived yet, and nobody says that it has."""
    return tuple(said for said in PASSED if feed.state != FeedState.WAITING or said != SOMETHING_ARRIVED)

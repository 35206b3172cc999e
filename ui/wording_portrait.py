"""Sentences about one consumer or address: who is this, and is it normal. The same from either side."""

from __future__ import annotations

from domain.baseline import Band, Basis, Standing
from domain.filters import Dimension
from domain.limits import Limit
from domain.limits_in_force import LimitChange, LimitInForce
from domain.windows import DAY_MS
from storage.rows import CellRow, Entity, Totals
from ui import wording as words
from ui.history import Measure
from ui.portrait import Portrait
from ui.zones import Zone

ASKED = {Dimension.CONSUMER: "Who is this, and is it normal?", Dimension.IP: "Who is behind this address?"}
OTHER_SIDE = {Dimension.CONSUMER: Dimension.IP, Dimension.IP: Dimension.CONSUMER}
"""A consumer is told apart by its addresses, an address by its consumers."""

STANDINGS = {
    Standing.ABOVE: "▲ Far more than usual",
    Standing.USUAL: "As usual",
    Standing.BELOW: "▼ Far less than usual",
}

NONE_SEEN = "None seen in this span."
NO_LIMIT = "No limit is known to apply, and none refused anything."
LIMITS_IN_FORCE_UNKNOWN = (
    "These refused something. Which limits are in force is not known: no sender tells how Kong's plugins are "
    "configured. An Admin API address (setting admin_url) would."
)


def when(portrait: Portrait, zone: Zone, *, moves: bool) -> str:
    """The span in a sentence: `in the last 24 h`, `from 2026-01-13 14:02 to 14:17 (UTC)`."""
    if moves:
        return f"in the last {words.span(portrait.window.length_ms)}"
    return "from " + words.window(portrait.window, zone)


def times(number: int) -> str:
    """How often: `once`, `twice`, `417 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


UNHEARD = "Nothing was heard in this span, so that its numbers are unknown, not zero."


def what_happened(
    portrait: Portrait, where: CellRow | None, limit: CellRow | None, span: str, *, is_known: bool = True
) -> str:
    """Who was refused how often, as what share, from how many, and mostly where.

    `is_known` is False when the feed is not current, so that none seen is not none.
    """
    totals, name = portrait.totals, portrait.name
    if not totals.violations:
        said = _nothing_refused(portrait, span)
        return said if is_known else f"As far as we know: {said}"
    counted = times(totals.violations)
    said = f"{name} was refused {'at least ' if totals.at_least else ''}{counted} {span}"
    if totals.requests:
        said += f", {words.ratio(totals.violations, totals.requests)} of {totals.requests:,} requests"
    said += _spread(portrait)
    mostly = " by ".join(
        part for part in (_most(where, Dimension.SERVICE), _most(limit, Dimension.LIMIT)) if part
    )
    return f"{said}, mostly on {mostly}." if mostly and where else f"{said}."


def _nothing_refused(portrait: Portrait, span: str) -> str:
    requests, name = portrait.totals.requests, portrait.name
    if requests:
        return f"{name} made {words.counted(requests, 'request')} {span}, and none was refused by a limit."
    if requests is None:
        return f"{name} was not refused {span}. No log tells of its other requests."
    return f"Nothing was seen of {name} {span}."


def _spread(portrait: Portrait) -> str:
    if portrait.dimension == Dimension.CONSUMER:
        count = portrait.totals.addresses
        return f", from {words.counted(count, 'address', 'addresses')}" if count else ""
    count = portrait.totals.consumers
    return f", as {words.counted(count, 'consumer')}" if count else ", without any consumer's key"


def _most(cell: CellRow | None, dimension: Dimension) -> str:
    if cell is None:
        return ""
    shown = words.label(dimension, cell.token, cell.label)
    return shown.replace("/", " / ", 1) if dimension == Dimension.LIMIT else shown


def is_it_normal(portrait: Portrait, measure: Measure, zone: Zone, now_ms: int) -> str:
    """How the span compares with the past of this one alone."""
    band = portrait.usual(measure)
    standing = portrait.standing(measure)
    if band is None or standing == Standing.NEW:
        return _too_new(portrait, zone, now_ms)
    return f"{STANDINGS[standing]}: {usually(band)} {compared_with(band, portrait.window.length_ms)}."


def usually(band: Band) -> str:
    """`usually none`, `usually 5`, `usually 3 to 9`."""
    low, high = round(band.low), round(band.high)
    if high == 0:
        return "usually none"
    return f"usually {high:,}" if low == high else f"usually {low:,} to {high:,}"


def compared_with(band: Band, length_ms: int) -> str:
    """What the past was looked at for the comparison."""
    count = words.count(band.samples)
    if band.basis == Basis.HOUR_OF_WEEK:
        if length_ms <= DAY_MS:
            return f"at this time of the week ({count} known)"
        return f"in as long before ({count} such spans known)"
    if band.basis == Basis.HOUR_OF_DAY:
        return f"at this time of day ({words.counted(band.samples, 'day')} known)"
    return f"in the {count} spans as long right before"


def _too_new(portrait: Portrait, zone: Zone, now_ms: int) -> str:
    since_ms = portrait.born_ms
    seen = "first seen" if since_ms > portrait.known_from_ms else "nothing is known before"
    at = words.moment(since_ms, zone)
    return (
        f"Too little is known before this span to say what is usual: {seen} {at},"
        f" {words.ago(since_ms, now_ms)}."
    )


def missing(totals: Totals) -> str:
    """What makes the numbers lower bounds; empty when nothing does."""
    if totals.gap_ms:
        return f"{words.duration(totals.gap_ms)} of this span are missing, so all counts may be too low."
    if totals.at_least:
        return "A sender drops repeats, so counts of violations may be too low."
    return ""


def former_names(entity: Entity, zone: Zone) -> str:
    """`formerly acme-app (until 2026-01-13 14:02:41 (UTC))`; empty when it always had its name."""
    former = [(name, until) for name, _, until in entity.names if until is not None and name != entity.label]
    said = [f"{name} until {words.moment(until, zone)}" for name, until in reversed(former)]
    return "formerly " + ", ".join(said) if said else ""


def identity(entity: Entity | None, zone: Zone, now_ms: int) -> list[str]:
    """Short facts about a consumer that stand under its name."""
    if entity is None:
        return ["nothing is known under this name; it may be spelled otherwise, or never have called"]
    facts = []
    if entity.deleted_ms is not None:
        facts.append(f"✕ deleted {words.moment(entity.deleted_ms, zone)}")
    facts.append(former_names(entity, zone))
    custom_id = entity.attributes.get("custom_id")
    if custom_id:
        facts.append(f"custom id {custom_id}")
    tags = entity.attributes.get("tags")
    if isinstance(tags, list) and tags:
        facts.append("tags " + ", ".join(map(str, tags)))
    if entity.first_seen_ms is not None:
        facts.append(f"first seen {words.moment(entity.first_seen_ms, zone)}")
    if entity.last_seen_ms is not None:
        facts.append(f"last seen {words.ago(entity.last_seen_ms, now_ms)}")
    return [fact for fact in facts if fact]


def limit_words(limit: Limit) -> str:
    """`20 / minute`."""
    return words.limit(limit.value, limit.name, limit.window_s)


def limits_words(limits: tuple[Limit, ...]) -> str:
    """`60 / minute and 3,000 / hour`; `no limit` where there is none."""
    return " and ".join(map(limit_words, limits)) or "no limit"


def limit_change(change: LimitChange, where: str) -> str:
    """`rate-limiting on service orders: 60 / minute became 5 / minute`."""
    return f"{change.plugin} {where}: {limits_words(change.before)} became {limits_words(change.after)}"


def counted_how(found: LimitInForce, dimension: Dimension) -> str:
    """How the limit counts, where that is not as people expect."""
    parts = []
    by = found.counted_by
    own = {"consumer", "credential"} if dimension == Dimension.CONSUMER else {"ip"}
    if by not in own:
        parts.append(f"counted by {by}")
    elif by == "credential":
        parts.append("per key")
    if found.policy == "local":
        parts.append("each node counts alone")
    if found.consumer_group_id is not None:
        parts.append("only for a consumer group")
    return ", ".join(parts)

"""What is wrong with the bus between collectors and writers, and with our processes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from domain.windows import MINUTE_MS
from storage.batches import BusState, Member
from ui import wording as words
from ui.health_checks import Checked, Problem, Severity, problems

SILENT_MS = 15_000
"""A process tells about itself every two seconds."""
ENDED_MS = 10 * MINUTE_MS
"""One that has been silent for longer was taken away, and is no trouble."""
MANY_WAITING = 1_000
"""Messages of up to 100 events each."""


def is_deployment(members: tuple[Member, ...], now_ms: int) -> bool:
    """Whether there is more than one process that does everything, and its predecessors on that machine."""
    heard = [m for m in members if now_ms - m.beat_ms <= SILENT_MS]
    machines = {m.member.rpartition(":")[0] for m in members}
    return len(heard) > 1 or len(machines) > 1 or any(m.bus is not None for m in members)


def all_problems(checked: Checked) -> list[Problem]:
    """What is wrong anywhere, worst first."""
    found = [*problems(checked)]
    if is_deployment(checked.freshness.members, checked.now_ms):
        found += [*bus_problems(checked), *process_problems(checked)]
    return sorted(found, key=lambda problem: list(Severity).index(problem.severity))


def newest_bus(members: tuple[Member, ...], now_ms: int) -> BusState | None:
    """The bus as the process that looked at it last sees it; a writer's word goes first, it sees the most."""
    told = [m for m in members if m.bus is not None and now_ms - m.beat_ms <= SILENT_MS]
    told.sort(key=lambda m: (m.role == "writer", m.beat_ms), reverse=True)
    return told[0].bus if told else None


def bus_problems(checked: Checked) -> Iterator[Problem]:
    """About the bus, its backlog, and what is on collectors' own disks."""
    members = checked.freshness.members
    bus = newest_bus(members, checked.now_ms)
    if bus is not None:
        yield from _of_bus(bus)
    spooled = {m.member: m.bus.spooled for m in members if m.bus is not None and m.bus.spooled}
    for member, n in spooled.items():
        yield Problem(
            severity=Severity.HIGH,
            what=f"{words.counted(n, 'message')} of {member} wait on its own disk.",
            so="They are acknowledged and not shown yet; that one disk is all that holds them.",
            do="See whether the bus runs. They go there by themselves when it takes messages again.",
        )


def _of_bus(bus: BusState) -> Iterator[Problem]:
    if not bus.is_connected:
        yield Problem(
            severity=Severity.CRITICAL,
            what=f"The bus {bus.url} does not answer: {bus.problem}",
            so="What collectors take stays on their disks, and is shown when the bus is back.",
            do="Start its nodes; see their logs. docs/scale.md says what it must have.",
        )
        return
    if bus.problem:
        yield Problem(
            severity=Severity.HIGH,
            what=f"The bus is not as safe as it should be: {bus.problem}.",
            so="Nothing is lost now; one more failure may lose what was acknowledged and is not stored.",
            do="See docs/scale.md: three nodes, sync_interval: always.",
        )
    elif bus.is_synced is None:
        yield Problem(
            severity=Severity.NOTICE,
            what="Nobody can tell whether the bus writes to disk before it acknowledges.",
            so="Where it does not, a power cut at all its nodes loses what is not stored yet.",
            do="Set bus_monitor_url to its nodes' monitoring ports.",
        )
    if bus.dead:
        yield Problem(
            severity=Severity.HIGH,
            what=f"{words.counted(bus.dead, 'message')} of the bus were laid aside.",
            so="They could not be read, or every writer died over them; their events are in no count.",
            do="See the quarantine for the reasons, mend them, then run `python -m collector put-back`.",
        )
    if (bus.waiting or 0) >= MANY_WAITING:
        yield Problem(
            severity=Severity.HIGH,
            what=f"{words.counted(bus.waiting or 0, 'message')} wait on the bus for a writer.",
            so="What is shown ends where the writers are; nothing is lost.",
            do="Start more writers, or see why the database is slow.",
        )


def process_problems(checked: Checked) -> Iterator[Problem]:
    """About processes that fell silent, and duties that nobody has."""
    members, now_ms = checked.freshness.members, checked.now_ms
    for member in members:
        silent_ms = now_ms - member.beat_ms
        if SILENT_MS < silent_ms < ENDED_MS and member.state != "stopping":
            yield Problem(
                severity=Severity.HIGH,
                what=f"The {member.role} {member.member} was last heard {words.ago(member.beat_ms, now_ms)}.",
                so="Others go on without it; senders that were connected to it wait or go elsewhere.",
                do="Start it again, or leave it: it is forgotten after an hour.",
            )
        elif member.state == "degraded" and silent_ms <= SILENT_MS:
            yield Problem(
                severity=Severity.HIGH,
                what=f"The {member.role} {member.member} cannot go on: {member.detail or 'no reason known'}",
                so="It takes nothing until that is over.",
                do="See its log.",
            )
    heard = [m for m in members if now_ms - m.beat_ms <= SILENT_MS]
    if len(heard) > 1 and not any(m.is_on_duty for m in heard):
        yield Problem(
            severity=Severity.HIGH,
            what="No process judges alerts and makes approved changes now.",
            so="Another takes over within 10 s; if this stays, nobody is told of anything.",
            do="See the writers' logs.",
        )

"""What a detector is: a name, the field's mapping, its parameters and one pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from domain.detectors.findings import Finding, Sample
from domain.detectors.scene import Scene

Values = Mapping[str, float]
"""A rule's parameters by name."""
Detect = Callable[[Scene, Values], Iterator[Finding | None]]
"""Yields what it sees, and None where it may be left for a while: looks are spread over turns."""
Refine = Callable[[Finding, Sequence[Sample]], Finding | None]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a rule may set."""

    name: str
    default: float
    unit: str
    help: str
    minimum: float
    maximum: float


def number(name: str, default: float, bounds: tuple[float, float], unit: str, about: str) -> Parameter:
    """A parameter, in short."""
    return Parameter(name=name, default=default, unit=unit, help=about, minimum=bounds[0], maximum=bounds[1])


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """One way of seeing something.

    The mapping uses the field's own names: Sigma's correlation types (sigma-specification, correlation
    rules), OWASP API Security Top 10 2023, OWASP Automated Threats, MITRE ATT&CK. None where a list has
    nothing like it.
    """

    name: str
    title: str
    """What people call it: `one key, many addresses`."""
    what: str
    """One sentence: what it sees, and against what."""
    detect: Detect
    delay_s: int
    """The longest from the moment that its condition holds in what arrived until it says so."""
    is_by_slot: bool = True
    """It rests on slots that are over: between two of them nothing changes for it."""
    parameters: tuple[Parameter, ...] = ()
    refine: Refine | None = None
    """Settles the shape by some of the refusals; None from it means: not that after all."""
    sigma: str | None = None
    owasp: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    guide: tuple[str, ...] = ()
    """What to do, step by step, at three in the morning."""

    def defaults(self) -> dict[str, float]:
        """The start value of every parameter."""
        return {p.name: p.default for p in self.parameters}

"""Every error of ours, split by whose fault it is.

GatewatchError
├── DecodeError          the sender's: bytes that are not what they claim to be
├── ProtocolError        the sender's: right bytes, wrong order or wrong place
├── StoreError           the store's
│   ├── StoreBusy        it may work in a moment (locked, disk full): retry, do not acknowledge
│   └── StoreCorrupt     it will not work again without a person
│       └── StoreForeign whole, but not ours to write: another program's, or a newer version's
├── BusError             the bus's: it did not take a message; the same again may work later
│   └── BusFull          its limit is reached: writers have to catch up first
└── DeadlineExceeded     a read took longer than it may

The operator's own mistakes are `settings.SettingValueError`.
"""

from __future__ import annotations

EXCERPT_CHARS = 120
DEFECT = "a defect of this program, please report it with what was kept"


def excerpt(raw: bytes | str) -> str:
    """How what was received begins: printable, one line, at most 120 characters, dots for the rest."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    shown = ""
    for character in text[:EXCERPT_CHARS]:
        escaped = character.encode("unicode_escape").decode("ascii")
        if len(shown) + len(escaped) > EXCERPT_CHARS:
            return shown + "..."
        shown += escaped
    return shown if len(text) <= EXCERPT_CHARS else shown + "..."


class GatewatchError(Exception):
    """The root of every error we raise on purpose."""


class DecodeError(GatewatchError):
    """What arrived cannot be read as what it claims to be.

    Args:
        where: The decoder and the place, such as `http_log entry 3 of 12`.
        problem: What was found and what was expected, with units.
    """

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem}")


def refusal_of(error: Exception, where: str) -> DecodeError:
    """The error itself where it is one of bytes; else what is told of a defect of ours.

    Whoever reads what arrives catches everything with it: a sender sends again what was not acknowledged, so
    one message that a decoder fails at would stop all that come behind it, for ever.
    """
    if isinstance(error, DecodeError):
        return error
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" in {last.tb_frame.f_code.co_name}" if last is not None else ""
    problem = f"reading it failed ({type(error).__name__}{place}): {DEFECT}"
    return DecodeError(where, problem)


class ProtocolError(GatewatchError):
    """A stream peer broke the protocol; the socket closes with `code`.

    Args:
        code: WebSocket close code, 4400 to 4499.
        reason: One short sentence for the peer, at most 120 bytes of UTF-8.
    """

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code} {reason}")


class StoreError(GatewatchError):
    """The store failed."""


class StoreBusy(StoreError):  # noqa: N818 - reads as the state it names
    """The store cannot take a write now: locked or full. Nothing was written."""


class StoreCorrupt(StoreError):  # noqa: N818
    """The file is damaged or is not ours."""


class StoreForeign(StoreCorrupt):
    """The file is whole, and not this program's to write. It is left where it is."""


class BusError(GatewatchError):
    """The bus did not do what it was asked; whether a message arrived is not known."""


class BusFull(BusError):  # noqa: N818
    """The bus holds as much as it may. The message did not arrive."""


class DeadlineExceeded(GatewatchError):  # noqa: N818
    """A read was stopped because it ran past its deadline.

    Args:
        deadline_ms: How long it was allowed to run.
    """

    def __init__(self, deadline_ms: int) -> None:
        self.deadline_ms = deadline_ms
        super().__init__(f"the database did not answer within {deadline_ms} ms")

"""Who may send: bearer tokens, each bound to one source. The file has lines `source:token`."""

from __future__ import annotations

import hmac
import ipaddress
import stat
from pathlib import Path

from settings import SettingValueError

OTHERS = stat.S_IROTH | stat.S_IWOTH
BEARER = b"bearer "
TOKEN_LIKE = ("token", "key", "secret", "auth", "password", "bearer", "credential")
"""A query parameter with one of these in its name would leave a secret in every log on the way."""


class Tokens:
    """The known tokens. Looking one up takes the same time whichever it is."""

    def __init__(self, by_token: dict[bytes, str]) -> None:
        self._by_token = by_token

    def source_of(self, authorization: str | None) -> str | None:
        """The source that an `Authorization: Bearer ...` header belongs to; None for an unknown one."""
        given = (authorization or "").encode("utf-8", "surrogateescape")
        if given[: len(BEARER)].lower() != BEARER:
            return None
        token = given[len(BEARER) :].strip()
        found = None
        for known, source in self._by_token.items():
            if hmac.compare_digest(known, token):
                found = source
        return found


def may_send_as(bound: str, source: str) -> bool:
    """Whether a token of `bound` may say hello as `source`: as itself, or as a part of itself, `bound/0`."""
    return source == bound or source.startswith(bound + "/")


def read_tokens(path: str) -> Tokens | None:
    """Read a token file; None when there is none to read (an empty path).

    Raises:
        SettingValueError: It cannot be read, others may read it, or a line is not `source:token`.
    """
    if not path:
        return None
    text = read_secret_file(path, "token file")
    by_token: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        source, colon, token = line.strip().rpartition(":")
        if not (source and colon and token):
            raise SettingValueError(f"token file {path}: line {number} is not source:token")
        if by_token.setdefault(token.encode(), source) != source:
            raise SettingValueError(f"token file {path}: line {number} has the token of another source")
    if not by_token:
        raise SettingValueError(f"token file {path} holds no line source:token")
    return Tokens(by_token)


def read_secret_file(path: str, what: str) -> str:
    """The text of a file that only its owner and group may read.

    Raises:
        SettingValueError: It cannot be read, or others may read or write it.
    """
    try:
        mode = Path(path).stat().st_mode
        if mode & OTHERS:
            shown = f"{stat.S_IMODE(mode):o}"
            raise SettingValueError(f"{what} {path} is readable by others (mode {shown}): chmod 600 it")
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingValueError(f"{what} {path} cannot be read: {reason}") from error


def is_loopback(address: str | None) -> bool:
    """Whether a peer or a listening address is this machine only."""
    if address == "localhost":
        return True
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def token_like(parameters: list[str]) -> str | None:
    """The first query parameter whose name says that a secret is in the URL."""
    for name in parameters:
        if any(part in name.lower() for part in TOKEN_LIKE):
            return name
    return None


def own_token(path: str) -> str | None:
    """The token that a sender presents: that of the first line of its token file; None without a file.

    Raises:
        SettingValueError: The file cannot be used.
    """
    if not path:
        return None
    read_tokens(path)
    lines = (line.strip() for line in read_secret_file(path, "token file").splitlines())
    first = next(line for line in lines if line and not line.startswith("#"))
    return first.rpartition(":")[2]

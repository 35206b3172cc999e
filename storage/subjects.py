"""Who is meant by an address, an id or a name that somebody wants to have erased."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Any

from domain.errors import StoreError
from storage.codes import Dim
from storage.engine import Connection
from storage.mentions import Subject
from storage.writing.pseudonyms import pseudonym_of


def find_subject(connection: Connection, dim: Dim, text: str, secret: bytes | None) -> Subject:
    """Look it up.

    Args:
        connection: To the store.
        dim: `Dim.IP` or `Dim.CONSUMER`.
        text: An address; or a consumer's id, or a name that one consumer alone has or had.
        secret: What pseudonyms of addresses were made with; None where there are none.

    Raises:
        StoreError: Several are called so.
    """
    return _address(connection, text, secret) if dim == Dim.IP else _consumer(connection, text)


def _address(connection: Connection, text: str, secret: bytes | None) -> Subject:
    spellings = {text}
    with contextlib.suppress(ValueError):
        spellings.add(str(ipaddress.ip_address(text)))
    if secret is not None:
        spellings.update([pseudonym_of(address, secret) for address in spellings])
    sure = sorted(spellings)
    marks = ", ".join("?" * len(sure))
    keys = _list(connection, f"SELECT key_id FROM keys WHERE dim = 2 AND value IN ({marks})", *sure)
    return Subject(Dim.IP, tuple(keys), tuple(sure), ())


def _consumer(connection: Connection, text: str) -> Subject:
    ids = set(
        _list(
            connection,
            "SELECT entity_id FROM entities WHERE entity_type = 'consumers' AND entity_id = ?",
            text,
        )
        or _list(connection, "SELECT value FROM keys WHERE dim = 1 AND value = ? AND is_name = 0", text)
        or _list(
            connection,
            "SELECT DISTINCT entity_id FROM entity_names WHERE entity_type = 'consumers' AND name = ?",
            text,
        )
        or _list(connection, "SELECT value FROM keys WHERE dim = 1 AND name = ? AND is_name = 0", text)
    )
    if len(ids) > 1:
        raise StoreError(f"{len(ids)} consumers are or were called {text!r}: give the id of one")
    names: set[str] = set()
    for entity_id in ids:
        names.update(
            name
            for name in _list(
                connection,
                "SELECT name FROM entity_names WHERE entity_type = 'consumers' AND entity_id = ?1"
                " UNION SELECT name FROM keys WHERE dim = 1 AND value = ?1"
                " UNION SELECT first_name FROM keys WHERE dim = 1 AND value = ?1",
                entity_id,
            )
            if name is not None
        )
    if not ids:
        names.add(text)
    words = (*ids, *names)
    marks = ", ".join("?" * len(words))
    keys = _list(connection, f"SELECT key_id FROM keys WHERE dim = 1 AND value IN ({marks})", *words)
    return Subject(Dim.CONSUMER, tuple(sorted(keys)), tuple(ids), tuple(sorted(names)))


def _list(connection: Connection, query: str, *values: Any) -> list[Any]:
    return [row[0] for row in connection.execute(query, values).fetchall()]

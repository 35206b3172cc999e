"""Leadership as an advisory lock that a session of its own holds."""

from __future__ import annotations

from domain.errors import StoreError
from storage.leadership import LEASE_S
from storage.location import PostgresUrl
from storage.postgres.connection import WRITE_LOCK, PostgresConnection

DUTY_LOCK = WRITE_LOCK + 2
ANSWER_MS = 2_000
_ALERT_SERVER = f"SET idle_session_timeout TO {round(1000 * LEASE_S)}"
"""A holder asks every second. Where it hangs, or its machine has vanished, the server ends the session then;
https://www.postgresql.org/docs/18/runtime-config-client.html#GUC-IDLE-SESSION-TIMEOUT"""


class PostgresLeadership:
    """For one thread at a time."""

    takeover_s = LEASE_S + 0.5

    def __init__(self, url: PostgresUrl) -> None:
        self._url = url
        self._connection: PostgresConnection | None = None
        self._opened = 0

    def hold(self) -> bool:
        """Take the lock, or make sure that the session that took it is still there.

        Raises:
            StoreError: The server does not answer, or another one does: the lock is gone with the session.
        """
        try:
            if self._connection is None:
                return self._take()
            self._connection.script("SELECT 1")
            if self._connection.opened == self._opened:
                return True
        except StoreError:
            self.release()
            raise
        self.release()  # it was opened again by itself, without the lock
        return self._take()

    def release(self) -> None:
        """End the session."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _take(self) -> bool:
        connection = PostgresConnection(self._url, deadline_ms=ANSWER_MS)
        try:
            connection.script(_ALERT_SERVER)
            row = connection.script(f"SELECT pg_try_advisory_lock({DUTY_LOCK})::int").fetchone()
        except BaseException:
            connection.close()
            raise
        if row is None or not int(row[0]):
            connection.close()
            return False
        self._connection, self._opened = connection, connection.opened
        return True

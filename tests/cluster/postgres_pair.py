"""A PostgreSQL primary with a synchronous standby, on loopback: what is committed is on both disks."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator

import psycopg

from tests.ports import free_port
from tests.postgres import Server, make_folder, run

OPTIONS = ("-c", "wal_level=replica", "-c", "wal_keep_size=256MB", "-c", "hot_standby=on")
WAIT_S = 30.0


class Pair:
    """Both servers; `url` names both, and libpq finds the one that takes writes."""

    def __init__(self, primary: Server, standby: Server, database: str) -> None:
        self.primary, self.standby, self.database = primary, standby, database

    @property
    def url(self) -> str:
        """For the setting `database`."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://postgres@{hosts}/{self.database}?target_session_attrs=read-write"

    def is_synchronous(self) -> bool:
        """Whether the primary waits for the standby with every commit."""
        with psycopg.connect(self.primary.url(), autocommit=True) as connection:
            row = connection.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
            return row.fetchone() == (1,)

    def promote(self) -> None:
        """Make the standby take writes, on its own."""
        with psycopg.connect(self.standby.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            connection.execute("SELECT pg_reload_conf()")
            assert connection.execute("SELECT pg_promote(true, 30)").fetchone() == (True,)


@contextlib.contextmanager
def postgres_pair(database: str = "gatewatch") -> Iterator[Pair]:
    """A pair of one's own, gone afterwards."""
    primary = Server(make_folder(), free_port(), *OPTIONS)
    standby = Server(make_folder(), free_port(), *OPTIONS)
    try:
        primary.initialise()
        with (primary.data / "pg_hba.conf").open("a", encoding="ascii") as access:
            access.write("host replication all 127.0.0.1/32 trust\n")
        with (primary.data / "postgresql.conf").open("a", encoding="ascii") as config:
            # not an option of the command line, which nothing could change when the standby takes over
            config.write("synchronous_standby_names = '*'\n")
        primary.start()
        run(
            "pg_basebackup", "-D", str(standby.data), "-h", "127.0.0.1", "-p", str(primary.port),
            "-U", "postgres", "-R", "--checkpoint=fast", "--no-sync",
        )  # fmt: skip
        standby.start()
        found = Pair(primary, standby, database)
        until = time.monotonic() + WAIT_S
        while not found.is_synchronous():
            assert time.monotonic() < until, (standby.folder / "log").read_text()
            time.sleep(0.05)
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}")  # type: ignore[call-overload]
        yield found
    finally:
        for server in (primary, standby):
            server.kill()
            shutil.rmtree(server.folder, ignore_errors=True)

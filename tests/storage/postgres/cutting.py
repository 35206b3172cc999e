"""A wire that is cut: everything passes between a client and a server until a certain word has gone by."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from storage.location import PostgresUrl


class Cutter:
    """Listens on loopback and passes on. Without encryption the words of the protocol can be seen."""

    def __init__(self, url: PostgresUrl) -> None:
        self._there = urlsplit(url.conninfo)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = PostgresUrl(
            f"postgresql://{self._there.username}@127.0.0.1:{port}{self._there.path}?sslmode=disable"
        )
        self._word: bytes | None = None
        self._open: list[socket.socket] = []

    def cut_after(self, word: bytes) -> None:
        """Let the server hear one more message that holds a word, and the client no answer to it."""
        self._word = word

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._there.hostname, self._there.port))
                self._open += [client, server]
                is_cut = threading.Event()
                threading.Thread(target=self._up, args=(client, server, is_cut), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server, is_cut), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, is_cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                if self._word is not None and self._word in data:
                    self._word = None
                    is_cut.set()
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _down(self, client: socket.socket, server: socket.socket, is_cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                if is_cut.is_set():
                    break  # the server has answered: it has done what it was told
                client.sendall(data)
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

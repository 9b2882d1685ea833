"""Stands between a client and a PostgreSQL server, and cuts a connection at a chosen moment."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

NAME = ".s.PGSQL.5432"


class CuttingProxy:
    """A Unix socket in `folder` that passes on to the one in `server`."""

    def __init__(self, server: str, folder: str) -> None:
        self.cut = ""
        """`request`: the next one is thrown away. `reply`: the next one, of what the server has done."""
        self.cuts = 0
        self._server = str(Path(server) / NAME)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(folder, NAME))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            both = (client, server)
            threading.Thread(
                target=self._pass_on, args=(*both, "request", both), daemon=True
            ).start()
            threading.Thread(
                target=self._pass_on, args=(server, client, "reply", both), daemon=True
            ).start()

    def _pass_on(
        self,
        source: socket.socket,
        target: socket.socket,
        way: str,
        both: tuple[socket.socket, ...],
    ) -> None:
        try:
            while data := source.recv(65536):
                if self.cut == way:
                    self.cut = ""
                    self.cuts += 1
                    break
                target.sendall(data)
        except OSError:
            pass
        for each in both:
            _end(each)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

"""A line between one client and a PostgreSQL server, on Unix sockets, that can be cut or made to hang."""

import os
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

NAME = ".s.PGSQL.5432"


class Line:
    """A socket in a folder of its own, which passes on to the one in the server's folder."""

    def __init__(self, server: str) -> None:
        self.folder = tempfile.mkdtemp(prefix="line-", dir="/tmp")
        self._server = str(Path(server) / NAME)
        self._passes = threading.Event()
        self._passes.set()
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.join(self.folder, NAME))
        listener.listen(64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def disturb(self, how: str) -> None:
        """`cut`: connections break, and new ones are refused. `hold`: nothing passes."""
        if how == "hold":
            self._passes.clear()
            return
        self._is_cut = True
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False
        self._passes.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX)
            try:
                if self._is_cut:
                    raise OSError("the line is cut")
                server.connect(self._server)
            except OSError:
                client.close()
                server.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._passes.wait()
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()

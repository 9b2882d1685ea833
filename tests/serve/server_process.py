"""`treadle serve` in a process of its own, with the agent of page_agent.py."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

KEY = "ann-has-this-long-key"
HERE = Path(__file__).parent


class Server:
    """`treadle serve` in a process of its own, which can be killed and started again.

    With `below`, the path of mounted_agent.py, it is an application within another one.
    """

    def __init__(self, folder: Path, below: str = "") -> None:
        self.folder = folder
        self.below = below
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        (folder / "keys").write_text(f"ann {KEY}\n")
        (folder / "keys").chmod(0o600)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.below}"

    def start(self) -> None:
        served = [
            "-m",
            "treadle",
            "serve",
            f"{HERE / 'page_agent.py'}:agent",
            f"{HERE / 'page_agent.py'}:order",
            "--port",
            str(self.port),
            "--keys",
            "keys",
        ]
        mounted = [str(HERE / "mounted_agent.py"), str(self.port), KEY]
        self.process = subprocess.Popen(
            [sys.executable, *(mounted if self.below else served)],
            cwd=self.folder,
            env=os.environ | {"PAGE_TEST_FOLDER": str(self.folder)},
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr
        assert b"open http://" in self.process.stderr.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()

    def paid(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "paid").read_text().split()
        return []

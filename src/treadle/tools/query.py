"""The tool that asks CSV, JSON and SQLite files in SQL, and only reads.

The files are copied out of their folder (inside.py), since SQLite writes beside a database even to
read it. A child process asks the copies, so that a query that burns can be ended at any time.
"""

import asyncio
import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.check_settings import check_number, check_whole_number
from ..core.errors import ToolError
from ..core.function_tool import make_tool
from ..core.tool import Tool
from ..models.child_interpreter import run_script
from .inside import Root, open_inside

_CHILD = Path(__file__).with_name("query_child.py")
_PIECE_BYTES = 1_000_000
_PREFIX = "treadle-query-"
_STALE_S = 24 * 3600.0
"""So old is a folder of copies only if its process was killed."""
_JOURNALS = ("-wal", "-journal")
"""What SQLite writes beside a database: without it the newest changes are missing or half there."""
_JOURNAL_HEAD_BYTES = 32
"""They hold a number that is new whenever the journal begins anew."""


@dataclass(frozen=True)
class QueryLimits:
    """How much one query may cost."""

    total_s: float = 15.0
    max_bytes: int = 50_000_000
    """Of all its files together."""
    max_memory_bytes: int = 1_000_000_000

    def __post_init__(self) -> None:
        check_number("QueryLimits(total_s", self.total_s)
        check_whole_number("QueryLimits(max_bytes", self.max_bytes)
        check_whole_number("QueryLimits(max_memory_bytes", self.max_memory_bytes)


@dataclass(frozen=True)
class DataTools:
    """The function of the tool, for one folder."""

    root: Root = "."
    limits: QueryLimits = QueryLimits()

    async def query_data(self, file: str, sql: str = "") -> str:
        """Ask a CSV, JSON lines or SQLite file in SQL: find, filter, sort, count, sum its rows.

        Use it for questions about a table, such as which row has the highest or the total. Reads
        only.

        Args:
            file: The file, such as prices.csv; several with commas between them.
            sql: One SELECT; the table has the file's name, such as SELECT item FROM prices. Empty:
                shows tables and columns.
        """
        try:
            async with asyncio.timeout(self.limits.total_s):
                return await self._ask(file, sql)
        except TimeoutError:
            raise ToolError(
                f"the query took longer than {self.limits.total_s:g} s; join and select less"
            ) from None

    async def _ask(self, file: str, sql: str) -> str:
        # Made and removed here, since a child that is ended cleans up nothing.
        await asyncio.to_thread(_remove_stale_copies)
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
            files = await asyncio.to_thread(self._copy_all, file, Path(folder))
            job = {
                "packages": [str(Path(__file__).parents[2])],
                "seconds": self.limits.total_s,
                "memory": self.limits.max_memory_bytes,
                "files": files,
                "sql": sql,
            }
            printed = await run_script(_CHILD, json.dumps(job).encode())
        if not printed:
            raise ToolError("the query ended without an answer; select less, or a smaller file")
        found = json.loads(printed)
        if "error" in found:
            raise ToolError(found["error"])
        return str(found["answer"])

    def _copy_all(self, file: str, folder: Path) -> list[tuple[str, str]]:
        """Pairs of a path as the model wrote it and its copy."""
        left = self.limits.max_bytes
        pairs: list[tuple[str, str]] = []
        for number, path in enumerate(self._split(file)):
            copy = folder / str(number)
            left = self._copy(path, copy, left)
            pairs.append((path, str(copy)))
        return pairs

    def _split(self, file: str) -> list[str]:
        if "," not in file:
            return [file]
        with suppress(ToolError):  # the comma is in the file's own name
            os.close(open_inside(self.root, file))
            return [file]
        return list(dict.fromkeys(path.strip() for path in file.split(",") if path.strip()))

    def _copy(self, path: str, copy: Path, left: int) -> int:
        """Copy a file, of a SQLite database also its journals. Returns the bytes left.

        A copy of what changed meanwhile would be torn, so that is copied again.
        """
        for _ in range(3):
            before = self._read_state(path)
            rest = self._copy_one(path, copy, left)
            for journal in _JOURNALS:
                beside = copy.with_name(copy.name + journal)
                beside.unlink(missing_ok=True)
                if before[journal]:
                    with suppress(ToolError):  # removed just now, which the next line notices
                        rest = self._copy_one(path + journal, beside, rest)
            if self._read_state(path) == before:
                return rest
        raise ToolError(f"{path!r} is being written all the time; ask again later")

    def _read_state(self, path: str) -> dict[str, object]:
        """What changes if a file is written: its times, and the heads of a database's journals."""
        with os.fdopen(open_inside(self.root, path), "rb") as file:
            status = os.fstat(file.fileno())
        state: dict[str, object] = {"": (status.st_ino, status.st_size, status.st_mtime_ns)}
        for journal in _JOURNALS:
            state[journal] = b""
            with (
                suppress(ToolError),
                os.fdopen(open_inside(self.root, path + journal), "rb") as file,
            ):
                state[journal] = file.read(_JOURNAL_HEAD_BYTES)
        return state

    def _copy_one(self, path: str, copy: Path, left: int) -> int:
        with os.fdopen(open_inside(self.root, path), "rb") as file, copy.open("wb") as target:
            while piece := file.read(_PIECE_BYTES):
                left -= len(piece)
                if left < 0:
                    raise ToolError(
                        f"{path!r} is too large: at most {self.limits.max_bytes:,} bytes of files"
                        " can be asked at a time"
                    )
                target.write(piece)
        return left


def _remove_stale_copies() -> None:
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process removes it too, or it is another user's
            if time.time() - left.lstat().st_mtime > _STALE_S:
                shutil.rmtree(left)


def data_tool(root: Root = ".", limits: QueryLimits | None = None) -> Tool:
    """query_data for the folder `root` only."""
    made = DataTools(root, limits or QueryLimits())
    timeout_s = made.limits.total_s + 15.0
    return make_tool(made.query_data, read_only=True, timeout_s=timeout_s, labels=("private",))


query_data = data_tool()

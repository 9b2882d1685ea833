"""This process, where it is the `treadle` command's own: what its standard output is, and its end.

1. Standard output belongs to the command. What tools print goes to standard error, also from C code
   and from the processes they start: so `--json` and answers stay what they are.
2. No thread of a tool keeps the process from ending.
"""

import atexit
import contextlib
import io
import os
import sys
import threading
from typing import Any, TextIO

END_S = 1.0
"""How long the end of the process waits for threads that tools have left behind."""


class OwnOutput(io.TextIOWrapper):
    """The command's standard output, by a file descriptor that no child process inherits."""


class OutputByThread:
    """`sys.stdout` of the command: its own output in the main thread, standard error elsewhere.

    Agents and tools never run in the main thread.
    """

    def __init__(self, own: OwnOutput) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        main = threading.current_thread() is threading.main_thread()
        return getattr(self._own if main else sys.stderr, name)


def own_output() -> TextIO:
    """The standard output of the command, from whatever thread, and whatever a tool redirects."""
    kept = sys.__stdout__
    if isinstance(kept, OwnOutput):
        return kept
    return sys.stdout


def keep_output() -> None:
    """Keep standard output for the command, and make standard error that of everything else."""
    before = sys.stdout
    if not isinstance(before, io.TextIOWrapper):
        return
    before.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        return
    own = OwnOutput(
        open(kept, "wb"),  # noqa: SIM115  # until the process ends
        encoding=before.encoding,
        errors="backslashreplace",
        line_buffering=before.line_buffering,
    )
    sys.__stdout__ = own  # type: ignore[misc]  # where Python itself keeps the first one
    sys.stdout = OutputByThread(own)


def leave_threads_behind(code: int) -> None:
    """To be called last: the process ends with this code, also if a thread never does.

    Python would wait for such a thread before it runs its exit functions.
    """
    joined = threading.Event()
    atexit.register(joined.set)  # the last to be registered is the first to run

    def end() -> None:
        if joined.wait(END_S):
            return
        atexit._run_exitfuncs()  # they close the store and end the embedded model's server
        for stream in (own_output(), sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)

    threading.Thread(target=end, daemon=True).start()

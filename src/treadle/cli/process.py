"""This process, where it is the `treadle` command's own: what its standard output is, and its end.

1. Standard output belongs to the command. What tools print goes to standard error, also from C
   code, from the processes they start or fork, by `sys.__stdout__`, and when the process ends: so
   `--json` and answers stay what they are.
2. No thread, process or exit function of a tool keeps the process from ending.
"""

import atexit
import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar, TextIO

END_S = 1.0
"""How long the end of the process waits for threads that tools have left behind."""
EXIT_FUNCTIONS_S = 3.0
"""How long it then waits for exit functions, the tools' and our own, and for their processes."""


class OutputFailed(OSError):
    """Standard output can't be written, as on a full disk: what was to be shown is lost there."""


class OwnOutput(io.TextIOWrapper):
    """The command's standard output, by a file descriptor that no child process inherits.

    Raises BrokenPipeError where nobody reads any more, else OutputFailed.
    """

    kept: "ClassVar[OwnOutput | None]" = None
    """That of this process, once it is kept."""

    def write(self, text: str) -> int:
        with _naming_failures():
            return super().write(text)

    def write_bytes(self, data: bytes) -> None:
        with _naming_failures():
            self.buffer.write(data)

    def flush(self) -> None:
        with _naming_failures():
            super().flush()


@contextlib.contextmanager
def _naming_failures() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        what = f"standard output can't be written: {error.strerror}"
        raise OutputFailed(error.errno, what) from error


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
    return OwnOutput.kept or sys.stdout


def write_bytes(data: bytes) -> None:
    """Write to standard output what is the same in every locale."""
    output = own_output()
    if isinstance(output, OwnOutput):
        output.write_bytes(data)
        return
    output.flush()
    output.buffer.write(data)


def open_closed_streams() -> None:
    """Standard streams that are closed, as some supervisors leave them, lead to nowhere.

    Else the next file that is opened, such as the database, would get such a stream's descriptor.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # the lowest one is free


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
    own = OwnOutput.kept = OwnOutput(
        open(kept, "wb"),  # noqa: SIM115  # until the process ends
        encoding=before.encoding,
        errors="backslashreplace",
        line_buffering=before.line_buffering,
        write_through=True,  # so that bytes come after the text before them
    )
    sys.stdout = OutputByThread(own)
    # `before`, which is sys.__stdout__, has the first descriptor: standard error by now.
    before.reconfigure(line_buffering=True)
    if hasattr(os, "register_at_fork"):

        def leave_to_parent() -> None:
            os.dup2(2, kept)  # else whoever reads the output waits for this process too
            sys.stdout = sys.stderr

        os.register_at_fork(before=_flush_own_output, after_in_child=leave_to_parent)


def end_process(code: int) -> None:
    """To be called last: the process ends with this code, whatever tools have left behind.

    Python would wait for their threads and processes, and for as long as an exit function takes.
    """
    if OwnOutput.kept:
        _flush_own_output()
        sys.stdout = sys.stderr  # what exit functions print is no answer
    joined = threading.Event()
    atexit.register(joined.set)  # the last to be registered is the first to run

    def end() -> None:
        if joined.wait(END_S):
            time.sleep(EXIT_FUNCTIONS_S)  # the process ends meanwhile, or something holds it
        else:
            # They close the store and end the embedded model's server.
            ending = threading.Thread(target=atexit._run_exitfuncs, daemon=True)
            ending.start()
            ending.join(EXIT_FUNCTIONS_S)
        _end_children()
        _flush_own_output()
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)

    threading.Thread(target=end, daemon=True).start()


def _end_children() -> None:
    """End the processes of Python and the embedded model's server, which nobody needs any more."""
    if multiprocessing := sys.modules.get("multiprocessing"):
        for child in multiprocessing.active_children():
            child.terminate()
    if server := sys.modules.get("treadle.models.local.server"):
        server.end_servers()


def _flush_own_output() -> None:
    if OwnOutput.kept:
        with contextlib.suppress(OSError, ValueError):
            OwnOutput.kept.flush()

"""The script of the child process in which query_data asks its tables.

It reads its job as JSON from standard input, and prints an answer or the reason for none as JSON.
It ends by itself soon after its time is up, also if its parent was killed.
"""

import json
import math
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any


def work(job: dict[str, Any]) -> None:
    """Print the answer to the job's question, or what is wrong with it."""
    if hasattr(signal, "alarm"):  # not on Windows
        signal.alarm(math.ceil(job["seconds"]) + 1)  # its default action ends the process
    sys.path += job["packages"]  # last, so that they hide no other package
    tables = import_module("treadle.tools.tables.ask_tables")
    errors = import_module("treadle.core.errors")
    with suppress(ImportError, ValueError, OSError):  # not on Windows; macOS has no such limit
        resource = import_module("resource")
        resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
    try:
        answer = {"answer": tables.ask_tables(job["files"], job["sql"])}
    except errors.ToolError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "that takes too much memory; ask a smaller file, or select less"}
    sys.stdout.buffer.write(json.dumps(answer).encode())


if __name__ == "__main__":
    work(json.loads(sys.stdin.buffer.read()))

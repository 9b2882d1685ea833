"""The script of the child process in which web_fetch extracts the text of a page.

It reads its job as JSON from standard input, and prints title and text as JSON. It ends by itself
soon after its time is up, so also if its parent was killed.
"""

import json
import math
import signal
import sys
from importlib import import_module
from typing import Any


def work(job: dict[str, Any]) -> None:
    """Print the title and the text of the job's page."""
    if hasattr(signal, "alarm"):  # not on Windows
        signal.alarm(math.ceil(job["seconds"]) + 1)  # its default action ends the process
    sys.path += job["packages"]  # last, so that they hide no other package
    page_text = import_module("treadle.tools.page_text")
    found = page_text.extract_text(page_text.FetchedPage(**job["page"]))
    sys.stdout.buffer.write(json.dumps(found).encode())


if __name__ == "__main__":
    work(json.loads(sys.stdin.buffer.read()))

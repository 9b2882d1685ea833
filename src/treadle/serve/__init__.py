"""Agents as a service: an HTTP API over the log, and a page. `treadle serve` runs it.

All of it reads logs and posts to them: a thread is the same one here, in Python and in a terminal.
"""

from .app import app

__all__ = ["app"]

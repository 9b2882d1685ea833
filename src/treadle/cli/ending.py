"""How a command ends: its exit code, its error, and the command with which one goes on."""

import sys

from ..core.errors import TreadleError, UsageError
from ..observe.visible import make_visible, visible_command, visible_line
from .options import AgentOptions, StoreOptions
from .signals import INTERRUPTED

ANSWERED = 0
FAILED = 1
USAGE = 2
LIMIT = 3
WAITING = 4
DECISION_COMMANDS = {
    "waiting": "approve",
    "question": "answer",
    "unknown": "settle",
    "pending": "settle",
    "imported": "adopt",
    "parked": "approve",
    "limit": "limit",
}
"""The command that decides on a call, by the call's status."""
EXIT_CODES = {"answered": ANSWERED, "limit": LIMIT, "waiting": WAITING, "cancelled": INTERRUPTED}


def next_command(command: str, thread_id: str, settings: StoreOptions, other: str = "") -> str:
    """The command line that runs this command on the thread, with the same agent and database.

    Safe to show. `other` is the name of the agent that must be given (`missing_agent`).
    """
    words = ["treadle", command, thread_id]
    if isinstance(settings, AgentOptions) and settings.agent:
        words += ["--agent", settings.agent]
    if other:
        words += ["--agent", "MODULE:NAME"]
    if isinstance(settings, AgentOptions):
        for option in settings.option or ():
            words += ["-o", option]
        for server in settings.mcp or ():
            words += ["--mcp", server]
    if settings.db:
        words += ["--db", settings.db]
    line = visible_command(words)
    if other:
        line += f" (with the agent {visible_line(other, 100)})"
    return line


def report_error(error: TreadleError) -> int:
    """Print the error to standard error; returns its exit code."""
    print(f"error: {make_visible(str(error))}", file=sys.stderr)
    return exit_code(error)


def exit_code(error: TreadleError) -> int:
    if isinstance(error, UsageError):
        return USAGE
    return FAILED

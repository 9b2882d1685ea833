"""How a command ends: its exit code, its error, and the command with which one goes on."""

import sys
from collections.abc import Iterable
from dataclasses import fields

from ..core.errors import TreadleError, UsageError
from ..core.values import PendingDecision
from ..core.visible import make_visible, visible_command, visible_line
from .amounts import option_of
from .options import AgentOptions, StoreOptions
from .parameters import name_option
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
_LEFT_TO_SAY = {
    "question": " TEXT",
    "pending": " --result TEXT",
    "unknown": " --ran | --not-run | --tell",
}
"""What the person who gives that command still has to say, by the call's status."""
EXIT_CODES = {"answered": ANSWERED, "limit": LIMIT, "waiting": WAITING, "cancelled": INTERRUPTED}


_OF_A_THREAD = ("adopt", "tail", "revoke", "cancel")
"""The commands that need no agent, and take no options of one."""


def next_command(command: str, thread_id: str, settings: StoreOptions, other: str = "") -> str:
    """The command line that runs this command on the thread, with the same agent, limits, database.

    Safe to show. `other` is the name of the agent that must be given (`missing_agent`).
    """
    words = ["treadle", command, thread_id]
    if other:
        words += ["--agent", "MODULE:NAME"]
    if isinstance(settings, AgentOptions) and command not in _OF_A_THREAD:
        if settings.agent:
            words += ["--agent", settings.agent]
        words += _options_of_agent(settings)
    if settings.db:
        words += ["--db", settings.db]
    line = visible_command(words)
    if other:
        line += f" (with the agent {visible_line(other, 100)})"
    return line


def decision_commands(
    waiting: Iterable[PendingDecision], thread_id: str, settings: StoreOptions
) -> list[str]:
    """The command lines that decide on these calls, from anywhere."""
    return sorted(
        {
            next_command(DECISION_COMMANDS[status], thread_id, settings)
            + _LEFT_TO_SAY.get(status, "")
            for status in {call.status for call in waiting}
        }
    )


def raise_command(limit: str, thread_id: str, settings: StoreOptions) -> str:
    """The command line that lets a turn go on that has ended at this limit."""
    return f"{next_command('limit', thread_id, settings)} {option_of(limit)} +N --resume"


def _options_of_agent(settings: AgentOptions) -> list[str]:
    """What was given of the agent's options beside --agent: a resumed turn goes by them, too."""
    words: list[str] = []
    for field in fields(AgentOptions):
        value = getattr(settings, field.name)
        if field.name in ("agent", "db") or value == field.default:
            continue
        name = name_option(field)
        given = value if isinstance(value, list) else [value]
        words += [
            word for each in given for word in ([name] if each is True else [name, f"{each}"])
        ]
    return words


def report_error(error: TreadleError) -> int:
    """Print the error to standard error; returns its exit code."""
    print(f"error: {make_visible(str(error))}", file=sys.stderr)
    return exit_code(error)


def exit_code(error: TreadleError) -> int:
    if isinstance(error, UsageError):
        return USAGE
    return FAILED

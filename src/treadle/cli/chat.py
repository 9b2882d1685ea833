"""The chat: `treadle` without a question on a terminal.

Enter sends, a backslash at the end of a line begins a new one, Ctrl-C ends the turn, Ctrl-D the
chat. What is typed while a turn works is said into it: talk_on.py. With the extra `chat`, lines are
edited, completed and remembered: chat_prompt.py.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from ..core.errors import TreadleError
from ..core.visible import make_visible, visible_word
from ..models.choose import make_models, split_names
from ..runtime.agent import Agent
from .agents import tools_by_name, with_model
from .note_commands import extract_after_chat
from .session import Session
from .tables import format_table, tool_row
from .talk_on import is_command

COMMANDS = {
    "/help": "what can be typed here",
    "/new": "begin a new thread",
    "/thread": "show the thread's name; with a name, go to that thread",
    "/resume": "go on with this thread's unfinished turn",
    "/model": "show the model; with a name, or several as a,b, use that from now on",
    "/tools": "the tools that the agent has",
    "/quit": "leave; Ctrl-D does too",
}
KEYS = (
    "Enter sends, \\ at the end of a line begins a new one (with the extra chat, Alt-Enter too);"
    " Ctrl-C stops a turn; what you send while it works is said into it, for its next model call"
)
_MORE = "for completion and the lines of earlier chats: pip install 'treadle[chat]'"
Read = Callable[[], str]
"""Reads what the person types. Raises EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C."""


def chat(session: Session) -> int:
    """Chat until the person leaves. The exit code is always 0."""
    session = replace(session, talks_on=True)
    session.screen.count_every_s = 0
    read = _make_reader(session)
    session.screen.note(
        f"thread {visible_word(session.thread_id)}; /help for help, Ctrl-D to leave", "dim"
    )
    if read is read_lines:
        session.screen.note(_MORE, "dim")
    extract_after_chat(_talk(read, session))
    return 0


def _make_reader(session: Session) -> Read:
    try:
        from .chat_prompt import make_prompt
    except ImportError:
        return read_lines
    return make_prompt(session, COMMANDS)


def read_lines() -> str:
    """One line, and those that follow one with a backslash at its end.

    Python's readline, where it is there, lets the person edit and repeat lines.
    """
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # from then on, input() uses it
    lines = [input("> ")]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1].removesuffix("\\")
        lines.append(input("  "))
    return "\n".join(lines)


def _talk(read: Read, session: Session) -> Session:
    """Read and answer until the person leaves; the session at the end."""
    while True:
        try:
            line = read().encode("utf8", "surrogateescape").decode("utf8", "replace")
        except KeyboardInterrupt:
            continue  # the line is discarded
        except EOFError:
            return session
        text = line.strip()
        if text in ("/quit", "/exit"):
            return session
        if is_command(line):
            session = _run_command(session, *text.split(maxsplit=1))
        elif text:
            session.ask(text)


def _run_command(session: Session, name: str, argument: str = "") -> Session:
    """Run a line that begins with a slash; the session from then on."""
    say = session.screen.note
    agent = session.agent
    assert isinstance(agent, Agent)
    try:
        match name:
            case "/help":
                say(format_table(list(COMMANDS.items())))
                say(KEYS)
            case "/new":
                extract_after_chat(session)
                session = replace(session, thread_id=session.agent.world.new_id())
                say(f"thread {session.thread_id}", "dim")
            case "/thread":
                session = replace(session, thread_id=argument or session.thread_id)
                say(f"thread {visible_word(session.thread_id)}", "dim")
            case "/resume":
                session.resume()
            case "/model":
                models = make_models(split_names(argument) or agent.model)
                session = replace(session, agent=with_model(agent, models, session.settings))
                names = ", ".join(visible_word(model.name) for model in models)
                say(f"model {names}", "dim")
            case "/tools":
                rows = [tool_row(tool) for tool in tools_by_name(agent).values()]
                say(format_table(rows) or "this agent has no tools")
            case _:
                known = ", ".join(COMMANDS)
                say(f"there is no {visible_word(name)}; there are: {known}", "yellow")
                say("a message that begins so: type a blank before it", "dim")
    except TreadleError as error:
        say(f"error: {make_visible(str(error))}", "red")
    return session

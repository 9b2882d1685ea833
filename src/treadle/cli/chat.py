"""The chat: `treadle` without a question on a terminal.

Enter sends, Alt-Enter or a backslash at the end of a line begins a new line, Ctrl-C ends the turn,
Ctrl-D the chat. Imported only when a chat begins: prompt_toolkit is slow to import.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import platformdirs
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from ..core.errors import TreadleError
from ..models.choose import make_models, split_names
from ..models.resolve import list_models
from ..observe.visible import make_visible, visible_word
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from ..stores.open_store import open_store
from .agents import tools_by_name, with_model
from .note_commands import extract_after_chat
from .session import Session
from .tables import format_table, tool_row

COMMANDS = {
    "/help": "what can be typed here",
    "/new": "begin a new thread",
    "/thread": "show the thread's name; with a name, go to that thread",
    "/resume": "go on with this thread's unfinished turn",
    "/model": "show the model; with a name, or several as a,b, use that from now on",
    "/tools": "the tools that the agent has",
    "/quit": "leave; Ctrl-D does too",
}
KEYS = "Enter sends, Alt-Enter or \\ at the end of a line begins a new one; Ctrl-C stops a turn"


def chat(session: Session) -> int:
    """Chat until the person leaves. The exit code is always 0."""
    prompt: PromptSession[str] = PromptSession(
        history=_open_history(),
        completer=_Completer(session),
        key_bindings=_make_key_bindings(),
        multiline=True,
    )
    session.screen.note(
        f"thread {visible_word(session.thread_id)}; /help for help, Ctrl-D to leave", "dim"
    )
    extract_after_chat(_talk(prompt, session))
    return 0


def _talk(prompt: "PromptSession[str]", session: Session) -> Session:
    """Read and answer until the person leaves; the session at the end."""
    while True:
        try:
            text = prompt.prompt("> ", prompt_continuation="  ").strip()
        except KeyboardInterrupt:
            continue  # the line is discarded
        except EOFError:
            return session
        if text in ("/quit", "/exit"):
            return session
        if text.startswith("/"):
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
                say(f"there is no {visible_word(name)}; there are: {', '.join(COMMANDS)}", "yellow")
    except TreadleError as error:
        say(f"error: {make_visible(str(error))}", "red")
    return session


class _Completer(Completer):
    """Completes commands, names of models and names of the last threads."""

    def __init__(self, session: Session) -> None:
        self._store = open_store(session.agent.store)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        line = document.text_before_cursor
        if not line.startswith("/"):
            return
        name, blank, typed = line.partition(" ")
        words = COMMANDS
        if blank:
            words = self._arguments(name)
        else:
            typed = name
        for word, meaning in words.items():
            if word.startswith(typed):
                yield Completion(word, -len(typed), display_meta=meaning)

    def _arguments(self, name: str) -> dict[str, str]:
        if name == "/model":
            models = {}
            for model in list_models():
                prefix = model.name.partition("<")[0]
                models[prefix] = "" if model.ready else f"needs {model.needs}"
            return models
        if name == "/thread":
            threads = run_sync(self._store.threads(20))
            return {thread.thread_id: f"{thread.records} records" for thread in threads}
        return {}


def _make_key_bindings() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _open_history() -> History:
    """The lines typed before, in a file of the user's alone.

    Only this chat's if it can't be written.
    """
    path = Path(platformdirs.user_state_dir("treadle", appauthor=False)) / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)

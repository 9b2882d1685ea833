"""The chat's prompt with the extra `chat`: several lines, completion, and what was typed before.

Imported only when a chat begins: prompt_toolkit is slow to import.
"""

import os
from collections.abc import Callable, Iterable, Mapping

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from ..models.resolve import list_models
from ..runtime.sync import run_sync
from ..stores.open_store import open_store
from ..this_user import NoHome, user_folder
from .session import Session


def make_prompt(session: Session, commands: Mapping[str, str]) -> Callable[[], str]:
    """A function that reads what the person types; it completes these commands."""
    prompt: PromptSession[str] = PromptSession(
        history=_open_history(),
        completer=_Completer(session, commands),
        key_bindings=_make_key_bindings(),
        multiline=True,
    )
    return lambda: prompt.prompt("> ", prompt_continuation="  ")


class _Completer(Completer):
    """Completes commands, names of models and names of the last threads."""

    def __init__(self, session: Session, commands: Mapping[str, str]) -> None:
        self._commands = commands
        self._store = open_store(session.agent.store)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        line = document.text_before_cursor
        if not line.startswith("/"):
            return
        name, blank, typed = line.partition(" ")
        words = self._commands
        if blank:
            words = self._arguments(name)
        else:
            typed = name
        for word, meaning in words.items():
            if word.startswith(typed):
                yield Completion(word, -len(typed), display_meta=meaning)

    def _arguments(self, name: str) -> Mapping[str, str]:
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
    try:
        path = user_folder("state", "HOME") / "history"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except (OSError, NoHome):
        return InMemoryHistory()
    return FileHistory(path)

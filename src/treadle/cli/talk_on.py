"""What a person types while a turn works is said into it: the lines of the chat.

The terminal edits each line by itself, as in a shell while a program runs. What was typed without
Enter when the turn ends stands in the next prompt.
"""

import os
import re
import select
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from ..core.errors import TreadleError, UnknownThread
from ..core.events import UserSaid
from ..core.result import Result
from ..core.visible import make_visible, visible_line
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from ..this_user import current_user
from .terminal import Screen


def is_command(line: str) -> bool:
    """Whether a line of the chat is a command, such as `/new`; `/etc/hosts` begins a message.

    So does a blank, whatever follows.
    """
    return re.match(r"/[\w-]*(?:\s|$)", line) is not None


class TalkOn:
    """Says lines into a thread while a turn works there; keeps those that come too early."""

    def __init__(self, agent: Agent, thread_id: str, screen: Screen) -> None:
        self._agent = agent
        self._thread_id = thread_id
        self._screen = screen
        self.unsaid: list[str] = []
        """Typed before the thread was there."""
        self.opened = False
        """A line came just after the turn had ended: it has opened the next one."""

    def say(self, line: str) -> None:
        """Say a line into the thread's turn. Called in an operating system thread."""
        text = line.strip()
        if is_command(line):
            self._screen.note("commands wait until the turn is over; nothing was said", "yellow")
            return
        try:
            said = UserSaid(text, by=current_user())
            steered = run_sync(self._agent.steer(self._thread_id, said))
            self.opened = self.opened or bool(steered.to_resume)
        except UnknownThread:
            self.unsaid.append(text)
        except TreadleError as error:
            self._screen.note(f"error: {make_visible(str(error))}", "red")


def run_and_listen(
    agent: Agent, work: Coroutine[Any, Any, Result], thread_id: str, screen: Screen
) -> Result:
    """Do the work on the thread's turn, and say into it what the person types meanwhile."""
    talk = TalkOn(agent, thread_id, screen)
    try:
        with saying_lines(talk.say):
            result = run_sync(work)
    except BaseException:
        for text in talk.unsaid:
            screen.note(f"not said: {visible_line(text, 200)}", "yellow")
        raise
    for text in talk.unsaid:
        said = UserSaid(text, by=current_user())
        result = run_sync(agent.run(said, thread=thread_id, when_busy="steer"))
    return run_sync(agent.resume(thread_id)) if talk.opened else result


@contextmanager
def saying_lines(say: Callable[[str], None]) -> Iterator[None]:
    """Until the block is left, say each line that the person types; nothing where no one can."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    waker, wake = os.pipe()
    reader = threading.Thread(target=_read_lines, args=(waker, say), daemon=True)
    reader.start()
    try:
        yield
    finally:
        os.write(wake, b".")
        reader.join()
        os.close(waker)
        os.close(wake)


def _read_lines(waker: int, say: Callable[[str], None]) -> None:
    """Say each line until something can be read from `waker`."""
    typed = sys.stdin.fileno()
    rest = b""
    while True:
        ready, _, _ = select.select([typed, waker], [], [])
        if waker in ready:
            return
        read = os.read(typed, 65536)
        if not read:
            return  # Ctrl-D: nothing more is said
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            text = line.decode("utf8", "replace")
            if text.strip():
                say(text)

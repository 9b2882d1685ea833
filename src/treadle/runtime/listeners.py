"""Listeners: callables that are told of each record and piece of text. They can't steer a turn."""

import _thread
import asyncio
import contextlib
import logging
import queue
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import groupby

import msgspec

from ..core.errors import UsageError
from ..core.events import ModelCalled, ModelFailed, ModelReplied, Record
from ..core.tool import is_async
from ..models.known_secrets import redact_known


class Delta(msgspec.Struct, frozen=True):
    """A piece of what the model is writing. Shown, never logged: the reply will has it all."""

    thread_id: str
    text: str
    thinking: bool = False
    """It is what the model thinks, and not said to the person."""


class TextSoFar:
    """What models have written of replies that aren't in the log yet, for who comes late."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[Delta]] = {}
        """By thread."""

    def take(self, what: Record | Delta) -> None:
        """Add a piece, or forget those of a reply that a record brings, ends or begins anew."""
        if isinstance(what, Delta):
            self._pieces.setdefault(what.thread_id, []).append(what)
        elif self._pieces and isinstance(what.event, (ModelCalled, ModelReplied, ModelFailed)):
            self._pieces.pop(what.thread_id, None)

    def read(self) -> Iterator[Delta]:
        """The text so far, in as few pieces as can be."""
        for thread_id, pieces in self._pieces.items():
            for thinking, run in groupby(pieces, lambda piece: piece.thinking):
                yield Delta(thread_id, "".join(piece.text for piece in run), thinking)


Listener = Callable[[Record | Delta], object]
"""Its return value is ignored; what it raises goes to the logger `treadle`, without secrets."""

_logger = logging.getLogger("treadle")

_PLAIN = (
    "make it a plain function, which is called in a thread; it may put what it hears into a queue"
)
LISTENER_GRACE_S = 5.0
"""How long the end of a turn waits for listeners that lag behind."""


class BackgroundListener:
    """Calls listeners in a background thread, in order: a slow one doesn't slow the turn."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        """Raises UsageError for an async listener."""
        for listener in listeners:
            if is_async(listener):
                raise UsageError(f"listener {listener!r} is async, and nobody awaits it: {_PLAIN}")
        self._listeners = listeners
        self._waiting: queue.SimpleQueue[Record | Delta | Callable[[], None]] = queue.SimpleQueue()
        self._running = False

    def tell(self, what: Record | Delta) -> None:
        """Put it in the queue. Never waits."""
        if not self._running:
            self._running = True
            _thread.start_new_thread(self._work, ())
        self._waiting.put(what)

    async def drain(self) -> None:
        """Wait until all has been heard, or for LISTENER_GRACE_S, and end the thread."""
        if not self._running:
            return
        self._running = False
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()

        def finish() -> None:
            with contextlib.suppress(RuntimeError):  # the loop that waited is closed
                loop.call_soon_threadsafe(heard.set)

        self._waiting.put(finish)
        try:
            await asyncio.wait_for(heard.wait(), LISTENER_GRACE_S)
        except TimeoutError:
            _logger.warning(
                "a listener lags behind by more than %g s; the turn has ended without it",
                LISTENER_GRACE_S,
            )

    def _work(self) -> None:
        while True:
            what = self._waiting.get()
            if not isinstance(what, Record | Delta):
                what()
                return
            for listener in self._listeners:
                _call(listener, what)


def _call(listener: Listener, what: Record | Delta) -> None:
    """Tell the listener. Its fault ends neither the turn nor the thread that calls it."""
    try:
        result: object = listener(what)
    except BaseException as error:
        told = "".join(traceback.format_exception(error)).rstrip()
        name = redact_known(repr(listener))
        _logger.error("listener %s raised; the turn goes on\n%s", name, redact_known(told))
        return
    if isinstance(result, Coroutine):
        result.close()  # else Python warns, at another place
        name = redact_known(repr(listener))
        _logger.error("listener %s gave a coroutine, and nobody awaits it: %s", name, _PLAIN)

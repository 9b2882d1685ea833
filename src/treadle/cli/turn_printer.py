"""Records and pieces of text, as they come, for a person: a listener. All of it is untrusted and made safe here."""

import threading
from collections.abc import Iterable

from ..core import events as e
from ..core.codec import encode_record
from ..core.events import Record
from ..core.result import Result, Summary
from ..observe.timeline import VALUE, WIDTH, Line, Timeline
from ..observe.visible import escape_controls, make_json_visible, make_visible, visible_line
from ..runtime.listeners import Delta, Listener
from .terminal import Screen
from .thread_tree import Depths


class OnceEach:
    """Passes on each record of each thread once, in order, and whatever else comes: also from two threads.

    So a reader of the log can fill in what no listener was told of, such as a decision, and what one lagged behind.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._last_seq: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, what: Record | Delta) -> None:
        with self._lock:
            if isinstance(what, Record):
                if what.seq <= self._last_seq.get(what.thread_id, 0):
                    return
                self._last_seq[what.thread_id] = what.seq
            self._listener(what)

    def catch_up(self, records: Iterable[Record]) -> None:
        """Pass on those of these records that weren't."""
        for record in records:
            self(record)

    def skip(self, records: Iterable[Record]) -> None:
        """Take these as passed on."""
        for record in records:
            self._last_seq[record.thread_id] = record.seq


class TurnPrinter:
    """Each step on standard error as it happens, and the answer on standard output.

    On a terminal the answer is shown while it is written. Elsewhere it comes whole, by `finish`: a text may turn out
    to be only the words before a tool call, and what reads a pipe wants nothing but the answer.
    """

    def __init__(self, screen: Screen, thread_id: str, quiet: bool = False) -> None:
        self._screen = screen
        self._thread_id = thread_id
        self._quiet = quiet
        self._timeline = Timeline()
        self._depths = Depths(thread_id)
        self._purpose = "step"
        self._streamed = ""

    def __call__(self, what: Record | Delta) -> None:
        if isinstance(what, Delta):
            if what.thread_id == self._thread_id:  # a helper's text is not the answer
                self._piece(what.text)
            return
        line = self.learn(what)
        if what.thread_id == self._thread_id:
            self._model(what)
        if not self._quiet:
            self._step(line)

    def learn(self, record: Record) -> Line:
        """Take a record into account without showing it; its line."""
        self._depths.learn(record)
        return self._timeline.line(record)

    def finish(self, result: Result) -> None:
        """The answer, where it wasn't shown while it was written, and what the turn took."""
        shown = self._screen.streams and self._streamed == result.answer
        if not shown and result.answer and result.status in ("answered", "limit"):
            safe = (
                make_visible(result.answer)
                if self._screen.streams
                else escape_controls(result.answer)
            )
            self._screen.say(safe.rstrip("\n") + "\n")
        self._screen.end_line()
        if not self._quiet:
            self._screen.note(format_result(result), "dim")

    def _piece(self, text: str) -> None:
        safe = make_visible(text, self._streamed[-1:])
        self._streamed += text
        if self._purpose == "plan":
            if not self._quiet:
                self._screen.piece(safe, "dim")
        elif self._screen.streams:
            self._screen.say(safe)

    def _model(self, record: Record) -> None:
        match record.event:
            case e.ModelCalled(model=model, purpose=purpose):
                self._purpose, self._streamed = purpose, ""
                if not self._quiet:
                    self._screen.notice(f"… {visible_line(model, VALUE)}")
            case e.ModelReplied(text=text, refusal=refusal, calls=calls) if (
                self._purpose != "compact"
            ):
                self._replied(text or refusal, bool(calls) and self._purpose == "step")

    def _replied(self, text: str, goes_on: bool) -> None:
        """What the pieces didn't show: all of it from a model that gives none, or where they aren't shown."""
        if text.startswith(self._streamed):
            if self._screen.streams or self._purpose == "plan":
                self._piece(text[len(self._streamed) :])
            elif goes_on and text.strip() and not self._quiet:
                self._screen.note(make_visible(text.strip()), "dim")
        self._screen.end_line()

    def _step(self, line: Line) -> None:
        """Calls, their results and what went wrong; the model's own text comes by `_replied`."""
        event = line.record.event
        final = (
            isinstance(event, e.ModelFailed) and event.retry_after_s is None
        )  # then it is the turn's own failure
        shown = isinstance(
            event, e.ToolStarted | e.ToolReturned | e.ToolFailed | e.ModelFailed | e.AnswerRejected
        )
        if shown and not final:
            self._screen.note(
                self._depths.before(line.record.thread_id) + make_visible(str(line)), line.tone
            )


class JsonPrinter:
    """Every record as a line of JSON on standard output; the person at a terminal sees no control character."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def __call__(self, what: Record | Delta) -> None:
        if isinstance(what, Record):
            line = encode_record(what).decode()
            self._screen.say((make_json_visible(line) if self._screen.streams else line) + "\n")


def format_result(result: Result) -> str:
    """What a turn took, in one line, and the thread's name."""
    return f"{format_totals(result.summary())}, thread {visible_line(result.thread_id, WIDTH)}"


def format_totals(took: Summary) -> str:
    """Steps, calls, tokens, cost and seconds."""
    parts = [_counted(took.model_calls, "step")]
    if took.tool_calls:
        parts.append(_counted(took.tool_calls, "tool call"))
    parts.append(_counted(took.tokens, "token"))
    if took.cost_usd:
        parts.append(f"${took.cost_usd:.4f}")
    return f"{', '.join(parts)}, {took.seconds:.1f} s"


def format_limit(result: Result) -> str:
    """Which limit ended the turn, in words."""
    reached = [
        record.event for record in result.records if isinstance(record.event, e.LimitReached)
    ]
    if not reached:
        return f"a limit was reached: {visible_line(result.reason, WIDTH)}"
    last = reached[-1]
    return (
        f"stopped at the limit of {last.limit.replace('_', ' ')}: {last.used:g} of {last.allowed:g}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""Listeners that show a turn while it runs. What they get is untrusted, and made safe here."""

import threading
from collections.abc import Iterable

from ..core import events as e
from ..core.account import describe_account
from ..core.codec import encode_record
from ..core.events import Record
from ..core.limits import format_amount
from ..core.result import Result, Summary
from ..core.visible import make_visible, visible_line
from ..observe.amounts import format_cost, format_count, format_seconds
from ..observe.line import Line
from ..observe.short_text import VALUE, WIDTH
from ..observe.timeline import Timeline
from ..runtime.listeners import Delta, Listener
from .terminal import Screen, make_safe
from .thread_tree import Depths


class OnceEach:
    """Passes on each record once, in the order of its thread, and all pieces of text. Thread-safe.

    So records that the listener has missed, such as a person's decision, can be added from the log.
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
        """Pass on the records that have not been passed on yet."""
        for record in records:
            self(record)

    def skip(self, records: Iterable[Record]) -> None:
        """Treat these records as passed on."""
        for record in records:
            self._last_seq[record.thread_id] = record.seq


class TurnPrinter:
    """Shows each tool call on standard error as it happens, and the answer on standard output.

    On a terminal the answer is shown while it is written. In a pipe `finish` writes it at the end:
    a text may turn out to be only the words before a tool call, and the reader wants only the
    answer.
    """

    def __init__(
        self, screen: Screen, thread_id: str, quiet: bool = False, checked: bool = False
    ) -> None:
        """`checked`: a check judges answers, so that no reply is shown before it has passed."""
        self._checked = checked
        self._screen = screen
        self._thread_id = thread_id
        self._quiet = quiet
        self._timeline = Timeline()
        self._depths = Depths(thread_id)
        self._purpose = "step"
        self._models: dict[str, str] = {}
        """By thread, the model that was asked last in the turn."""
        self._denied = ""
        """Why a model was denied, until another one goes on."""
        self._streamed = ""
        self._thought = ""

    def __call__(self, what: Record | Delta) -> None:
        if isinstance(what, Delta):
            if what.thread_id == self._thread_id:  # a child's text is not the answer
                if what.thinking:
                    self._show_thought(what.text)
                else:
                    self._show_piece(what.text)
            return
        line = self.learn(what)
        self._follow_fallback(what)
        if what.thread_id == self._thread_id:
            self._follow_model(what)
        if not self._quiet:
            self._show_call(line)

    def learn(self, record: Record) -> Line:
        """Take a record into account without showing it; returns its line."""
        self._depths.learn(record)
        return self._timeline.line(record)

    def finish(self, result: Result) -> None:
        """Show the answer, if it has not been shown yet, and what the turn took."""
        shown = self._screen.streams and self._streamed == result.answer
        if not shown and result.answer and _is_said(result):
            self._screen.say(make_safe(result.answer).rstrip("\n") + "\n")
        self._screen.end_line()
        if not self._quiet:
            self._screen.note(format_result(result), "dim")

    def _show_thought(self, text: str) -> None:
        if text and not self._quiet:
            self._screen.piece(make_visible(text, self._thought[-1:]), "dim")
            self._thought += text

    def _show_piece(self, text: str) -> None:
        safe = make_visible(text, self._streamed[-1:])
        self._streamed += text
        if self._purpose == "plan":
            if not self._quiet:
                self._screen.piece(safe, "dim")
        elif self._screen.streams:
            self._screen.say(safe)

    def _follow_fallback(self, record: Record) -> None:
        """Say where another model goes on in the middle of a turn."""
        match record.event:
            case e.UserSaid(answers="", steers=False):
                self._models.pop(record.thread_id, None)
            case e.ModelFailed(retry_after_s=None, message=message, claim=""):
                self._denied = message
            case e.ModelCalled(model=model):
                before = self._models.get(record.thread_id, model)
                if before != model and not self._quiet:
                    why = f" ({visible_line(self._denied, WIDTH)})" if self._denied else ""
                    before, now = visible_line(before, VALUE), visible_line(model, VALUE)
                    self._screen.note(f"{before} can't go on{why}: {now} does", "yellow")
                self._models[record.thread_id] = model
                self._denied = ""

    def _follow_model(self, record: Record) -> None:
        match record.event:
            case e.ModelCalled(model=model, purpose=purpose):
                self._purpose = purpose
                self._streamed = self._thought = ""
                if not self._quiet:
                    self._screen.notice(f"… {visible_line(model, VALUE)}")
            case e.ModelReplied() if self._checked:
                self._streamed = ""  # what is shown comes after the check
            case e.ModelReplied(text=text, calls=calls) if self._purpose != "compact":
                is_late = self._screen.streams and bool(self._streamed)
                if not self._thought and not is_late:  # the model gave no pieces of it
                    self._show_thought(record.event.thinking)
                    self._screen.end_line()
                self._show_rest(text, bool(calls) and self._purpose == "step")

    def _show_rest(self, text: str, goes_on: bool) -> None:
        """Show what was not streamed: all of it, if the model doesn't stream or this is a pipe."""
        if text.startswith(self._streamed):
            if self._screen.streams or self._purpose == "plan":
                self._show_piece(text[len(self._streamed) :])
            elif goes_on and text.strip() and not self._quiet:
                self._screen.note(make_visible(text.strip()), "dim")
        self._screen.end_line()

    def _show_call(self, line: Line) -> None:
        """Show a call, its result or an error; the model's text is shown by `_show_rest`."""
        match line.record.event:
            case e.ModelFailed(retry_after_s=None):
                return  # it is reported as the turn's failure
            case (
                e.ToolStarted()
                | e.ToolReturned()
                | e.ToolFailed()
                | e.ModelFailed()
                | e.AnswerRejected()
                | e.UserSaid(steers=True)
            ):
                before = self._depths.before(line.record.thread_id)
                self._screen.note(before + make_visible(str(line)), line.tone)


def _is_said(result: Result) -> bool:
    """Whether the model has said its answer: all of it, or so much while a call is still open."""
    if result.status != "waiting":
        return result.status in ("answered", "limit")
    said = [each.event for each in result.records if isinstance(each.event, e.ModelReplied)]
    return bool(said) and not said[-1].calls


class JsonPrinter:
    """Writes every record as a line of JSON to standard output, with escapes on a terminal."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def __call__(self, what: Record | Delta) -> None:
        if isinstance(what, Record):
            self._screen.say_json(encode_record(what))


def format_result(result: Result) -> str:
    """What a turn took, and the thread's name, in one line."""
    return f"{format_totals(result.summary())}, thread {visible_line(result.thread_id, WIDTH)}"


def format_totals(totals: Summary) -> str:
    """Steps, tool calls, tokens, cost and seconds."""
    parts = [format_count(totals.model_calls, "step")]
    if totals.tool_calls:
        parts.append(format_count(totals.tool_calls, "tool call"))
    parts.append(format_count(totals.tokens, "token"))
    if totals.cost_usd:
        parts.append(format_cost(totals.cost_usd))
    return f"{', '.join(parts)}, {format_seconds(totals.seconds)}"


def format_limit(result: Result) -> str:
    """Which limit ended the turn."""
    reached = [
        record.event for record in result.records if isinstance(record.event, e.LimitReached)
    ]
    if not reached:
        return f"a limit was reached: {visible_line(result.reason, WIDTH)}"
    last = reached[-1]
    name = last.limit.replace("_", " ")
    if last.account:
        name += f" of {visible_line(describe_account(last.account), WIDTH)}"
    amounts = f"{format_amount(last.used)} of {format_amount(last.allowed)}"
    return f"stopped at the limit of {name}: {amounts}"

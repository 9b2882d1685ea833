"""One attempt of a tool call, and the event that it ends in. Writes nothing: the loop does.

1. Nothing that a tool raises gets past here, not even SystemExit; only a cancellation of the turn
   does.
2. A tool that doesn't stop when its time is up is left running: in a daemon thread of the
   operating system, or in a task that is forgotten.
3. Of an attempt that was cut off nobody knows what it did, unless its tool is idempotent: the call
   stays open, as after a crash.
4. What it returns is cut to its `max_chars` (tool_result.py), and not redacted. What it raises is
   redacted, then cut.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from msgspec.structs import replace as with_fields

from ..core.context import ChildResult, Context
from ..core.errors import FlowChanged, NeedsDeps, Stopped, StoreError, ToolError, ToolRetry
from ..core.events import CallNoted, ChildWaits, QuestionAsked, ToolFailed, ToolReturned
from ..core.limits import backoff_s, tightest_limit
from ..core.pending import Pending
from ..core.question import Question
from ..core.raised import describe_raised, message_of
from ..core.taint import Labelled, join_labels, unlabel
from ..core.tool import Tool
from ..models.known_secrets import redact_known
from .border import is_ctrl_c
from .bounded import CutOff, TooLong, run_within
from .call_function import call_function
from .judge_result import is_judged, judge_result
from .parent_context import find_parent
from .tool_result import clean, render_result

MIN_TOOL_RETRIES = 3
"""A ToolRetry, which says that nothing has happened yet, is tried again at least so often."""

ToolOutcome = ToolReturned | ToolFailed | ChildWaits | CallNoted | QuestionAsked
"""The events that an attempt ends in."""


async def run_tool(
    tool: Tool,
    arguments: str,
    context: Context,
    left_s: float | None,
    chance: float,
    learn: Callable[[ToolOutcome], Any] | None = None,
) -> ToolOutcome:
    """Run the tool once.

    `left_s` is what the turn has left; `chance`, in [0, 1), varies a back-off. `learn` is called
    where the tool was cancelled, or its time was up, and it comes to its own end all the same.
    """
    began = asyncio.get_running_loop().time()
    try:
        checked = tool.arguments_of(arguments)
    except ToolError as error:
        message = redact_known(clean(str(error)))[: tool.max_chars]
        return ToolFailed(context.call_id, "arguments", message, _since(began))
    attempt = _Attempt(tool, context, tightest_limit(tool.timeout_s, left_s), chance, began)

    def learn_of(over: "asyncio.Future[Any]") -> None:
        outcome = attempt.find_late_outcome(over)
        if learn and outcome:
            learn(outcome)

    try:
        work = _call(tool, checked, context)
        whose = f"the async tool {tool.name}"
        waited = None
        if context.parent:
            waited = find_parent(context).log.idle.waited_s
        result = await run_within(attempt.timeout_s, work, whose, learn_of, waited)
        outcome = attempt.describe_result(result)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # a tool is another's code: the model is told what it raises
        if is_ctrl_c(error):
            raise
        if tool.child and isinstance(error, StoreError | NeedsDeps | FlowChanged):
            raise  # a child's store, deps and code are its parent's too: its turn stays open
        if isinstance(error, Stopped):
            raise  # it was kept from its work: no fact for the model
        outcome = attempt.describe_error(error)
    return await judge_result(tool, checked, context, outcome)


@dataclass(frozen=True)
class _Attempt:
    """Makes the event of what a tool has returned or raised."""

    tool: Tool
    context: Context
    timeout_s: float | None
    chance: float
    began: float

    def describe_result(self, result: Any) -> ToolOutcome:
        if isinstance(result, Pending | Question):
            return self.describe_error(result)
        call_id = self.context.call_id
        most = self.tool.max_chars
        if isinstance(result, Labelled):
            bare, labels = unlabel(result)
            outcome = self.describe_result(bare)
            if isinstance(outcome, ToolReturned):
                return with_fields(outcome, labels=join_labels((outcome.labels, labels)))
            return outcome
        if not isinstance(result, ChildResult):
            shown = render_result(result, most)
            took_s = _since(self.began)
            return ToolReturned(call_id, shown.text, took_s, shown.cut_chars, parts=shown.parts)
        if result.waiting:
            return ChildWaits(call_id, result.waiting)
        shown = render_result(result.answer, most)
        text, took_s = shown.text, _since(self.began)
        usage, cost_usd = result.usage, result.cost_usd
        if result.failed:
            return ToolFailed(
                call_id,
                "raised",
                text,
                took_s,
                usage=usage,
                cost_usd=cost_usd,
                labels=result.labels,
            )
        return ToolReturned(call_id, text, took_s, shown.cut_chars, usage, cost_usd, result.labels)

    def describe_error(self, error: BaseException) -> ToolFailed | CallNoted | QuestionAsked:
        if isinstance(error, Pending) and self.context.notes:
            return self.context.notes.describe(error)
        if isinstance(error, Question):
            text = redact_known(clean(error.text))[: self.tool.max_chars]
            return QuestionAsked(self.context.call_id, text, error.state)
        kind, message = _describe(error, self.tool, self.timeout_s)
        retry_after_s = _retry_after_s(error, self.tool, self.context.failures, self.chance)
        message = redact_known(clean(message))[: self.tool.max_chars]
        unknown = retry_after_s is None and self._may_have_run(error)
        if unknown:
            retry_after_s = 0.0
        return ToolFailed(
            self.context.call_id,
            kind,
            message,
            _since(self.began),
            retry_after_s,
            unknown=unknown,
        )

    def _may_have_run(self, error: BaseException) -> bool:
        """Whether nobody knows what the attempt did. Of a child its own log says that: end_turn.py
        looks there."""
        is_cut_off = isinstance(error, CutOff | TooLong)
        return is_cut_off and (not self.tool.idempotent or self.tool.child is not None)

    def find_late_outcome(self, over: "asyncio.Future[Any]") -> ToolOutcome | None:
        """What a tool has come to that nobody waits for any more; None if it did nothing yet.

        None too where rules would have to judge it: nobody waits for them either.
        """
        try:
            result = over.result()
            if inspect.iscoroutine(result):
                result.close()
                return None
            outcome = self.describe_result(result)
        except Stopped:
            return None
        except Exception as error:
            outcome = self.describe_error(error)
        return None if is_judged(self.tool, outcome) else outcome


def _describe(
    error: BaseException, tool: Tool, timeout_s: float | None
) -> tuple[Literal["raised", "timeout"], str]:
    """The kind of failure, and the message for the model."""
    if isinstance(error, TooLong):
        return "timeout", _timeout_message(tool, timeout_s, error.stopped)
    text = message_of(error)
    if isinstance(error, ToolError) and text:
        return "raised", text
    return "raised", describe_raised(error)


def _timeout_message(tool: Tool, timeout_s: float | None, stopped: bool) -> str:
    message = f"{tool.name} took longer than {timeout_s:g} s and "
    if not stopped:
        message += "is still running"
        return message if tool.idempotent else f"{message}; it may still have its effect"
    # What it has begun can't be seen: threads and shielded tasks go on.
    message += "was cancelled; a thread or task that it began may still run"
    return message if tool.idempotent else f"{message}, and it may have had its effect"


def _retry_after_s(error: BaseException, tool: Tool, failures: int, chance: float) -> float | None:
    """Seconds until the next attempt; None where there must be none."""
    attempt = failures + 1
    if isinstance(error, ToolRetry) and attempt <= max(tool.retries, MIN_TOOL_RETRIES):
        return backoff_s(attempt, chance, error.retry_after_s)
    if isinstance(error, ToolError) or attempt > tool.retries:
        return None
    if isinstance(error, (ConnectionError, TimeoutError, *tool.retry_on)):
        return backoff_s(attempt, chance)
    if isinstance(error, TooLong) and error.stopped:
        return backoff_s(attempt, chance)
    return None


async def _call(tool: Tool, arguments: Mapping[str, Any], context: Context) -> Any:
    assert tool.function is not None
    keywords = dict(arguments)
    if tool.context:
        keywords[tool.context] = context
    return await call_function(tool.function, keywords, tool.name)


def _since(began: float) -> float:
    return round(asyncio.get_running_loop().time() - began, 6)

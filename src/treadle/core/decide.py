"""What to do next: the rules of the loop, in one place. Pure: no I/O, no clock, no randomness.

`decide` is asked again after every fact, and gives one of four things. A rule that isn't here isn't a rule.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec.structs import replace

from . import events as e
from .approvals import Rule, apply_rules
from .call import CallState, call_digest
from .errors import ToolError
from .limits import Limits, check_model_call_limits, check_tool_call_limits
from .state import State
from .tool import Tool
from .turn import INCOMPLETE, Turn

MAX_USELESS_REPLIES = 3
"""Useless replies in a row (empty, cut off, an answer that failed its check) after which the turn has failed."""

MAX_OVERFLOWS = 2
"""Prompts that the model refuses as too large, each half of the one before, after which the turn has failed."""


@dataclass(frozen=True)
class Policy:
    """What an agent has decided beforehand."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    limits: Limits = Limits()
    approvals: tuple[Rule, ...] = ()
    plan: bool = False
    check: Callable[[str], str | None] | None = None
    """Of an answer: None if it will do, else what is wrong with it, in words for the model."""
    unknown: Literal["ask", "tell"] = "ask"
    """A call of unknown outcome: wait for a person, or tell the model that it may have had its effect."""
    steps: Mapping[str, Tool] = field(default_factory=dict)
    """By id, what a flow's code has asked for."""

    def find_tool(self, call: CallState) -> Tool | None:
        return self.steps.get(call.id) or self.tools.get(call.name)


class CallModel(msgspec.Struct, frozen=True):
    purpose: e.Purpose = "step"
    attempt: int = 1
    delay_s: float = 0.0


class RunTools(msgspec.Struct, frozen=True):
    """Together, unless there is only one."""

    calls: tuple[CallState, ...]


class Append(msgspec.Struct, frozen=True):
    """Facts that follow from the state alone: refusals, questions, limits, the end."""

    events: tuple[e.Event, ...]


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do before somebody else writes to this log."""


Next = CallModel | RunTools | Append | Wait


def decide(state: State, setup: Policy) -> Next:
    """The next thing to do in this thread."""
    turn = state.turn
    if turn is None or turn.ended or turn.called or not state.trusted:
        return Wait()
    if turn.compacting_upto_seq and turn.replied:
        return Append((e.ContextCompacted(turn.compacting_upto_seq, turn.replied.text.strip()),))
    if turn.limit:
        return _at_limit(turn, setup.limits)
    if turn.calls:
        return _tools(state, turn, setup)
    if turn.failed:
        return _after_failure(state, turn, turn.failed, setup.limits)
    if turn.replied and (not turn.replied.calls or turn.replied.finish_reason in INCOMPLETE):
        return _after_text(state, turn, turn.replied, setup)
    return _step(state, setup)


def _step(state: State, setup: Policy) -> Next:
    reached = check_model_call_limits(setup.limits, state.spent)
    if reached:
        return Append((reached,))
    assert state.turn is not None
    unplanned = setup.plan and "plan" not in state.turn.purposes
    return CallModel(
        "plan" if unplanned and (state.turn.steps == 0 or state.turn.purpose == "plan") else "step"
    )


def _at_limit(turn: Turn, limits: Limits) -> Next:
    assert turn.limit is not None
    end = Append((e.TurnEnded("limit", turn.limit.limit),))
    spoken = "answer" in turn.purposes or turn.failed
    if limits.last_word and turn.limit.limit in ("steps", "tool_calls", "repeats") and not spoken:
        return CallModel("answer")
    return end


def _after_failure(state: State, turn: Turn, failed: e.ModelFailed, limits: Limits) -> Next:
    if failed.kind == "timeout":
        return Append((e.LimitReached("seconds", round(turn.active_s, 3), limits.seconds or 0.0),))
    if failed.kind == "overflow" and turn.overflows <= MAX_OVERFLOWS:
        return CallModel(
            turn.purpose, turn.attempts + 1
        )  # there is room for half of it now: TokenCalibration.refused_tokens
    wait_s = failed.retry_after_s
    if wait_s is None or turn.attempts >= limits.model_tries:
        return Append((e.TurnEnded("failed", failed.message),))
    if limits.seconds is not None and state.spent.seconds + wait_s >= limits.seconds:
        return Append(
            (e.LimitReached("seconds", round(turn.active_s + wait_s, 3), limits.seconds),)
        )
    return CallModel(turn.purpose, turn.attempts + 1, wait_s)


def _after_text(state: State, turn: Turn, reply: e.ModelReplied, setup: Policy) -> Next:
    """No whole call came: an answer, a plan, or a reply that can't stand as either."""
    if reply.refusal or reply.finish_reason == "content_filter":
        return Append((e.TurnEnded("refused", reply.refusal or "the provider's content filter"),))
    if turn.purpose == "plan" and reply.text.strip():
        return _step(state, setup)
    if reply.finish_reason == "length" and reply.text.strip() and not reply.calls:
        return Append(
            (e.LimitReached("output", reply.usage.output_tokens, reply.usage.output_tokens),)
        )
    if turn.useless_replies >= MAX_USELESS_REPLIES:
        return Append((e.TurnEnded("failed", _fault(turn, reply)),))
    if not reply.text.strip() or reply.calls or turn.rejected:
        return _step(state, setup)
    wrong = setup.check(reply.text) if setup.check else None
    return Append((e.AnswerRejected(wrong) if wrong else e.TurnEnded("answered"),))


def _fault(turn: Turn, reply: e.ModelReplied) -> str:
    if turn.rejected:
        return (
            f"{MAX_USELESS_REPLIES} answers in a row were unfit; the last: {turn.rejected.message}"
        )
    return f"{MAX_USELESS_REPLIES} replies in a row were of no use, empty or cut off; the last finished with {reply.finish_reason!r}"


def _tools(state: State, turn: Turn, setup: Policy) -> Next:
    """Refuse what can't run, ask for what may not, run what may; then wait for people."""
    facts: list[e.Event] = []
    ready: list[CallState] = []
    for call in turn.calls:
        found = _judge(call, state, turn, setup)
        if isinstance(found, CallState):
            ready.append(found)
        elif found is not None:
            facts.append(found)
    over = [fact for fact in facts if isinstance(fact, e.LimitReached)]
    if facts:
        return Append(tuple(over[:1] or facts))
    together = _together(ready, setup)
    wait_s = max(
        (call.retry_after_s for call in together if call.status == "retrying"), default=0.0
    )
    spent = replace(state.spent, seconds=state.spent.seconds + wait_s)
    reached = check_tool_call_limits(setup.limits, spent, sum(call.attempt == 0 for call in ready))
    if ready and reached:
        return Append((reached,))
    return RunTools(together) if ready else Wait()


def _judge(call: CallState, state: State, turn: Turn, setup: Policy) -> e.Event | CallState | None:
    """What a call needs: a fact about it, to run (the call itself), or nothing now (None)."""
    tool, call_id = setup.find_tool(call), call.id
    match call.status:
        case "done" | "waiting" | "question" | "started" | "child":
            return None
        case "denied":
            return e.ToolFailed(call_id, "denied", f"a person refused this call{_why(call.reason)}")
        case "unknown" if not (tool and tool.idempotent) or tool.child:  # the latter in a fork
            if setup.unknown == "ask":
                return None
            return e.OutcomeDecided(call_id, "tell", "policy")
        case "asked":
            return _asked(call, tool, state, turn, setup)
    if tool is None:
        return e.ToolFailed(call_id, "unknown_tool", _unknown(call.name, setup))
    return _hand_over(call, tool, turn, setup) if tool.hands_to else call


def _hand_over(call: CallState, tool: Tool, turn: Turn, setup: Policy) -> e.Event | None:
    """The first of a round puts another agent in charge, once the round's other calls are done."""
    others = [one for one in turn.calls if one is not call and one.status != "done"]
    rivals = [one for one in others if one.name in setup.tools and setup.tools[one.name].hands_to]
    if any(turn.calls.index(rival) < turn.calls.index(call) for rival in rivals):
        return e.ToolFailed(
            call.id, "denied", "only one agent can take over; another was named before"
        )
    return None if len(others) > len(rivals) else e.HandedOff(call.id, tool.hands_to)


def _asked(
    call: CallState, tool: Tool | None, state: State, turn: Turn, setup: Policy
) -> e.Event | CallState | None:
    if tool is None:
        return e.ToolFailed(call.id, "unknown_tool", _unknown(call.name, setup))
    repeated = _repeated(call, turn, setup.limits)
    if repeated:
        return repeated
    try:
        arguments = tool.arguments_of(call.call.arguments)
    except ToolError as error:
        return e.ToolFailed(call.id, "arguments", str(error))
    judged = apply_rules(setup.approvals, tool, arguments, state.permissions)
    if judged.action == "deny":
        return e.ToolFailed(
            call.id, "denied", f"this agent may not make this call{_why(judged.reason)}"
        )
    if tool.function is None and not tool.hands_to:
        return e.QuestionAsked(call.id, str(arguments.get("question") or call.call.arguments))
    if judged.action == "ask":
        return e.ApprovalAsked(call.id, judged.reason)
    return _hand_over(call, tool, turn, setup) if tool.hands_to else call


def _repeated(call: CallState, turn: Turn, limits: Limits) -> e.Event | None:
    """A model that repeats itself is told so once; after that the turn ends."""
    if limits.repeats is None:
        return None
    name = call_digest(call.name, call.call.arguments)
    same = [other for other in turn.calls if call_digest(other.name, other.final_arguments) == name]
    before = turn.repeats.get(name, 0) - sum(
        other.status == "done" for other in same
    )  # in earlier replies
    times = before + next(index for index, other in enumerate(same) if other is call)
    if times < limits.repeats:
        return None
    if before > limits.repeats:  # it has heard the advice
        return e.LimitReached("repeats", times, limits.repeats)
    advice = (
        f"not run: you have made this very call {times} times in this turn, and its results are above."
        " Use them, change the arguments, or give the answer now; the next repetition ends the turn"
    )
    return e.ToolFailed(call.id, "repeated", advice)


def _together(ready: list[CallState], setup: Policy) -> tuple[CallState, ...]:
    """The first call alone if its tool is sequential; else it and those after it, up to one that is."""
    for index, call in enumerate(ready):
        if (tool := setup.find_tool(call)) and tool.sequential:
            return tuple(ready[: index or 1])
    return tuple(ready)


def _unknown(name: str, setup: Policy) -> str:
    return f"no tool named {name!r}; there are: {', '.join(setup.tools) or 'none'}"


def _why(reason: str) -> str:
    return f": {reason}" if reason else ""

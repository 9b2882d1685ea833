"""What to do next: all rules of the loop. Pure: no I/O, no clock, no randomness.

`decide` is asked again after every event. A rule that isn't here isn't a rule.
"""

from collections import Counter
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
"""Replies in a row that are empty, cut off or rejected, after which the turn has failed."""

MAX_OVERFLOWS = 2
"""How often a prompt that is too large for the model is tried again, at half its size."""


@dataclass(frozen=True)
class Policy:
    """What an agent's settings say about its decisions."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    limits: Limits = Limits()
    approvals: tuple[Rule, ...] = ()
    plan: bool = False
    check_answer: Callable[[str], str | None] | None = None
    """Says what is wrong with an answer, in words for the model; None if nothing is."""
    unknown: Literal["ask", "tell"] = "ask"
    """For a call of unknown outcome: wait for a person, or tell the model that nobody knows."""
    step_tools: Mapping[str, Tool] = field(default_factory=dict)
    """By call id, the steps that a flow's code has asked for."""
    recorded_objection: Callable[[str], e.Event | None] | None = None
    """What a recording says against a call id. None: its tool's check and the rules judge."""

    def find_tool(self, call: CallState) -> Tool | None:
        return self.step_tools.get(call.id) or self.tools.get(call.name)


class CallModel(msgspec.Struct, frozen=True):
    """Call the model, `delay_s` seconds from now."""

    purpose: e.Purpose = "step"
    attempt: int = 1
    delay_s: float = 0.0


class RunTools(msgspec.Struct, frozen=True):
    """Run these calls at the same time."""

    calls: tuple[CallState, ...]


class Append(msgspec.Struct, frozen=True):
    """Append these events, which follow from the state: refusals, questions, limits, the end."""

    events: tuple[e.Event, ...]


class Wait(msgspec.Struct, frozen=True):
    """Do nothing before somebody else writes to this log."""


Next = CallModel | RunTools | Append | Wait


def decide(state: State, policy: Policy) -> Next:
    """The next thing to do in this thread."""
    turn = state.turn
    if turn is None or turn.ended or turn.called or not state.trusted:
        return Wait()
    if turn.compacting_upto_seq and turn.replied:
        summary = turn.replied.text.strip()
        return Append((e.ContextCompacted(turn.compacting_upto_seq, summary),))
    if turn.limit:
        return _at_limit(turn, turn.limit, policy.limits)
    if turn.calls:
        return _next_for_calls(state, turn, policy)
    if turn.failed:
        return _after_failure(state, turn, turn.failed, policy.limits)
    if turn.replied and (not turn.replied.calls or turn.replied.finish_reason in INCOMPLETE):
        return _after_text(state, turn, turn.replied, policy)
    return _next_model_call(state, turn, policy)


def _next_model_call(state: State, turn: Turn, policy: Policy) -> Next:
    reached = check_model_call_limits(policy.limits, state.spent)
    if reached:
        return Append((reached,))
    has_no_plan = policy.plan and "plan" not in turn.purposes
    if has_no_plan and (turn.steps == 0 or turn.purpose == "plan"):
        return CallModel("plan")
    return CallModel("step")


def _at_limit(turn: Turn, reached: e.LimitReached, limits: Limits) -> Next:
    has_spoken = "answer" in turn.purposes or turn.failed
    leaves_room = reached.limit in ("steps", "tool_calls", "repeats")
    if limits.last_word and leaves_room and not has_spoken:
        return CallModel("answer")
    return Append((e.TurnEnded("limit", reached.limit),))


def _after_failure(state: State, turn: Turn, failed: e.ModelFailed, limits: Limits) -> Next:
    if failed.kind == "timeout":
        return Append((e.LimitReached("seconds", round(turn.active_s, 3), limits.seconds or 0.0),))
    if failed.kind == "overflow" and turn.overflows <= MAX_OVERFLOWS:
        # The next prompt gets half the room (TokenCalibration.refused_tokens).
        return CallModel(turn.purpose, turn.attempts + 1)
    wait_s = failed.retry_after_s
    if wait_s is None or turn.attempts >= limits.model_tries:
        return Append((e.TurnEnded("failed", failed.message),))
    if limits.seconds is not None and state.spent.seconds + wait_s >= limits.seconds:
        used_s = round(turn.active_s + wait_s, 3)
        return Append((e.LimitReached("seconds", used_s, limits.seconds),))
    return CallModel(turn.purpose, turn.attempts + 1, wait_s)


def _after_text(state: State, turn: Turn, reply: e.ModelReplied, policy: Policy) -> Next:
    """After a reply without whole calls: an answer, a plan, or text that can't be either."""
    has_text = bool(reply.text.strip())
    if reply.refusal or reply.finish_reason == "content_filter":
        return Append((e.TurnEnded("refused", reply.refusal or "the provider's content filter"),))
    if turn.purpose == "plan" and has_text:
        return _next_model_call(state, turn, policy)
    if reply.finish_reason == "length" and has_text and not reply.calls:
        tokens = reply.usage.output_tokens
        return Append((e.LimitReached("output", tokens, tokens),))
    if turn.useless_replies >= MAX_USELESS_REPLIES:
        return Append((e.TurnEnded("failed", _why_useless(turn, reply)),))
    if not has_text or reply.calls or turn.rejected:
        return _next_model_call(state, turn, policy)
    wrong = policy.check_answer(reply.text) if policy.check_answer else None
    if wrong:
        return Append((e.AnswerRejected(wrong),))
    return Append((e.TurnEnded("answered"),))


def _why_useless(turn: Turn, reply: e.ModelReplied) -> str:
    if turn.rejected:
        return (
            f"{MAX_USELESS_REPLIES} answers in a row were unfit; the last: {turn.rejected.message}"
        )
    return (
        f"{MAX_USELESS_REPLIES} replies in a row were of no use, empty or cut off; the last"
        f" finished with {reply.finish_reason!r}"
    )


def _next_for_calls(state: State, turn: Turn, policy: Policy) -> Next:
    """Append refusals and requests to people, if any; else run what may run; else wait."""
    events: list[e.Event] = []
    ready: list[CallState] = []
    repeated = _find_repeated(turn, policy.limits)
    for call in turn.calls:
        judged = _judge(call, state, policy, repeated.get(call.id))
        if isinstance(judged, CallState):
            ready.append(judged)
        elif judged is not None:
            events.append(judged)
    for event in events:
        if isinstance(event, e.LimitReached):
            return Append((event,))
    if events:
        return Append(tuple(events))
    if not ready:
        return Wait()
    together = _run_together(ready, policy)
    waits_s = [call.retry_after_s for call in together if call.status == "retrying"]
    spent = replace(state.spent, seconds=state.spent.seconds + max(waits_s, default=0.0))
    new_calls = sum(call.attempt == 0 for call in ready)
    reached = check_tool_call_limits(policy.limits, spent, new_calls)
    if reached:
        return Append((reached,))
    return RunTools(together)


def _judge(
    call: CallState, state: State, policy: Policy, repeated: e.Event | None
) -> e.Event | CallState | None:
    """An event about this call, the call itself if it is to run, or None to leave it alone."""
    tool = policy.find_tool(call)
    match call.status:
        case "done" | "waiting" | "question" | "started" | "child":
            return None
        case "denied":
            return e.ToolFailed(
                call.id, "denied", f"a person refused this call{_because(call.reason)}"
            )
        # A call with a child is unknown only in a fork, which can't continue the child.
        case "unknown" if tool is None or not tool.idempotent or tool.child:
            if policy.unknown == "ask":
                return None
            return e.OutcomeDecided(call.id, "tell", "policy")
    if tool is None:
        known = ", ".join(policy.tools) or "none"
        return e.ToolFailed(
            call.id, "unknown_tool", f"no tool named {call.name!r}; there are: {known}"
        )
    if call.status == "asked":
        objection = repeated or _objection(call, tool, state, policy)
        if objection:
            return objection
    if tool.hands_to:
        return _hand_over(call, state, policy, tool.hands_to)
    return call


def _objection(call: CallState, tool: Tool, state: State, policy: Policy) -> e.Event | None:
    """Why a call that the model has just asked for can't run at once; None if it can."""
    if policy.recorded_objection:
        return policy.recorded_objection(call.id)
    try:
        arguments = tool.arguments_of(call.call.arguments)
    except ToolError as error:
        return e.ToolFailed(call.id, "arguments", str(error))
    verdict = apply_rules(policy.approvals, tool, arguments, state.permissions)
    if verdict.action == "deny":
        return e.ToolFailed(
            call.id, "denied", f"this agent may not make this call{_because(verdict.reason)}"
        )
    if tool.function is None and not tool.hands_to:
        return e.QuestionAsked(call.id, str(arguments.get("question") or call.call.arguments))
    if verdict.action == "ask":
        return e.ApprovalAsked(call.id, verdict.reason)
    return None


def _hand_over(call: CallState, state: State, policy: Policy, to: str) -> e.Event | None:
    """A handoff, once the round's other calls are done. Only the first one of a round is done."""
    assert state.turn
    open_calls = [each for each in state.turn.calls if each is call or each.status != "done"]
    handovers = [each for each in open_calls if each is call or _hands_over(each, policy)]
    if handovers[0] is not call:
        return e.ToolFailed(
            call.id, "denied", "only one agent can take over; another was named before"
        )
    if len(open_calls) > len(handovers):
        return None
    return e.HandedOff(call.id, to)


def _hands_over(call: CallState, policy: Policy) -> bool:
    tool = policy.tools.get(call.name)
    return tool is not None and bool(tool.hands_to)


def _find_repeated(turn: Turn, limits: Limits) -> dict[str, e.Event]:
    """By call id, the answer to a call that the model has made too often in this turn.

    A model that repeats itself is told so once; after that the turn ends.
    """
    if limits.repeats is None or all(call.status != "asked" for call in turn.calls):
        return {}
    digests = [call_digest(call.name, call.final_arguments) for call in turn.calls]
    done_now = Counter(
        digest for call, digest in zip(turn.calls, digests, strict=True) if call.status == "done"
    )
    asked_now: Counter[str] = Counter()
    repeated: dict[str, e.Event] = {}
    for call, digest in zip(turn.calls, digests, strict=True):
        before = turn.repeats.get(digest, 0) - done_now[digest]  # in earlier replies
        times = before + asked_now[digest]
        asked_now[digest] += 1
        if before > limits.repeats:  # it has been told
            repeated[call.id] = e.LimitReached("repeats", times, limits.repeats)
        elif times >= limits.repeats:
            advice = (
                f"not run: you have made this very call {times} times in this turn, and its results"
                " are above. Use them, change the arguments, or give the answer now; the next"
                " repetition ends the turn"
            )
            repeated[call.id] = e.ToolFailed(call.id, "repeated", advice)
    return repeated


def _run_together(ready: list[CallState], policy: Policy) -> tuple[CallState, ...]:
    """The calls up to the first whose tool is sequential; that one alone if it comes first."""
    for index, call in enumerate(ready):
        tool = policy.find_tool(call)
        if tool and tool.sequential:
            return tuple(ready[: max(1, index)])
    return tuple(ready)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""

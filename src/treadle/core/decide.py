"""What to do next: all rules of the loop. Pure: no I/O, no clock, no randomness.

`decide` is asked again after every event. A rule that isn't here isn't a rule.
"""

from collections.abc import Sequence

from . import events as e
from .approvals import find_before_rules
from .call import CallState
from .call_question import describe_denied
from .check_due import check_first
from .deferred import (
    answer_meanwhile,
    comes_last,
    defer_or_wait,
    put_off_retries,
    refuse_hand_over,
    refuse_twin,
)
from .due import find_overdue
from .errors import ToolError
from .finish_reasons import INCOMPLETE, PAUSED, has_text
from .limits import check_seconds, check_tool_call_limits
from .next_action import Append as Append  # all of them: this is where they are looked for
from .next_action import CallModel as CallModel
from .next_action import Next
from .next_action import PollCalls as PollCalls
from .next_action import RunCheck as RunCheck
from .next_action import RunTools as RunTools
from .next_action import Wait as Wait
from .outage import find_other_model, why_failed
from .policy import Policy
from .state import State, is_parked
from .tool import Tool
from .tool_kind import HandOver, Question
from .turn import Turn
from .useless_replies import MAX_USELESS_REPLIES, find_repetition, is_used_up, why_useless

MAX_LAST_WORDS = 2
"""How often a last word is asked for: a reply without text is asked for once more."""
NOT_ALLOWED = "this agent may not make this call"
MAX_OVERFLOWS = 2
"""How often a prompt that is too large for the model is tried again, at half its size."""


def decide(state: State, policy: Policy, now: float | None = None) -> Next:
    """What to do next. `now`: seconds since the epoch; never before the last record, `state.at`."""
    turn = state.turn
    if turn is None or turn.ended or turn.called or not state.trusted or is_parked(state):
        return Wait()
    now = max(now or 0.0, state.at)
    if turn.held and (turn.held.until is None or now < turn.held.until):
        return Wait()
    found = check_first(_next(state, turn, policy, now), turn, policy)
    if not isinstance(found, CallModel):
        return found
    # No model call, nor the wait before it, goes on after the turn's time is up.
    reached = check_seconds(policy.limits, state.spent.seconds + found.delay_s)
    if reached is None:
        return found
    if turn.limit:
        return Append((e.TurnEnded("limit", turn.limit.limit),))
    return Append((reached,))


def _next(state: State, turn: Turn, policy: Policy, now: float) -> Next:
    if turn.refused:
        return Append((e.TurnEnded("refused", turn.refused.reason),))
    if turn.compacting_upto_seq and turn.replied:
        summary = turn.replied.text.strip()
        return Append((e.ContextCompacted(turn.compacting_upto_seq, summary),))
    if turn.limit:
        return _at_limit(state, turn, turn.limit, policy)
    left: Next = Wait()
    if turn.calls:
        left = _next_for_calls(state, turn, policy, now)
        if turn.round_is_open or not comes_last(left):
            return left
    if turn.failed:
        return _after_failure(state, turn, turn.failed, policy)
    if turn.replied and (not turn.replied.calls or turn.replied.finish_reason in INCOMPLETE):
        found = _after_text(state, turn, turn.replied, policy)
        return left if isinstance(found, Wait) else found
    return _next_model_call(state, turn, policy)


def _next_model_call(state: State, turn: Turn, policy: Policy) -> Next:
    if policy.limits.steps is not None:
        steps = policy.limits.steps + turn.messages  # a message uses up no step
        if state.spent.steps >= steps:
            return Append((e.LimitReached("steps", state.spent.steps, steps),))
    has_no_plan = policy.plan and "plan" not in turn.purposes
    if has_no_plan and (turn.steps == 0 or turn.purpose == "plan"):
        return CallModel("plan")
    return CallModel("step")


def _at_limit(state: State, turn: Turn, reached: e.LimitReached, policy: Policy) -> Next:
    """After a limit: a last request, without tools, for the best answer by now; then the end."""
    limits = policy.limits
    end = Append((e.TurnEnded("limit", reached.limit),))
    if not limits.last_word or turn.no_last_word or reached.limit in ("seconds", "output"):
        return end
    if turn.failed and turn.purpose == "answer":
        other = find_other_model(state, turn, turn.failed, policy)
        if other:
            return CallModel("answer", turn.attempts + 1, model=other)
        wait_s = turn.failed.retry_after_s
        if wait_s is None or turn.tries >= limits.model_tries:
            return end
        return CallModel("answer", turn.attempts + 1, wait_s)
    if (
        (turn.said_last_word and not turn.has_news)
        or turn.purposes.count("answer") >= MAX_LAST_WORDS
        or is_used_up(turn.replied)
    ):
        return end
    return CallModel("answer")


def _after_failure(state: State, turn: Turn, failed: e.ModelFailed, policy: Policy) -> Next:
    limits = policy.limits
    if failed.kind == "timeout":
        return Append((e.LimitReached("seconds", round(turn.active_s, 3), limits.seconds or 0.0),))
    if failed.kind == "overflow" and turn.overflows <= MAX_OVERFLOWS:
        # The next prompt gets half the room (TokenCalibration.refused_tokens).
        return CallModel(turn.purpose, turn.attempts + 1)
    if turn.failed_model != turn.model:
        # Another one made room for the request, or the turn was reopened: it is made at once.
        return CallModel(turn.purpose, turn.attempts + 1)
    other = find_other_model(state, turn, failed, policy)
    if other:
        return CallModel(turn.purpose, turn.attempts + 1, model=other)
    wait_s = failed.retry_after_s
    if wait_s is None or turn.tries >= limits.model_tries:
        return Append((e.TurnEnded("failed", why_failed(turn, failed, policy)),))
    return CallModel(turn.purpose, turn.attempts + 1, wait_s)


def _after_text(state: State, turn: Turn, reply: e.ModelReplied, policy: Policy) -> Next:
    """After a reply without whole calls: an answer, a plan, or text that can't be either."""
    if turn.has_news:
        return _next_model_call(state, turn, policy)
    says_something = has_text(reply)
    if reply.refusal or reply.finish_reason == "content_filter":
        return Append((e.TurnEnded("refused", reply.refusal or "the provider's content filter"),))
    if reply.finish_reason == PAUSED or (turn.purpose == "plan" and says_something):
        return _next_model_call(state, turn, policy)
    if is_used_up(reply):
        tokens = reply.usage.output_tokens
        return Append((e.LimitReached("output", tokens, tokens),))
    if turn.useless_replies >= MAX_USELESS_REPLIES:
        return Append((e.TurnEnded("failed", why_useless(turn, reply)),))
    if not says_something or reply.calls or turn.rejected:
        return _next_model_call(state, turn, policy)
    if turn.calls:  # the model was told what is still open
        return answer_meanwhile(turn, policy)
    wrong = policy.find_rejection(reply.text) if turn.checked is None else None
    if turn.checked and turn.checked.verdict == "deny":
        wrong = turn.checked.reason or "it was refused"
    if wrong:
        return Append((e.AnswerRejected(wrong),))
    return Append((e.TurnEnded("answered"),))


def _next_for_calls(state: State, turn: Turn, policy: Policy, now: float) -> Next:
    """Append refusals and requests to people, if any; else run what may run; else wait.

    Before the first call of a round starts, all of them are judged: so people are asked everything
    at once. Later a call is judged when its turn comes.
    """
    events: list[e.Event] = []
    batch: list[CallState] = []
    checks: list[CallState] = []
    new_calls = 0
    is_full = False
    effect_waits: set[bool] = set()
    """Whether effects wait: of deferred calls (True), and of those that came after (False)."""
    others_run = False
    for call in turn.calls.values():
        if is_full and turn.round_began:
            break
        judged = find_overdue(call, now) or _judge(call, state, policy, events)
        if isinstance(judged, RunCheck):
            return judged
        runs_beside = policy.runs_beside(call)
        if isinstance(judged, CallState):
            new_calls += judged.attempt == 0
            if runs_beside and not is_full:
                batch.append(judged)
            elif not runs_beside and call.deferred not in effect_waits:
                if not batch and not others_run:
                    batch.append(judged)
                is_full = True  # it runs alone: now, or once the batch before it is over
        elif judged is not None:
            events.append(judged)
        elif call.status != "started" or not call.deferred:  # else it runs in the background
            if not call.polls and _must_check(call, state, policy):
                checks.append(call)
            others_run = others_run or call.status == "started"
            if not runs_beside:
                effect_waits.add(call.deferred)  # later effects wait for it
            is_full = is_full or (call.status == "started" and not runs_beside)
    if events:
        return Append(_limit_or_all(events, turn, policy))
    if not batch and not checks:
        return defer_or_wait(turn, now)
    batch = put_off_retries(batch)
    waits_s = [call.retry_after_s for call in batch if call.status == "retrying"]
    spent_s = turn.active_s + max(waits_s, default=0.0)
    reached = check_tool_call_limits(policy.limits, turn.tool_calls + new_calls, new_calls, spent_s)
    if reached and batch:
        return Append((reached,))
    return RunTools(tuple(batch), tuple(checks))


def _limit_or_all(events: Sequence[e.Event], turn: Turn, policy: Policy) -> tuple[e.Event, ...]:
    """The events about calls. A limit comes alone: one that is among them, or one that stops what a
    person would be asked to approve."""
    limits = [event for event in events if isinstance(event, e.LimitReached)]
    if any(isinstance(event, e.ApprovalAsked) for event in events):
        reached = check_tool_call_limits(policy.limits, turn.tool_calls + 1, 1, turn.active_s)
        limits += filter(None, [reached])
    return tuple(limits[:1] or events)


def _judge(
    call: CallState, state: State, policy: Policy, before: list[e.Event]
) -> e.Event | CallState | RunCheck | None:
    """An event about this call, the call itself if it is to run, or None to leave it alone.

    `before` are the events about earlier calls of the round, which aren't in the log yet.
    """
    tool = policy.find_tool(call)
    match call.status:
        case "waiting" | "question" | "started" | "pending" | "child":
            return None
        case "unknown" if call.polls:
            return None
        case "denied":
            return e.ToolFailed(call.id, "denied", describe_denied(call))
        # A call with a child is unknown only in a fork, which can't continue the child.
        case "unknown" if tool is None or not tool.idempotent or tool.child or _is_imported(state):
            if policy.unknown == "ask" or _must_check(call, state, policy):
                return None
            return e.OutcomeDecided(call.id, "tell", "policy")
    if tool is None:
        known = ", ".join(each.name for each in policy.shown_tools()) or "none"
        return e.ToolFailed(
            call.id, "unknown_tool", f"no tool named {call.name!r}; there are: {known}"
        )
    is_asked = call.status == "asked"
    if is_asked and (same := refuse_twin(call, state.turn) or find_repetition(call, policy.limits)):
        return same
    is_approved = call.status == "allowed" and not (call.child or call.answers)
    if (is_asked or is_approved) and (found := _objection(call, tool, state, policy)):
        return found
    if isinstance(tool.kind, HandOver):
        return refuse_hand_over(call, state.turn, before) or e.HandedOff(call.id, tool.kind.agent)
    return call


def _must_check(call: CallState, state: State, policy: Policy) -> bool:
    """Whether `verify` is asked about the call: never about one that others have written."""
    return policy.must_check(call) and not _is_imported(state)


def _is_imported(state: State) -> bool:
    return state.turn is not None and state.turn.imported


def _objection(
    call: CallState, tool: Tool, state: State, policy: Policy
) -> e.Event | RunCheck | None:
    """Why a call that has yet to begin can't run at once; None if it can. One that a person has
    approved is stopped by a deny alone: today's agent may deny what an older one asked about."""
    if policy.recorded_objection:
        return policy.recorded_objection(call)
    try:
        arguments = tool.arguments_of(call.final_arguments)
    except ToolError as error:
        return e.ToolFailed(call.id, "arguments", str(error))
    if call.checked is None and find_before_rules(policy.rules, tool, arguments):
        return RunCheck("call", call=call)
    verdict = policy.judge(call, tool, arguments, state)
    if verdict.action == "deny":
        because = ": ".join(filter(None, (NOT_ALLOWED, verdict.reason)))
        return e.ToolFailed(call.id, "denied", because)
    if call.status != "asked":
        return None
    if isinstance(tool.kind, Question):
        return e.QuestionAsked(call.id, str(arguments.get("question") or call.final_arguments))
    if verdict.action == "ask":
        return e.ApprovalAsked(call.id, verdict.reason)
    return None

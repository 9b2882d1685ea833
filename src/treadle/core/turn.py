"""One turn, and how each event changes it. Pure; state.py says which events may come when.

A turn is a user message, then rounds (a model call, and the tool calls in its reply), then an end.
"""

import msgspec
from msgspec.structs import replace

from . import events as e
from .call import CallState, apply_to_call
from .check_due import apply_check
from .finish_reasons import INCOMPLETE, PAUSED, has_text
from .flow_turn import apply_step, calls_at_limit, comes_early, given_up_after
from .late import counted_usd
from .open_calls import OpenCalls, Repeats, keep_call, open_calls, open_calls_of
from .open_calls import find_call as find_call  # here is where it is looked for
from .shared_map import remove

_NO_USAGE = e.Usage()


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One user message, through to its answer."""

    opened_seq: int
    calls: OpenCalls = {}
    """The calls that have no result yet: deferred ones, then those of the round."""
    round_began: bool = False
    """A call of the round has started."""
    hands_to: str = ""
    """The agent that is in charge once the round is over, if another was handed the thread."""
    called: e.ModelCalled | None = None
    """The model call in flight."""
    model: str = ""
    """The name of the model that was asked last; "" if none was since the agent took charge."""
    replied: e.ModelReplied | None = None
    """The last reply, until the next model call."""
    failed: e.ModelFailed | None = None
    """The last failure, until the next reply: also while a summary makes room for its request."""
    failed_model: str = ""
    """The model that has failed. Where another is asked next, the failure is past."""
    rejected: e.AnswerRejected | None = None
    limit: e.LimitReached | None = None
    """The first that was reached."""
    held: e.LimitReached | None = None
    """A limit of what others use, too, at which it waits."""
    raised: e.LimitRaised | None = None
    """By how much people have raised its limits, in all."""
    raised_at_end: bool = False
    """They have raised the limit at which it ends: whoever resumes it then goes on."""
    account: str = ""
    """The account of the turn, once it has begun a child: see account.py."""
    no_last_word: bool = False
    """A last request, without tools, didn't fit into what the limits leave."""
    ended: e.TurnEnded | None = None
    purpose: e.Purpose = "step"
    """Of the last model call, summaries aside."""
    purposes: tuple[str, ...] = ()
    """Of the model calls that replied, except plain steps."""
    attempts: int = 0
    """Tries of the request under way, by all models."""
    tries: int = 0
    """Those by the model that was asked last."""
    useless_replies: int = 0
    """Replies in a row that were empty, cut off, or an answer that was rejected."""
    overflows: int = 0
    compacting_upto_seq: int = 0
    """Up to which record a summary is being made; 0 while none is."""
    summary_failed: bool = False
    """The model failed to summarise: until the turn ends, rounds are left out without a summary."""
    steps: int = 0
    """Model calls, without retries, summaries and last words."""
    tool_calls: int = 0
    usage: e.Usage = e.Usage()
    cost_usd: float = 0.0
    lost_tokens: int = 0
    """Reserved for model calls whose reply never came: they may have been billed."""
    lost: dict[str, e.ModelCalled] = {}
    """Those calls, by the claim under which they were made, until its driver says more."""
    active_s: float = 0.0
    """Seconds of work, without waiting for people."""
    answer: str = ""
    """The last text that the model said to the person."""
    has_steps: bool = False
    """A flow's code drives it: its thread says so, or it has asked for a step."""
    given_up: OpenCalls = {}
    """The steps that a flow's code gave up when they had begun: asked for again, they go on."""
    early: frozenset[str] = frozenset()
    """The ids of events that were posted before a flow's code waits for them."""
    questions: frozenset[str] = frozenset()
    """The ids of the calls that have asked a question, or have taken an event of `early`."""
    imported: bool = False
    """Others have written its beginning: that a call has started doesn't show that it may run."""
    repeats: Repeats = {}
    unchecked: tuple[int, ...] = ()
    """The seqs of what people have said since the last model call, and no check has judged yet."""
    refused: e.Checked | None = None
    """Of the message that opened the turn: it goes no further."""
    checked: e.Checked | None = None
    """What was said of `answer`; None: no check has seen it."""
    messages: int = 0
    """How many more messages people have said in it."""
    unseen: bool = False
    """The model hasn't been shown one of those."""
    came_late: bool = False
    """The model hasn't been shown the result of a deferred call."""
    paused: bool = False
    """The provider goes on with its last reply: nothing is put after that before it is whole."""

    @property
    def has_news(self) -> bool:
        """Whether the model is to be asked again, whatever it has said."""
        return self.unseen or self.came_late

    @property
    def round_is_open(self) -> bool:
        """Whether the model waits for a call."""
        return bool(self.calls) and any(not call.deferred for call in self.calls.values())

    @property
    def asks_no_model(self) -> bool:
        """Whether no model has been asked, as in the turn of a flow."""
        return self.called is None and not self.model and not self.attempts

    @property
    def said_last_word(self) -> bool:
        """Whether the last reply says something, asked for at a limit or cut off by its own."""
        is_last = self.purpose == "answer" or (self.limit and self.limit.limit == "output")
        return bool(is_last and self.replied and has_text(self.replied))


def apply_to_turn(turn: Turn, event: e.Event, thread_key: str) -> Turn:
    """The turn after one more event. Raises IllegalEvent for an event that its call can't have."""
    match event:
        case e.ToolStarted() | e.ToolReturned():
            return _apply_to_its_call(turn, event)
        case e.ModelCalled():
            return _apply_call(turn, event)
        case e.ModelReplied() if turn.compacting_upto_seq:
            return _apply_summary(turn, event)
        case e.ModelReplied():
            return _apply_reply(turn, event, thread_key)
        case e.ModelFailed():
            return _apply_failure(turn, event)
        case e.ContextCompacted():
            return replace(turn, compacting_upto_seq=0, replied=None)
        case e.StepAsked():
            return apply_step(turn, event, thread_key)
        case e.UserSaid(steers=True):
            return replace(turn, unseen=True, messages=turn.messages + 1, useless_replies=0)
        case e.UserSaid(answers=call_id) if comes_early(turn, call_id):
            return replace(turn, early=turn.early | {call_id})
        case e.QuestionAsked(call_id=call_id):
            turn = replace(turn, questions=turn.questions | {call_id})
            return _apply_to_its_call(turn, event)
        case e.Checked(call_id=""):
            return apply_check(turn, event)
        case e.AnswerRejected():
            return replace(turn, rejected=event, useless_replies=turn.useless_replies + 1)
        case e.LimitReached():
            return _apply_limit(turn, event)
        case e.TurnEnded():
            return replace(turn, ended=event, called=None)
        case _:
            return _apply_to_its_call(turn, event)


def _apply_limit(turn: Turn, event: e.LimitReached) -> Turn:
    if event.waits:
        return replace(turn, held=event)
    if turn.limit:
        return replace(turn, no_last_word=True)
    return replace(turn, limit=event, calls=calls_at_limit(turn), paused=False)


def _apply_call(turn: Turn, event: e.ModelCalled) -> Turn:
    failed = turn.failed
    is_retry = event.model == turn.model == turn.failed_model
    if not is_retry and event.purpose != "compact":
        failed = None  # another model goes on, or the same one after an outage
    upto_seq, purpose, steps = 0, event.purpose, turn.steps
    shows_no_news = turn.paused or event.purpose == "compact"
    if event.purpose == "compact":
        upto_seq, purpose = event.upto_seq, turn.purpose
    elif event.is_step:
        steps += 1
    return replace(
        turn,
        called=event,
        held=None,
        unchecked=(),
        unseen=turn.unseen and shows_no_news,
        came_late=turn.came_late and shows_no_news,
        model=event.model,
        replied=None,
        failed=failed,
        rejected=None,
        attempts=event.attempt,
        tries=count_tries(turn, event),
        compacting_upto_seq=upto_seq,
        purpose=purpose,
        steps=steps,
    )


def count_tries(turn: Turn, called: e.ModelCalled) -> int:
    """How often this model has been asked for the request, once this call is made."""
    if called.attempt == 1 or called.model != turn.model:
        return 1
    return turn.tries + 1


def _apply_reply(turn: Turn, reply: e.ModelReplied, thread_key: str) -> Turn:
    assert turn.called is not None
    purpose = turn.called.purpose
    says_something = has_text(reply)
    is_whole = reply.finish_reason not in INCOMPLETE
    calls: dict[str, CallState] = {}
    repeats = turn.repeats
    # A call that may be cut off is never read, nor is one in place of a last word.
    if is_whole and purpose != "answer" and (asked := reply.calls):
        calls, repeats = open_calls_of(asked, turn.repeats, thread_key)
    useless_replies = turn.useless_replies
    if calls:
        useless_replies = 0
    elif not is_whole or (not says_something and reply.finish_reason != PAUSED):
        useless_replies += 1
    purposes = turn.purposes
    gave_no_plan = purpose == "plan" and (bool(calls) or not says_something)
    if purpose != "step" and not gave_no_plan:
        purposes = (*purposes, purpose)
    answer, checked = turn.answer, turn.checked
    if says_something and purpose != "plan":
        answer, checked = reply.text, None
    return replace(
        add_usage(turn, reply),
        called=None,
        replied=reply,
        failed=None,
        calls=open_calls((*turn.calls.values(), *calls.values())),
        paused=reply.finish_reason == PAUSED,
        round_began=False,
        repeats=repeats,
        purposes=purposes,
        useless_replies=useless_replies,
        answer=answer,
        checked=checked,
    )


def _apply_summary(turn: Turn, reply: e.ModelReplied) -> Turn:
    failed = turn.failed
    if failed and failed.kind != "overflow" and turn.failed_model == turn.model:
        failed = None  # else the request that failed is made again, with less in it
    turn = replace(add_usage(turn, reply), called=None, failed=failed)
    if has_text(reply) and not reply.calls and reply.finish_reason != "content_filter":
        return replace(turn, replied=reply)
    return replace(turn, replied=None, compacting_upto_seq=0, summary_failed=True)


def _apply_failure(turn: Turn, event: e.ModelFailed) -> Turn:
    overflows = turn.overflows + (event.kind == "overflow")
    turn = replace(add_usage(turn, event), called=None, overflows=overflows)
    if turn.compacting_upto_seq and event.kind in ("overflow", "rejected"):
        return replace(turn, failed=None, compacting_upto_seq=0, summary_failed=True)
    return replace(turn, failed=event, failed_model=turn.model)


def add_usage(
    turn: Turn, event: e.ModelReplied | e.ModelFailed | e.ToolReturned | e.ToolFailed
) -> Turn:
    """The turn with what the event says was used."""
    if not event.cost_usd and event.usage == _NO_USAGE:
        return turn
    cost_usd = turn.cost_usd + counted_usd(turn.called, event)
    return replace(turn, usage=turn.usage + event.usage, cost_usd=cost_usd)


def _apply_to_its_call(turn: Turn, event: e.Event) -> Turn:
    call_id = event.answers if isinstance(event, e.UserSaid) else getattr(event, "call_id", "")
    before = find_call(turn, call_id)
    after = apply_to_call(before, event)
    if isinstance(event, e.ChildStarted) and event.account:
        turn = replace(turn, account=event.account)
    if isinstance(event, e.ToolStarted) and after:
        tool_calls = turn.tool_calls + (before.attempt == 0)
        calls = keep_call(turn.calls, after)
        return replace(turn, calls=calls, tool_calls=tool_calls, round_began=True)
    if isinstance(event, e.ToolReturned | e.ToolFailed):
        turn = add_usage(turn, event)
    elif isinstance(event, e.HandedOff):
        turn = replace(turn, hands_to=event.agent)
    if after is None:
        given_up = given_up_after(turn.given_up, before, event)
        turn = replace(turn, calls=remove(turn.calls, before.id), given_up=given_up)
        return replace(turn, came_late=True) if before.deferred else turn
    return replace(turn, calls=keep_call(turn.calls, after))

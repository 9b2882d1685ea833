"""The API's decisions: what a person says of what waits, and results that come from elsewhere."""

from typing import Annotated, Any, Literal

import msgspec

from ..core import events as e
from ..core.errors import ToolError, UsageError
from ..runtime.post import rate, refuse_while_running
from ..runtime.settle import Posted
from ..runtime.settle import settle as settle_handle
from ..runtime.world import World
from .routes import Asked


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a call may run."""

    call_id: str
    """Of the decision that was shown; "" lets a parked thread go on."""
    digest: str
    """Of the decision that was shown: nothing else is allowed than what the person saw."""
    allowed: bool
    reason: str = ""
    arguments: dict[str, Any] | None = None
    """What the call is to run with, in place of the model's own."""
    always: e.Always | None = None
    """Allow later calls of this tool, too."""


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """What a person answers to a question of the agent."""

    call_id: str
    text: str


class Outcome(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a call that a crash or a time-out cut off."""

    call_id: str
    digest: str
    outcome: Literal["ran", "not_run", "tell"]
    """It ran; it may run now; tell the model that nobody knows."""
    result: str = ""
    """Of a call that ran."""
    reason: str = ""
    take: bool = False
    """Also of a call that a living process runs: that process is stopped, its effect isn't."""


class Feedback(msgspec.Struct, forbid_unknown_fields=True):
    """What a person found of a turn."""

    good: bool
    reason: str = ""
    turn_seq: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The seq of the message that opened the turn; 0: the last turn that has ended."""


class HandleResult(msgspec.Struct, forbid_unknown_fields=True):
    """The result of work elsewhere."""

    handle: Any
    """As the tool has noted it."""
    result: Any = None
    error: str | None = None
    """That the work has failed, in words for the model."""
    thread: str | None = None
    """Only in this thread."""


class Settled(msgspec.Struct):
    """A call that has its result."""

    thread_id: str
    call_id: str
    again: bool
    """It had this result already."""


async def approve(asked: Asked) -> None:
    """Allow or refuse a call that waits, as it was shown or with other arguments; then go on."""
    body: Approval = asked.body
    if body.call_id and not body.digest:
        raise UsageError("say the `digest` of the decision that was shown")
    arguments = None
    if body.arguments is not None:
        arguments = msgspec.json.encode(body.arguments).decode()
    given = e.ApprovalGiven(
        body.call_id, body.allowed, asked.person, body.reason, arguments, body.always, body.digest
    )
    await _post(asked, given)


async def answer(asked: Asked) -> None:
    """Answer a question of the agent; then go on."""
    body: Answer = asked.body
    if not body.text.strip():
        raise UsageError("the answer is empty; say something")
    await _post(asked, e.UserSaid(body.text, answers=body.call_id, by=asked.person))


async def decide_outcome(asked: Asked) -> None:
    """Say what became of a call that a crash or a time-out cut off; then go on."""
    body: Outcome = asked.body
    if not body.take:
        refuse_while_running(await asked.served.open(asked.thread), body.call_id)
    decided = e.OutcomeDecided(
        body.call_id, body.outcome, asked.person, body.result, body.reason, digest=body.digest
    )
    await _post(asked, decided)


async def give_feedback(asked: Asked) -> None:
    """Say that a turn was good or bad, and why. A later word of the same person takes its place."""
    body: Feedback = asked.body
    said = e.FeedbackGiven(body.good, asked.person, body.reason, body.turn_seq)
    await rate(await asked.served.open(asked.thread), said)


async def settle(asked: Asked) -> list[Settled]:
    """Give the calls that have noted a handle their result: a webhook's door. The same again is
    no second result. Their threads go on."""
    body: HandleResult = asked.body
    result = body.result
    if body.error is not None:
        if result is not None:
            raise UsageError("give a `result` or an `error`, not both")
        result = ToolError(body.error)
    posted = Posted(body.handle, result, body.thread, asked.person)
    served = asked.served
    found = await settle_handle(served.store, World(), served.find_settings, posted)
    for root in {each.root_id: None for each in found}:
        runner, log = await served.find_of_thread(root)
        await served.go_on(runner, log.thread_id)
    return [Settled(each.thread_id, each.call_id, each.again) for each in found]


async def _post(asked: Asked, said: e.ApprovalGiven | e.OutcomeDecided | e.UserSaid) -> None:
    """Write it, and go on with the thread above all that this one works for."""
    runner, root = await asked.served.find_of_thread(asked.thread)
    await runner.post(asked.thread, said)
    await asked.served.go_on(runner, root.thread_id)

"""Asks a tool's `verify` what became of a call of unknown outcome. Writes nothing.

1. `Ran` is believed at once, and its result is the call's.
2. `DidNotRun` lets the call run again under a key that the service honours. Else it does only once
   nothing of the attempt can be under way, and `settle_s` have passed since that was known: then
   `verify` is asked again, as a request that was on its way has arrived by now.
3. All else is unclear, also a `verify` that raises or takes too long: a person decides, or the
   policy. So it is asked at most three times by one driver. One that dies meanwhile leaves nothing
   behind, and the next one asks again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ..core import events as e
from ..core.call import CallState
from ..core.context import Context, refuse_code_without_deps
from ..core.limits import tightest_limit
from ..core.taint import unlabel
from ..core.tool import Tool
from ..core.verify import VERIFY, CannotTell, DidNotRun, Ran
from ..models.known_secrets import redact_known
from .ask_check import CheckFailed, answer_within
from .call_function import call_function
from .drives import rest
from .judge_result import judge_result_of
from .listeners import Delta
from .log import Log
from .presence import is_over
from .tool_result import clean, render_result

MAX_VERIFY_S = 60.0
"""A `verify` gets the time of its tool, and no more than that."""
ANSWERS = "Ran(result), DidNotRun(), CannotTell()"
MAY_BE_UNDER_WAY = (
    "verify says that it has had no effect, but nobody can know whether what began it is still at"
    " work: that process may be alive"
)

MAX_CUT_OFF = 4
"""After so many attempts, of which this driver has cut off the last, a call doesn't run again by
itself, not even under a key: its next one would be cut off, too."""
CUT_OFF_AGAIN = "verify says that it has had no effect; attempt {attempt} was cut off, too"

CallChecker = Callable[[Log, Tool, CallState, Context], Awaitable[e.OutcomeDecided | None]]


async def check_call(
    log: Log, tool: Tool, call: CallState, context: Context
) -> e.OutcomeDecided | None:
    """What became of the call; None where somebody else has said so meanwhile.

    Raises Stopped where it would wait and this process is to stop.
    """
    refuse_code_without_deps(
        f"the verify of the tool {tool.name}", context.deps, tool.verify, *tool.after
    )
    settled = False
    for is_first in (True, False, False):
        over = is_over(log, call)
        answer = await _ask(tool, call, context)
        if not isinstance(answer, DidNotRun):
            return await _describe(answer, tool, call, context)
        if tool.honours_key and call.claim == log.own_claim and call.attempt >= MAX_CUT_OFF:
            reason = CUT_OFF_AGAIN.format(attempt=call.attempt)
            return e.OutcomeDecided(call.id, "unclear", VERIFY, reason=reason)
        if tool.honours_key or settled or (over and not tool.settle_s):
            return e.OutcomeDecided(call.id, "not_run", VERIFY)
        if not over and not is_first:
            break
        settled = over
        await _wait_until_settled(log, call, tool.settle_s)
        if not is_unknown(log, call.id):
            return None
    return e.OutcomeDecided(call.id, "unclear", VERIFY, reason=MAY_BE_UNDER_WAY)


def is_unknown(log: Log, call_id: str) -> bool:
    """Whether nobody has said yet what became of the call."""
    call = log.state.calls.get(call_id)
    return call is not None and call.status == "unknown"


async def _ask(tool: Tool, call: CallState, context: Context) -> Ran | DidNotRun | CannotTell:
    """What `verify` answers to these arguments."""
    assert tool.verify
    verify, name = tool.verify, f"{tool.name}'s verify"

    async def ask() -> Any:
        arguments = tool.arguments_of(call.final_arguments)
        keywords = tool.verify_signature.keywords(arguments, context)
        return await call_function(verify, keywords, name)

    seconds, whose = tightest_limit(tool.timeout_s, MAX_VERIFY_S), f"the async tool {name}"
    try:
        answer: Ran | DidNotRun | CannotTell = await answer_within(
            seconds, ask(), "verify", whose, (Ran, DidNotRun, CannotTell), ANSWERS
        )
    except CheckFailed as failed:
        return CannotTell(str(failed))
    return answer


async def _describe(
    answer: Ran | CannotTell, tool: Tool, call: CallState, context: Context
) -> e.OutcomeDecided:
    if isinstance(answer, CannotTell):
        reason = redact_known(clean(str(answer.reason)))[: tool.max_chars]
        return e.OutcomeDecided(call.id, "unclear", VERIFY, reason=reason)
    result, labels = unlabel(answer.result)
    shown = render_result(result, tool.max_chars)
    ran = e.ToolReturned(call.id, shown.text, 0.0, parts=shown.parts)
    ran = await judge_result_of(call, tool, context, ran)
    return e.OutcomeDecided(
        call.id,
        "ran",
        VERIFY,
        ran.content,
        parts=ran.parts,
        original=ran.original,
        labels=labels,
    )


async def _wait_until_settled(log: Log, call: CallState, seconds: float) -> None:
    """Wait so long, or until somebody has said what became of the call. Raises Stopped."""
    said = asyncio.Event()

    def hear(what: e.Record | Delta) -> None:
        if isinstance(what, e.Record) and not is_unknown(log, call.id):
            said.set()

    log.listeners += (hear,)
    try:
        await rest(log, seconds, said)
    finally:
        log.listeners = tuple(each for each in log.listeners if each is not hear)

"""drive(): decide, act, append; again. The only module that makes things happen.

Everything that a turn is lies in the log; what `decide` says is done here, and nothing else is.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from . import events as e
from .decide import Append, CallModel, RunTools, Setup, Wait, decide
from .errors import Fenced, ModelError, ModelUnavailable, StoreError
from .limits import backoff_s, max_output
from .log import Delta, Log
from .memory.prompt import LAST_WORD, PLAN
from .models.model import Model, Request, prompt_hash
from .tools import running
from .tools.context import Context
from .turn import CallState, numbered


@dataclass(frozen=True)
class Job:
    """What a drive goes by, besides the log."""

    setup: Setup
    model: Model
    system: str = ""
    output_schema: dict[str, Any] | None = None
    deps: Any = None

    def left_s(self, log: Log) -> float | None:
        """Seconds of work that the turn has left; None for no limit."""
        limit_s = self.setup.limits.seconds
        return None if limit_s is None else max(0.0, limit_s - log.state.spent.seconds)


async def drive(log: Log, job: Job) -> None:
    """Go on until the turn has ended or somebody else must write to the log.

    Cancelling it ends the turn as cancelled. Raises Fenced, a StoreError, and what is a bug in the model or here;
    a bug ends the turn as failed.
    """
    try:
        while True:
            match decide(log.state, job.setup):
                case CallModel() as step:
                    await _call_model(log, job, step)
                case RunTools(calls):
                    await _run_tools(log, job, calls)
                case Append(events):
                    await log.append(*events)
                case Wait():
                    return
    except asyncio.CancelledError:
        await log.append(e.TurnEnded("cancelled"))
        raise
    except (Fenced, StoreError):
        raise
    except Exception as error:
        await log.append(e.TurnEnded("failed", f"a bug: {type(error).__name__}: {error}"))
        raise


async def _call_model(log: Log, job: Job, step: CallModel) -> None:
    if step.after_s:
        await asyncio.sleep(step.after_s)
    request = _request(log, job, step)
    prompt_tokens = int(request.tokens * log.state.density) + 1
    room = max_output(job.setup.limits, log.state.spent, prompt_tokens, request.max_output_tokens, job.model.cost_usd)
    if isinstance(room, e.LimitReached):
        await log.append(room)
        return
    request = replace(request, max_output_tokens=room)
    named = prompt_hash(request.messages, request.tools)
    reserved_usd = job.model.cost_usd(e.Usage(prompt_tokens, room)) or 0.0
    await log.append(
        # Before it is sent: a crash in flight must leave a mark.
        e.ModelCalled(job.model.name, named, prompt_tokens, room, step.purpose, step.attempt, reserved_usd)
    )
    await log.append(await _reply(log, job, request, step))


def _request(log: Log, job: Job, step: CallModel) -> Request:
    tools = () if step.purpose != "step" else tuple(tool.schema for tool in job.setup.tools.values())
    note = {"plan": PLAN.format(tools=", ".join(job.setup.tools) or "none"), "answer": LAST_WORD, "step": ""}
    wanted = min(job.model.max_output_tokens, job.model.context_tokens // 2)
    budget = (job.model.context_tokens - wanted) / log.state.density - sum(tool.tokens for tool in tools)
    return Request(log.prompt.messages(job.system, int(budget), note[step.purpose]), tools, wanted, job.output_schema)


async def _reply(log: Log, job: Job, request: Request, step: CallModel) -> e.ModelReplied | e.ModelFailed:
    clock = asyncio.get_running_loop().time
    began, first_s = clock(), None

    def emit(text: str) -> None:
        nonlocal first_s
        first_s = clock() - began if first_s is None else first_s
        log.tell(Delta(log.thread_id, text))

    try:
        async with asyncio.timeout(job.left_s(log)):
            reply = await job.model.reply(request, emit)
    except TimeoutError:
        spent = e.Usage(request.tokens, estimated=True)
        said = f"no whole reply within the turn's {job.setup.limits.seconds:g} s"
        return e.ModelFailed("timeout", said, None, spent, job.model.cost_usd(spent))
    except ModelError as error:
        spent = error.usage or e.Usage()
        asked_s = error.retry_after_s if isinstance(error, ModelUnavailable) else None
        wait_s = backoff_s(step.attempt, log.world.chance(), asked_s) if error.kind == "unavailable" else None
        return e.ModelFailed(error.kind, str(error), wait_s, spent, job.model.cost_usd(spent))
    cost_usd = job.model.cost_usd(reply.usage)
    calls = numbered(reply.calls, log.state.seq)
    return e.ModelReplied(
        reply.text,
        reply.usage,
        clock() - began,
        calls,
        reply.finish_reason,
        reply.refusal,
        cost_usd,
        first_s,
        reply.opaque,
    )


async def _run_tools(log: Log, job: Job, calls: tuple[CallState, ...]) -> None:
    wait_s = max(call.retry_after_s if call.status == "retrying" else 0.0 for call in calls)
    if wait_s:
        await asyncio.sleep(wait_s)
    await log.append(*(e.ToolStarted(call.call.id, call.key, call.attempt + 1) for call in calls))
    try:
        async with asyncio.TaskGroup() as group:
            for call in calls[1:]:
                group.create_task(_run_tool(log, job, call))
            await _run_tool(log, job, calls[0])
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


async def _run_tool(log: Log, job: Job, call: CallState) -> None:
    context = Context(job.deps, log.thread_id, call.call.id, call.key, call.attempt + 1)
    tool, left_s = job.setup.tools[call.call.name], job.left_s(log)
    await log.append(await running.run(tool, call.final_arguments, context, left_s, log.world.chance()))

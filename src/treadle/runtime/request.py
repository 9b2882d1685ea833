"""How the next request to the model is built, from the log and the settings. Pure."""

from typing import Literal

from msgspec.structs import replace

from ..core import events as e
from ..core.decide import CallModel
from ..core.legal import make_turns, tools_in_history
from ..core.limits import MIN_OUTPUT_TOKENS, allowed_output_tokens
from ..core.model import Message, PreparedCall, Request, prompt_hash
from ..core.prompt import LAST_WORD, PLAN, Prompt
from ..core.state import State
from ..core.transcript import SUMMARY_INSTRUCTIONS, format_transcript
from ..core.window import Summarise, choose_compaction
from .settings import RunSettings


def build_request(
    prompt: Prompt, settings: RunSettings, purpose: e.Purpose, upto_seq: int = 0
) -> Request:
    """The request for a step, a plan, a last answer or, up to `upto_seq`, a summary."""
    if purpose == "compact":
        return _summary_request(prompt, settings, upto_seq)
    tools = settings.policy.tools
    note = ""
    if purpose == "plan":
        note = PLAN.format(tools=", ".join(tools) or "none")
    elif purpose != "step":
        note = LAST_WORD
    output_schema = settings.output_schema
    if purpose == "plan":  # a plan is prose
        output_schema = None
    shown = prompt.messages(settings.system, note)
    messages = make_turns(message.for_model(settings.model.name) for message in shown)
    schemas = tuple(tool.schema for tool in tools.values())
    tool_choice: Literal["auto", "none"] = "auto"
    if purpose != "step" or not tools:
        called = tools_in_history(messages)
        schemas = (schemas or called) if called else ()
        tool_choice = "none" if called else "auto"
    return Request(messages, schemas, settings.output_tokens, output_schema, tool_choice)


def _summary_request(prompt: Prompt, settings: RunSettings, upto_seq: int) -> Request:
    left_out = [each for each in prompt.rounds if each.seq <= upto_seq and not each.pinned]
    messages = (
        Message("system", SUMMARY_INSTRUCTIONS),
        Message("user", format_transcript(prompt.summary, left_out)),
    )
    return Request(messages, (), settings.summary_tokens)


def prepare_call(
    state: State, prompt: Prompt, settings: RunSettings, asked: CallModel
) -> PreparedCall | e.AgentDescribed | e.ContextCompacted | e.LimitReached:
    """The model call that `decide` asked for, or the event that must come before it.

    An agent that isn't what the log last said of it gives its description.
    A prompt that is too large gives a ContextCompacted, or the call that makes a summary. A call
    that might break a limit gives a LimitReached.
    """
    description = settings.describe()
    if settings.records_description and state.last_described != description:
        return description
    model = settings.model
    purpose, upto_seq, least = asked.purpose, 0, MIN_OUTPUT_TOKENS
    request = build_request(prompt, settings, purpose)
    prompt_tokens = settings.count_tokens(request, state)
    compaction = _compaction(state, prompt, settings, request, prompt_tokens)
    if isinstance(compaction, e.ContextCompacted):
        return compaction
    if isinstance(compaction, Summarise):
        purpose, upto_seq = "compact", compaction.upto_seq
        request = build_request(prompt, settings, purpose, upto_seq)
        prompt_tokens = settings.count_tokens(request, state)
        # All of it or none: a summary cut short would lose what it had not come to.
        least = request.max_output_tokens
    allowed = allowed_output_tokens(
        settings.policy.limits,
        state.spent,
        prompt_tokens,
        request.max_output_tokens,
        model.cost_usd,
        least,
    )
    if isinstance(allowed, e.LimitReached):
        return allowed
    called = e.ModelCalled(
        model=model.name,
        prompt_hash=prompt_hash(request.messages, request.tools),
        prompt_tokens=prompt_tokens,
        max_output_tokens=allowed,
        purpose=purpose,
        attempt=asked.attempt,
        reserved_usd=model.cost_usd(e.Usage(prompt_tokens, allowed)) or 0.0,
        upto_seq=upto_seq,
    )
    return PreparedCall(replace(request, max_output_tokens=allowed), called)


def _compaction(
    state: State, prompt: Prompt, settings: RunSettings, request: Request, prompt_tokens: int
) -> e.ContextCompacted | Summarise | None:
    """What must be left out of the prompt, or summarised, before this request can be made."""
    scale = prompt_tokens / request.tokens
    """The model's count of the tokens, divided by our estimate."""
    refused_tokens = state.calibration.of(settings.model.name).refused_tokens
    room = settings.room_tokens(refused_tokens)
    fixed_tokens = request.tokens - prompt.tokens  # system, tools and note
    summary_room = int((room - settings.summary_tokens) / scale)
    may_summarise = state.turn is None or not state.turn.summary_failed
    return choose_compaction(
        prompt,
        settings.context_window,
        int(room / scale) - fixed_tokens,
        summary_room,
        may_summarise,
    )

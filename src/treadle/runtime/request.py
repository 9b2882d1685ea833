"""How the next request to the model is built, from the log and the settings. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace as change
from functools import partial
from typing import Any, Literal

from msgspec.structs import replace

from ..core import events as e
from ..core.decide import CallModel
from ..core.growing import go_on
from ..core.legal import end_with_person, make_turns, tools_in_history
from ..core.limits import (
    LAST_RESULTS_TOKENS,
    LAST_WORD_TOKENS,
    MIN_OUTPUT_TOKENS,
    NO_CEILING,
    Ceiling,
    Limits,
    Spent,
    WorstCost,
    allowed_output_tokens,
    limit_to_room,
    worst_cost,
)
from ..core.model import Message, PreparedCall, Request
from ..core.model_settings import ModelSettings
from ..core.prompt import Prompt
from ..core.prompt_hash import prompt_hash
from ..core.prompt_words import LAST_WORD, PLAN
from ..core.refused_parts import as_taken
from ..core.state import State
from ..core.taint import labels_of
from ..core.transcript import SUMMARY_INSTRUCTIONS, format_transcript
from ..core.turn import count_tries
from ..core.window import Summarise, choose_compaction, shorten_all_results
from .describe import own_settings
from .settings import RunSettings

_NOT_OF_SUMMARY: dict[str, Any] = {"tools": [], "tool_choice": None, "response_format": None}
"""Fields of the user's own that a summary goes without, and what leaves them out."""


def build_request(
    prompt: Prompt, settings: RunSettings, purpose: e.Purpose, upto_seq: int = 0
) -> Request:
    """The request for a step, a plan, a last answer or, up to `upto_seq`, a summary."""
    if purpose == "compact":
        return _summary_request(prompt, settings, upto_seq)
    tools = settings.policy.shown_tools()
    note = ""
    if purpose == "plan":
        note = PLAN.format(tools=", ".join(tool.name for tool in tools) or "none")
    elif purpose != "step":
        note = LAST_WORD
    output_schema = settings.output_schema
    if purpose == "plan":  # a plan is prose
        output_schema = None
    shown = prompt.messages(settings.system, note)
    name, place = settings.model.name, settings.run.hands.find_place(settings.model)
    none: tuple[Message, ...] = ()
    turns = go_on(("turns", name, place), partial(_add_turns, name, place), none, shown)
    messages = end_with_person(turns)
    schemas = tuple(tool.schema for tool in tools)
    tool_choice: Literal["auto", "none"] = "auto"
    if purpose != "step" or not tools:
        called = tools_in_history(messages)
        schemas = (schemas or called) if called else ()
        tool_choice = "none" if called else "auto"
    return Request(
        messages,
        schemas,
        settings.output_tokens,
        output_schema,
        tool_choice,
        settings=settings.asked,
    )


def _add_turns(
    model: str, place: str, before: tuple[Message, ...], new: Sequence[Message]
) -> tuple[Message, ...]:
    shown = (as_taken(message, model).for_model(model, place) for message in new)
    return make_turns(shown, before)


def _summary_request(prompt: Prompt, settings: RunSettings, upto_seq: int) -> Request:
    left_out = [each for each in prompt.rounds if each.seq <= upto_seq and not each.pinned]
    messages = (
        Message("system", SUMMARY_INSTRUCTIONS),
        Message("user", format_transcript(prompt.summary, left_out)),
    )
    return Request(messages, (), settings.summary_tokens, settings=_asked_of_summary(settings))


def _asked_of_summary(settings: RunSettings) -> ModelSettings:
    """What is asked of the model, without what would cut a summary or make something else of it.

    A text that ends replies, tools that the provider runs, a form of the answer: also the model's.
    """
    asked = settings.asked
    given = asked.over(own_settings(settings.model)).extra
    left_out = {name: none for name, none in _NOT_OF_SUMMARY.items() if name in given}
    return change(asked, stop=(), extra={**asked.extra, **left_out})


def prepare_call(
    state: State,
    prompt: Prompt,
    settings: RunSettings,
    asked: CallModel,
    room: Ceiling = NO_CEILING,
) -> PreparedCall | e.ContextCompacted | e.LimitReached:
    """The model call that `decide` asked for, or the event that must come before it.

    A prompt that is too large gives a ContextCompacted, or the call that makes a summary. A call
    that might break a limit, or leave no room for a last word, gives a LimitReached. `room` is what
    the accounts that it is paid from have left.
    """
    purpose, upto_seq, least = asked.purpose, 0, MIN_OUTPUT_TOKENS
    limits = limit_to_room(settings.policy.limits, state.spent, room)
    settings = _keep_inside(state, settings)
    request = build_request(prompt, settings, purpose)
    prompt_tokens = settings.count_tokens(request, state)
    compaction = _compaction(state, prompt, settings, limits, request, prompt_tokens)
    if isinstance(compaction, e.ContextCompacted):
        return compaction
    if isinstance(compaction, Summarise):
        purpose, upto_seq = "compact", compaction.upto_seq
        request = build_request(prompt, settings, purpose, upto_seq)
        prompt_tokens = settings.count_tokens(request, state)
        # All of it or none: a summary cut short would lose what it had not come to.
        least = request.max_output_tokens
    has_audio = go_on("audio", _may_hold_audio, False, request.messages)
    worst_usd = partial(worst_cost, settings.cost_usd, has_audio=has_audio)
    spent = state.spent
    wanted = request.max_output_tokens
    if purpose == "answer" or not limits.last_word:
        allowed = allowed_output_tokens(limits, spent, prompt_tokens, wanted, worst_usd, least)
    else:
        spent = _keep_for_last_word(spent, settings, prompt_tokens, worst_usd)
        allowed = _allowed_before_last_word(limits, spent, prompt_tokens, wanted, worst_usd, least)
    if isinstance(allowed, e.LimitReached):
        return allowed
    called = e.ModelCalled(
        model=settings.model.name,
        prompt_hash=prompt_hash(request.messages, request.tools),
        prompt_tokens=prompt_tokens,
        max_output_tokens=allowed,
        purpose=purpose,
        attempt=asked.attempt,
        reserved_usd=worst_usd(prompt_tokens, allowed) or 0.0,
        upto_seq=upto_seq,
    )
    request = replace(request, max_output_tokens=allowed, cache_key=_cache_key(state))
    return PreparedCall(request, called, count_tries(state.turn, called) if state.turn else 1)


def _keep_inside(state: State, settings: RunSettings) -> RunSettings:
    """The settings without the tools that the provider runs, where these could carry data out.

    Nobody can be asked about their calls: one may read a stranger's page, and the next carry out
    what that asks for, before we hear of either. So private data alone is enough.
    """
    if settings.policy.taint != "ask" or "private" not in labels_of(state.held):
        return settings
    if not settings.asked.over(own_settings(settings.model)).extra.get("tools"):
        return settings
    own = settings.run.settings
    own = change(own, extra={**own.extra, "tools": []})
    return change(settings, run=change(settings.run, settings=own))


def _allowed_before_last_word(
    limits: Limits, spent: Spent, prompt_tokens: int, wanted: int, worst_usd: WorstCost, least: int
) -> int | e.LimitReached:
    """As `allowed_output_tokens`, where a last word must still fit after the reply.

    What the model writes now is read again then: so it is counted twice.
    """

    def worst_of_both(prompt: int, output: int) -> float | None:
        return worst_usd(prompt + output // 2, output // 2)

    allowed = allowed_output_tokens(
        limits, spent, prompt_tokens, wanted * 2, worst_of_both, least * 2
    )
    return allowed if isinstance(allowed, e.LimitReached) else allowed // 2


def _cache_key(state: State) -> str:
    """The same for a thread, its forks and its children; of the thread's name, nothing shows."""
    return hashlib.blake2b(state.family_id.encode(), digest_size=16).hexdigest()


def _may_hold_audio(before: bool, messages: Sequence[Message]) -> bool:
    """Whether one has a sound, or a file that may be one: sound costs more than text."""
    silent = ("data:application/", "data:image/", "data:text/")
    for message in messages:
        for part in message.parts:
            if isinstance(part, e.Audio) or (
                isinstance(part, e.File) and not part.url.startswith(silent)
            ):
                return True
    return before


def _compaction(
    state: State,
    prompt: Prompt,
    settings: RunSettings,
    limits: Limits,
    request: Request,
    prompt_tokens: int,
) -> e.ContextCompacted | Summarise | None:
    """What must be left out of the prompt, or summarised, before this request can be made."""
    scale = prompt_tokens / request.tokens
    """The model's count of the tokens, divided by our estimate."""
    refused_tokens = state.calibration.of(settings.model.name).refused_tokens
    room = settings.room_tokens(refused_tokens)
    fixed_tokens = request.tokens - prompt.tokens  # system, tools and note
    summary_room = int((room - settings.summary_tokens) / scale)
    may_summarise = state.turn is None or not state.turn.summary_failed
    compaction = choose_compaction(
        prompt,
        settings.context_window,
        int(room / scale) - fixed_tokens,
        summary_room,
        may_summarise,
    )
    if compaction is None and state.turn and state.turn.limit:
        # Only results are cut then: what was said before would be lost to later turns too.
        excess = prompt_tokens - _last_word_room(state, settings, limits, prompt_tokens)
        if excess > 0:
            return shorten_all_results(prompt.rounds, int(excess / scale) + 1)
    return compaction


def _keep_for_last_word(
    spent: Spent, settings: RunSettings, prompt_tokens: int, worst_usd: WorstCost
) -> Spent:
    """What counts as spent before a step, so that a last word after it still fits."""
    if not settings.policy.limits.last_word:
        return spent
    shown_tokens = prompt_tokens + LAST_RESULTS_TOKENS
    answer_tokens = min(LAST_WORD_TOKENS, settings.output_tokens)
    tokens = spent.tokens + shown_tokens + answer_tokens
    if settings.policy.limits.cost_usd is None:
        return replace(spent, tokens=tokens)
    kept_usd = worst_usd(shown_tokens, answer_tokens) or 0.0
    return replace(spent, tokens=tokens, cost_usd=spent.cost_usd + kept_usd)


def _last_word_room(state: State, settings: RunSettings, limits: Limits, prompt_tokens: int) -> int:
    """The most tokens that the prompt of a last word may have within the limits."""
    spent = state.spent
    answer_tokens = min(LAST_WORD_TOKENS, settings.output_tokens)
    room = prompt_tokens
    if limits.tokens is not None:
        room = min(room, limits.tokens - spent.tokens - answer_tokens)
    if limits.cost_usd is not None:
        prompt_usd = worst_cost(settings.cost_usd, prompt_tokens, 0)
        answer_usd = worst_cost(settings.cost_usd, 0, answer_tokens)
        if prompt_usd and answer_usd is not None:
            left_usd = limits.cost_usd - spent.cost_usd - answer_usd
            room = min(room, int(prompt_tokens * left_usd / prompt_usd))
    return max(0, room)

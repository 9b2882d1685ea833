"""What the prompt must leave out so that it fits: as an event, or as something to summarise. Pure.

1. Long results of earlier turns are cut first. Then whole rounds go, oldest first, and a summary
   takes their place. The turn under way stays whole if it fits by itself; else the same is done
   within it, and at last the results of its newest round are cut to what fits.
2. The message that opened the turn, pinned messages, the newest round and what the model has yet to
   be shown of this turn stay. A prompt that can't be made to fit is sent all the same: the provider
   decides.
3. Each cut goes well below what is allowed, so that many steps pass before the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from . import events as e
from .check_settings import check_flags, check_whole_number
from .message import shorten_result
from .prompt import Prompt, Round
from .transcript import take_fitting_rounds

TARGET_SHARE = 0.5
"""The share of the room that is in use after a cut."""
EARLIER_SHARE = 0.25
"""After a cut, earlier turns use this share of the room that the turn under way leaves."""
TURN_SHARE = 0.8
"""The share of the room that the turn under way may take before it is cut itself."""
RECENT_ROUNDS = 2
"""The newest rounds, whose results are cut only if nothing else helps."""
RESULT_CHARS = 600
"""What an old tool result keeps."""
MIN_LAST_CHARS = 40
"""What a result keeps at least in the prompt of a last word."""


@dataclass(frozen=True)
class ContextWindow:
    """How much of a conversation the model sees, and what becomes of the rest."""

    max_messages: int | None = None
    """The most messages, besides the system prompt; None: as many as there is room for."""
    max_tokens: int | None = None
    """The most tokens of a prompt, within the model's own limit; None: only that limit."""
    summarize: bool = True
    """The model summarises what is dropped. False: it is dropped, and costs no call."""
    search_history: bool = False
    """Give the agent a tool that searches the whole thread, also what the prompt leaves out."""

    def __post_init__(self) -> None:
        for name, value in (("max_messages", self.max_messages), ("max_tokens", self.max_tokens)):
            check_whole_number(f"ContextWindow({name}", value, 1, "as many as there is room for")
        check_flags("ContextWindow", summarize=self.summarize, search_history=self.search_history)


class Summarise(msgspec.Struct, frozen=True):
    """The model is to summarise what was said up to this record, before it is left out."""

    upto_seq: int


def choose_compaction(
    prompt: Prompt,
    window: ContextWindow,
    room_tokens: int,
    summary_room_tokens: int,
    may_summarise: bool,
) -> e.ContextCompacted | Summarise | None:
    """The next thing to leave out, until the prompt without system and tools fits `room_tokens`.

    None if it fits, or nothing more can go. Call it again after each: the prompt gets smaller.
    `summary_room_tokens` is the room for the prompt of a summary; `may_summarise` is false if that
    has failed.
    """
    if window.max_messages is None and prompt.tokens <= room_tokens:
        return None
    opening = next(each for each in reversed(prompt.rounds) if each.opens_turn)
    rounds = [each for each in prompt.rounds if not each.pinned or each is opening]
    tokens, count = _tokens(rounds), _count(rounds)
    room = room_tokens - (prompt.tokens - tokens)
    too_large = tokens > room
    max_count = count
    if window.max_messages is not None:
        max_count = window.max_messages - len(prompt.before) - (_count(prompt.rounds) - count)
    too_many = count > max_count
    if not too_large and not too_many:
        return None
    own = rounds.index(opening)
    target, target_count = room, count
    if too_large:
        target = _target(room, _tokens(rounds[own:]))
    if too_many:
        target_count = _target(max_count, _count(rounds[own:]))
    newest = _first_unseen(rounds, own, prompt.replied_seq)
    end = _first_kept(rounds, own, newest, Size(target, target_count))
    if too_large:
        event = _shorten_old_results(rounds, own, end, tokens - target)
        if event:
            return event
    dropped = [each for index, each in enumerate(rounds[:end]) if index != own]
    if dropped and window.summarize and may_summarise:
        # The message that opened the turn is summarised too, though it stays.
        read = take_fitting_rounds(prompt.summary, rounds[:end], summary_room_tokens)
        return Summarise(max(read[-1].seq, dropped[0].seq))
    if dropped:
        return e.ContextCompacted(dropped[-1].seq)
    if too_large:
        return shorten_all_results(rounds, tokens - room)
    return None


def _tokens(rounds: Sequence[Round]) -> int:
    return sum(each.tokens for each in rounds)


def _count(rounds: Sequence[Round]) -> int:
    return sum(len(each.messages) for each in rounds)


def _target(whole: int, own: int) -> int:
    """How much is in use after a cut, of `whole`, where the turn under way uses `own`."""
    target = max(0, int(whole * TARGET_SHARE))
    if own <= whole * TURN_SHARE:
        target = max(target, own + int((whole - own) * EARLIER_SHARE))
    return target


def _first_unseen(rounds: Sequence[Round], own: int, replied_seq: int) -> int:
    """The index of the first round of the turn that is newer than its last reply; else the last."""
    for index in range(own + 1, len(rounds)):
        each = rounds[index]
        # A message that came while the model wrote stands in the round of what it wrote.
        holds_message = each.seq == replied_seq and each.messages[-1].role == "user"
        if each.seq > replied_seq or holds_message:
            return index
    return len(rounds) - 1


class Size(msgspec.Struct, frozen=True):
    """How large a prompt may be after a cut."""

    tokens: int
    messages: int


def _first_kept(rounds: Sequence[Round], own: int, newest: int, target: Size) -> int:
    """The index of the first round to keep, at most `newest`.

    It begins a turn, unless the turn under way (from `own` on) is too large itself.
    """
    tokens, count = _tokens(rounds), _count(rounds)
    start = 0
    while start < newest and (tokens > target.tokens or count > target.messages):
        if start != own:  # the message that opened the turn stays, whatever its size
            tokens -= rounds[start].tokens
            count -= len(rounds[start].messages)
        start += 1
    for index, each in enumerate(rounds):
        if each.opens_turn and index >= start:
            return index
    return start


def _shorten_old_results(
    rounds: Sequence[Round], own: int, end: int, excess: int
) -> e.ContextCompacted | None:
    """Cut long results, oldest first, until `excess` tokens are saved; None if none is long.

    Those of the turn under way only if some of its rounds would have to go.
    """
    old_end = len(rounds) if end > own else own
    saved = 0
    upto_seq = 0
    for each in rounds[: max(0, min(old_end, len(rounds) - RECENT_ROUNDS))]:
        shortened = [shorten_result(message, RESULT_CHARS) for message in each.messages]
        saving = each.tokens - sum(message.tokens for message in shortened)
        if saving > 0:
            saved += saving
            upto_seq = each.seq
        if saved >= excess:
            break
    if upto_seq == 0:
        return None
    return e.ContextCompacted(results_upto_seq=upto_seq, result_chars=RESULT_CHARS)


def shorten_all_results(rounds: Sequence[Round], excess: int) -> e.ContextCompacted | None:
    """Cut all results to a length at which they fit; None if they are that short already."""
    results = [message for each in rounds for message in each.messages if message.is_result]
    longest = max((len(message.text) for message in results), default=0)
    room = sum(message.tokens for message in results) - excess
    chars = longest
    while chars > MIN_LAST_CHARS:
        if sum(shorten_result(message, chars).tokens for message in results) <= room:
            break
        chars = max(MIN_LAST_CHARS, chars * 3 // 4)
    if all(shorten_result(message, chars) is message for message in results):
        return None
    return e.ContextCompacted(results_upto_seq=rounds[-1].seq, result_chars=chars)

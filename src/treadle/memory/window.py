"""What the prompt must leave out so that it fits. Pure: says it as an event, or as a question to the model.

1. Long old tool results are cut first; then whole rounds go, from the oldest, and a summary takes their place; where a
   single round is too large by itself, its results are cut to what fits.
2. The message that opened the turn, pinned messages and the newest round stay. What can't be made to fit is sent all
   the same: the provider judges.
3. Each cut goes well below what is allowed, so that many steps pass before the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from .. import events as e
from .prompt import Prompt, Round, shortened
from .transcript import first_of

KEEP = 0.5
"""The part of the room that is still in use after a cut."""
RECENT = 2
"""The newest rounds, whose results are only cut where nothing else helps."""
RESULT_CHARS = 600
"""What an old tool result keeps."""
LEAST_RESULT_CHARS = 200


@dataclass(frozen=True)
class Memory:
    """How much of a conversation the model sees, and what becomes of the rest."""

    window: int | None = None
    """At most so many messages, besides the system prompt; None: as many as there is room for."""
    tokens: int | None = None
    """A prompt has at most so many; None: what the model's context leaves. Never more than that."""
    compact: bool = True
    """What the window drops is summarised by the model. False: it is dropped, and costs no call."""


class Summarise(msgspec.Struct, frozen=True):
    """What the model is to put in short, before it is left out."""

    upto_seq: int


def cut(
    prompt: Prompt, memory: Memory, room_tokens: int, summary_room_tokens: int, summarise: bool
) -> e.ContextCompacted | Summarise | None:
    """The next thing to leave out so that rounds and what stands before them take at most `room_tokens`.

    None where it fits, or nothing more can go. Asked again after each: each makes the prompt smaller.
    `summary_room_tokens` is how much the model can read when it summarises; `summarise` is false where it failed to.
    """
    room = room_tokens - sum(message.tokens for message in prompt.before)
    weights = [each.tokens for each in prompt.rounds]
    too_large = sum(weights) > room
    too_many = memory.window is not None and _count(prompt) > memory.window
    if not too_large and not too_many:
        return None
    if too_large and (event := _old_results(prompt.rounds, sum(weights) - int(room * KEEP))):
        return event
    most = int((memory.window or 0) * KEEP) - len(prompt.before) if too_many else None
    end = _first_kept(prompt.rounds, weights, int(room * KEEP), most)
    gone = [each for each in prompt.rounds[:end] if each is not _own(prompt.rounds)]
    if gone and memory.compact and summarise:
        return Summarise(first_of(prompt.summary, gone, summary_room_tokens)[-1].seq)
    if gone:
        return e.ContextCompacted(gone[-1].seq)
    return _newest_results(prompt.rounds, sum(weights) - room) if too_large else None


def _count(prompt: Prompt) -> int:
    return len(prompt.before) + sum(len(each.messages) for each in prompt.rounds)


def _own(rounds: Sequence[Round]) -> Round | None:
    """The message that opened the turn."""
    return next((each for each in reversed(rounds) if each.opens_turn), None)


def _old_results(rounds: Sequence[Round], over: int) -> e.ContextCompacted | None:
    """Cut long results from the oldest on, until `over` tokens are saved or only the newest are left."""
    saved, upto_seq = 0, 0
    for each in rounds[:-RECENT]:
        saving = each.tokens - sum(shortened(message, RESULT_CHARS).tokens for message in each.messages)
        if saving > 0:
            saved, upto_seq = saved + saving, each.seq
        if saved >= over:
            break
    return e.ContextCompacted(results_upto_seq=upto_seq, result_chars=RESULT_CHARS) if upto_seq else None


def _first_kept(rounds: Sequence[Round], weights: Sequence[int], target: int, most: int | None) -> int:
    """The index of the first round that stays: where a turn begins, unless the turn under way is too large itself."""
    tokens, count = sum(weights), sum(len(each.messages) for each in rounds)
    start, newest = 0, len(rounds) - 1
    while start < newest and (tokens > target or (most is not None and count > most)):
        tokens, count = tokens - weights[start], count - len(rounds[start].messages)
        start += 1
    opens = [index for index, each in enumerate(rounds) if each.opens_turn]
    return next((index for index in opens if index >= start), start)


def _newest_results(rounds: Sequence[Round], over: int) -> e.ContextCompacted | None:
    """Cut all results to a length at which they fit; None where they are that short already."""
    results = [message for each in rounds for message in each.messages if message.role == "tool"]
    if not results:
        return None
    longest = max(len(message.text) for message in results)
    chars, tokens = longest, sum(message.tokens for message in results)
    while chars > LEAST_RESULT_CHARS and sum(shortened(m, chars).tokens for m in results) > tokens - over:
        chars = max(LEAST_RESULT_CHARS, chars * 3 // 4)
    if chars == longest or all(shortened(message, chars) is message for message in results):
        return None
    return e.ContextCompacted(results_upto_seq=rounds[-1].seq, result_chars=chars)

"""What the prompt must leave out so that it fits. Pure: says it as an event, or as a question to the model.

1. Long results of earlier turns are cut first; then whole rounds go, from the oldest, and a summary takes their place.
   The turn under way is left whole where it fits by itself; else the same is done within it, and at last the results
   of its newest round are cut to what fits.
2. The message that opened the turn, pinned messages and the newest round stay. What can't be made to fit is sent all
   the same: the provider judges.
3. Each cut goes well below what is allowed, so that many steps pass before the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from . import events as e
from .errors import UsageError
from .prompt import Prompt, Round, shorten_result
from .transcript import take_fitting_rounds

KEEP = 0.5
"""The part of the room that is still in use after a cut."""
LEAST = 0.25
"""Beside a large turn under way, the part of what it leaves that earlier turns still have after a cut."""
TURN = 0.8
"""The part of the room that the turn under way may take before it is cut itself."""
RECENT = 2
"""The newest rounds, whose results are only cut where nothing else helps."""
RESULT_CHARS = 600
"""What an old tool result keeps."""
LEAST_RESULT_CHARS = 200


@dataclass(frozen=True)
class ContextWindow:
    """How much of a conversation the model sees, and what becomes of the rest."""

    max_messages: int | None = None
    """At most so many messages, besides the system prompt; None: as many as there is room for."""
    max_tokens: int | None = None
    """A prompt has at most so many; None: what the model's context leaves. Never more than that."""
    summarize: bool = True
    """What the window drops is summarised by the model. False: it is dropped, and costs no call."""
    search_history: bool = False
    """The agent has a tool, `search_history`, that searches the whole thread, also what the prompt leaves out."""

    def __post_init__(self) -> None:
        for name, value in (("max_messages", self.max_messages), ("max_tokens", self.max_tokens)):
            if value is not None and value < 1:
                raise UsageError(
                    f"ContextWindow({name}={value}): it must be at least 1, or None for as many as there is room for"
                )


class Summarise(msgspec.Struct, frozen=True):
    """What the model is to put in short, before it is left out."""

    upto_seq: int


def choose_compaction(
    prompt: Prompt,
    memory: ContextWindow,
    room_tokens: int,
    summary_room_tokens: int,
    summarise: bool,
) -> e.ContextCompacted | Summarise | None:
    """The next thing to leave out so that rounds and what stands before them take at most `room_tokens`.

    None where it fits, or nothing more can go. Asked again after each: each makes the prompt smaller.
    `summary_room_tokens` is how much the model can read when it summarises; `summarise` is false where it failed to.
    """
    rounds = [
        each for each in prompt.rounds if not (each.pinned and each is not _opening(prompt.rounds))
    ]
    weights, counts = [each.tokens for each in rounds], [len(each.messages) for each in rounds]
    room = room_tokens - (prompt.tokens - sum(weights))
    fixed = len(prompt.before) + sum(len(each.messages) for each in prompt.rounds) - sum(counts)
    places = None if memory.max_messages is None else memory.max_messages - fixed
    too_large, too_many = sum(weights) > room, places is not None and sum(counts) > places
    if not too_large and not too_many:
        return None
    own = rounds.index(_opening(rounds))
    target = _target(room, sum(weights[own:])) if too_large else room
    most = _target(places, sum(counts[own:])) if places is not None and too_many else sum(counts)
    end = _first_kept(rounds, own, target, most)
    old = min(len(rounds) - RECENT, own if end <= own else len(rounds))
    if too_large and (event := _old_results(rounds[: max(0, old)], sum(weights) - target)):
        return event
    gone = [each for index, each in enumerate(rounds[:end]) if index != own]
    if gone and memory.summarize and summarise:
        read = take_fitting_rounds(
            prompt.summary, rounds[:end], summary_room_tokens
        )  # with what opened the turn, though it stays
        return Summarise(max(read[-1].seq, gone[0].seq))
    if gone:
        return e.ContextCompacted(gone[-1].seq)
    return _newest_results(rounds, sum(weights) - room) if too_large else None


def _opening(rounds: Sequence[Round]) -> Round:
    """The message that opened the turn."""
    return next(each for each in reversed(rounds) if each.opens_turn)


def _target(whole: int, own: int) -> int:
    """What is in use after a cut: KEEP of all; where it is more, the turn under way and LEAST of what that leaves."""
    fits = own <= whole * TURN
    return max(int(whole * KEEP), own + int((whole - own) * LEAST) if fits else 0)


def _old_results(rounds: Sequence[Round], over: int) -> e.ContextCompacted | None:
    """Cut long results from the oldest on, until `over` tokens are saved; None where none is long."""
    saved, upto_seq = 0, 0
    for each in rounds:
        saving = each.tokens - sum(
            shorten_result(message, RESULT_CHARS).tokens for message in each.messages
        )
        if saving > 0:
            saved, upto_seq = saved + saving, each.seq
        if saved >= over:
            break
    return (
        e.ContextCompacted(results_upto_seq=upto_seq, result_chars=RESULT_CHARS)
        if upto_seq
        else None
    )


def _first_kept(rounds: Sequence[Round], own: int, target: int, most: int) -> int:
    """The index of the first round that stays: where a turn begins, unless the turn under way is too large itself."""
    tokens, count = sum(each.tokens for each in rounds), sum(len(each.messages) for each in rounds)
    start, newest = 0, len(rounds) - 1
    while start < newest and (tokens > target or count > most):
        if start != own:  # that stays, whatever its size
            tokens, count = tokens - rounds[start].tokens, count - len(rounds[start].messages)
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
    while (
        chars > LEAST_RESULT_CHARS
        and sum(shorten_result(m, chars).tokens for m in results) > tokens - over
    ):
        chars = max(LEAST_RESULT_CHARS, chars * 3 // 4)
    if chars == longest or all(shorten_result(message, chars) is message for message in results):
        return None
    return e.ContextCompacted(results_upto_seq=rounds[-1].seq, result_chars=chars)

"""Makes events of a chat-completions history, so that a thread can go on from there. Pure.

1. What was said between two replies opens one turn. A turn that has no answer ends as cancelled;
   the last one stays open, so that it can be resumed.
2. Calls get ids of our own; a result goes to its call wherever it stands. A call without a result
   is told so; at the end of the history nobody knows whether it ran, and a person is asked. A
   result without a call gets one.
3. Nobody has recorded what the model was sent, what that cost and how long it took: prompt hashes
   are empty, and costs unknown.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...core import events as e
from ...core.call import assign_ids, make_idempotency_key
from ...core.errors import UsageError
from ...core.schema_shape import as_object
from ...core.values import Part, text_of
from .read_message import ChatMessage, function_id, read_message

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
UNKNOWN_MODEL = "imported"
"""The name of a model that a history doesn't tell."""
NO_ANSWER = "the imported history has no answer here"
NO_RESULT = (
    "the imported history doesn't have the result of this call, which may have had its effect"
)
INSTRUCTIONS = "The instructions of this conversation, as it was brought here:\n{text}"
BY_SYSTEM = "system"
"""Who has said the pinned message with the instructions."""
SYSTEM = "A system message of this conversation:\n{text}"
NO_CALL = "[The call of this result isn't in this conversation.]"
NO_NAME = "unknown_tool"
_OF_ANY_TOOL: tuple[e.Label, ...] = ("untrusted", "private")
"""What a result brings along whose tool nobody has labelled."""
SPOKEN_BY = "{name}: {text}"


@dataclass(frozen=True)
class History:
    """A history as events, which follow a ThreadStarted with the same key."""

    events: tuple[e.Event, ...]
    lost: tuple[str, ...]
    """What isn't carried over, in words."""


@dataclass(frozen=True)
class ChatHistory:
    """A history as somebody keeps it: messages, and what else a request to a model has."""

    messages: Sequence[Any]
    tools: Sequence[Any] = ()
    """As a request has them."""
    model: str = UNKNOWN_MODEL


@dataclass(frozen=True)
class Successor:
    """The agent that is to go on with a history, in a thread with this key."""

    agent: str
    key: str
    instructions: str | None = None
    """None: not known yet. Other instructions in the history are kept as a pinned message."""


@dataclass
class _Turns:
    """The events so far, and what is open at their end."""

    successor: Successor
    description: e.AgentDescribed
    events: list[e.Event] = field(default_factory=list)
    is_open: bool = False
    is_described: bool = False
    last: ChatMessage | None = None
    """The turn's last reply."""
    waiting: list[str] = field(default_factory=list)
    """The calls without a result."""


def read_history(history: ChatHistory, successor: Successor) -> History:
    """The events of a history. Raises UsageError, which names the message that is wrong."""
    if not isinstance(history.messages, list | tuple) or not history.messages:
        raise UsageError("a history must be a list of messages, with at least one in it")
    messages = [
        read_message(given, f"message {number}") for number, given in enumerate(history.messages, 1)
    ]
    results, orphans = _pair_results(messages)
    count = next((n for n, each in enumerate(messages) if each.role != "system"), len(messages))
    instructions = "\n\n".join(_spoken_text(each) for each in messages[:count])
    lost: Counter[str] = Counter(what for message in messages for what in message.lost)
    turns = _Turns(
        successor,
        e.AgentDescribed(
            successor.agent, history.model, instructions, _describe_tools(history.tools, lost)
        ),
    )
    if instructions and instructions != successor.instructions:
        _say(turns, e.UserSaid(INSTRUCTIONS.format(text=instructions), pinned=True, by=BY_SYSTEM))
    said: list[Part] = []
    for index, message in enumerate(messages[count:], count):
        if index in orphans:
            _say_all(turns, said)
            _reply(turns, *_with_call(message))
        elif message.role != "assistant":
            said += _as_said(message)
        elif message.calls or message.refusal or text_of(message.replied).strip():
            _say_all(turns, said)
            _reply(turns, message, [results.get((index, n)) for n in range(len(message.calls))])
        else:
            lost["an empty message of the assistant"] += 1
    _say_all(turns, said)
    if turns.last and not turns.last.calls:
        _end_turn(turns)
    if not turns.events:
        raise UsageError("the history has only this agent's instructions: nothing to go on with")
    return History(tuple(turns.events), tuple(map(_describe_loss, lost.items())))


def _describe_loss(counted: tuple[str, int]) -> str:
    what, times = counted
    return what if times == 1 else f"{what}, {times} times"


def _pair_results(
    messages: Sequence[ChatMessage],
) -> tuple[dict[tuple[int, int], ChatMessage], set[int]]:
    """The result of each call, by the places of message and call, and the results without one.

    An id that comes again means the newer call from there on.
    """
    open_calls: dict[str, list[tuple[int, int]]] = {}
    results: dict[tuple[int, int], ChatMessage] = {}
    orphans: set[int] = set()
    for index, message in enumerate(messages):
        for call in message.calls:
            open_calls.pop(call.id, None)
        for number, call in enumerate(message.calls):
            open_calls.setdefault(call.id, []).append((index, number))
        if message.role == "tool":
            waiting = open_calls.get(message.call_id) or _find_unnamed(open_calls, message)
            if waiting:
                results[waiting.pop(0)] = message
            else:
                orphans.add(index)
    return results, orphans


def _find_unnamed(
    open_calls: Mapping[str, list[tuple[int, int]]], result: ChatMessage
) -> list[tuple[int, int]]:
    """The calls that a result without an id may be of: those of its tool, else the oldest."""
    if result.call_id:
        return []
    named = open_calls.get(function_id(result.name))
    waiting = [places for places in open_calls.values() if places]
    return named or (waiting or [[]])[0]


def _with_call(result: ChatMessage) -> tuple[ChatMessage, list[ChatMessage | None]]:
    """A call for a result that has none, so that it is seen to come from a tool and no person."""
    call = e.Call(result.call_id, result.name or NO_NAME, "{}")
    return ChatMessage("assistant", blocks=(call,)), [
        replace(result, parts=(NO_CALL, *result.parts))
    ]


def _as_said(message: ChatMessage) -> tuple[Part, ...]:
    """What a message adds to the person's next one: nothing for a result that has its call."""
    if message.role == "tool":
        return ()
    if message.role == "system":
        return (SYSTEM.format(text=_spoken_text(message)),)
    first, *rest = message.parts or ("",)
    if not message.name:
        return (first, *rest)
    if isinstance(first, str):
        return (SPOKEN_BY.format(name=message.name, text=first), *rest)
    return (SPOKEN_BY.format(name=message.name, text=""), first, *rest)


def _spoken_text(message: ChatMessage) -> str:
    """The text of a message, with who speaks where it says that."""
    text = text_of(message.said)
    return SPOKEN_BY.format(name=message.name, text=text) if message.name else text


def _say_all(turns: _Turns, said: list[Part]) -> None:
    """Open a turn with what was said since the last reply, if anything was."""
    if not said:
        return
    content: Any = tuple(said)
    if all(isinstance(part, str) for part in said):
        content = "\n\n".join(map(str, said))
    _say(turns, e.UserSaid(content))
    said.clear()


def _say(turns: _Turns, event: e.UserSaid) -> None:
    _end_turn(turns)
    turns.events.append(event)
    turns.is_open, turns.last = True, None


def _reply(turns: _Turns, message: ChatMessage, results: Sequence[ChatMessage | None]) -> None:
    """A model call, its reply, and the results of the calls in that."""
    if not turns.is_open:
        _say(turns, e.UserSaid(""))  # the assistant speaks first
    _give_up_calls(turns)
    if not turns.is_described:
        turns.events.append(turns.description)
        turns.is_described = True
    turns.events.append(e.ModelCalled(turns.description.model, "", 0, 0))
    # One record is before these events: the ThreadStarted.
    content = assign_ids(message.replied, len(turns.events) + 1)
    finish_reason = "stop"
    if message.calls:
        finish_reason = "tool_calls"
    elif message.is_prefix:
        finish_reason = "length"
    usage = e.Usage(estimated=True)
    replied = e.ModelReplied(content, usage, 0.0, finish_reason, message.refusal)
    turns.events.append(replied)
    turns.last = message
    for call in replied.calls:
        key = make_idempotency_key(turns.successor.key, call.id, call.arguments)
        turns.events.append(e.ToolStarted(call.id, key))
    for call, result in zip(replied.calls, results, strict=True):
        if result is None:
            turns.waiting.append(call.id)
        else:
            parts = tuple(part for part in result.parts if not isinstance(part, str))
            turns.events.append(
                e.ToolReturned(call.id, text_of(result.said), 0.0, labels=_OF_ANY_TOOL, parts=parts)
            )


def _give_up_calls(turns: _Turns) -> None:
    """Tell the model of calls whose results the history doesn't have."""
    for call_id in turns.waiting:
        turns.events.append(e.ToolFailed(call_id, "cancelled", NO_RESULT))
    turns.waiting.clear()


def _end_turn(turns: _Turns) -> None:
    """End the open turn, if there is one."""
    if not turns.is_open:
        return
    _give_up_calls(turns)
    turns.events.append(_how_it_ended(turns.last))
    turns.is_open = False


def _how_it_ended(last: ChatMessage | None) -> e.TurnEnded:
    if last is None or last.calls:
        return e.TurnEnded("cancelled", NO_ANSWER)
    if last.refusal:
        return e.TurnEnded("refused", last.refusal)
    if last.is_prefix:
        return e.TurnEnded("limit", "output")
    return e.TurnEnded("answered")


def _describe_tools(tools: Sequence[Any], lost: Counter[str]) -> dict[str, e.ToolDescription]:
    """The tools of a request, by name; what is no function with a schema is lost."""
    described: dict[str, e.ToolDescription] = {}
    for tool in tools:
        function = tool.get("function") if isinstance(tool, Mapping) else None
        function = function if isinstance(function, Mapping) else {}
        name = function.get("name")
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        is_whole = isinstance(schema, dict) and as_object(schema) is not None
        if isinstance(name, str) and _NAME.fullmatch(name) and is_whole:
            description = str(function.get("description") or "")
            described[name] = e.ToolDescription(description, schema)
        else:
            lost[f"the tool {name or 'without a name'}, which is no function with a schema"] += 1
    return described

"""Checks a request against the rules of chat completions, as the strictest provider applies them.

Pure.

Sources: the API references of OpenAI, Anthropic and Mistral for messages and tools, read in
November 2026.
"""

import re
from collections.abc import Iterator, Sequence

from ..core.model import Message, Request
from ..core.strict_json import value_of

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def find_faults(request: Request, context_tokens: int | None = None) -> list[str]:
    """What is wrong with a request, a sentence each; none if every provider would accept it.

    With `context_tokens`, also whether prompt and reply are estimated to be larger than that.
    """
    faults = [*_message_faults(request.messages), *_tool_faults(request)]
    if context_tokens is not None and request.tokens + request.max_output_tokens > context_tokens:
        faults.append(
            f"{request.tokens} + {request.max_output_tokens} tokens are more than {context_tokens}"
        )
    return faults


def _message_faults(messages: Sequence[Message]) -> Iterator[str]:
    unanswered: list[str] = []
    seen: set[str] = set()
    for index, message in enumerate(messages):
        where = f"message {index} ({message.role})"
        if message.role == "system" and index:
            yield f"{where}: the system prompt comes first, and once"
        if message.role == "tool":
            if not unanswered:
                yield f"{where}: the result of {message.call_id!r} follows no call"
            elif message.call_id != unanswered.pop(0):
                yield f"{where}: results come in the order of their calls"
            continue
        if index and message.role == messages[index - 1].role:
            yield f"{where}: it follows another one of the same role"
        if unanswered:
            yield f"{where}: the calls {', '.join(unanswered)} have no result"
        unanswered = [call.id for call in message.calls]
        if seen & set(unanswered) or len(set(unanswered)) < len(unanswered):
            yield f"{where}: an id of a call comes twice"
        seen.update(unanswered)
        yield from (f"{where}: {fault}" for fault in _content_faults(message))
    if unanswered:
        yield f"the calls {', '.join(unanswered)} have no result"
    if not messages or not (messages[-1].role in ("user", "tool") or _is_paused(messages[-1])):
        yield "the last message is neither the user's nor a tool's"


def _content_faults(message: Message) -> Iterator[str]:
    if message.calls and message.role != "assistant":
        yield "only the assistant calls tools"
    is_empty = message.role == "user" and not message.text  # legal.py: fill_empty
    says_something = message.text.strip() or message.parts or message.calls
    if not (says_something or is_empty or _is_paused(message)):
        yield "it says nothing"
    for call in message.calls:
        if not _NAME.fullmatch(call.name):
            yield f"the name {call.name!r} isn't 1 to 64 letters, digits, _ and -"
        if not isinstance(_json(call.arguments or "{}"), dict):
            yield f"the arguments of {call.id} are no JSON object"


def _is_paused(message: Message) -> bool:
    """Whether it may be a reply that its provider goes on with: its own blocks tell."""
    return message.role == "assistant" and bool(message.model) and not message.calls


def _tool_faults(request: Request) -> Iterator[str]:
    names = [tool.name for tool in request.tools]
    if not names and any(message.calls for message in request.messages):
        yield "the history has tool calls, and the request has no tools"
    if len(set(names)) < len(names):
        yield "two tools have one name"
    for tool in request.tools:
        if not _NAME.fullmatch(tool.name):
            yield f"the tool's name {tool.name!r} isn't 1 to 64 letters, digits, _ and -"


def _json(text: str) -> object:
    try:
        return value_of(text)
    except ValueError:
        return None

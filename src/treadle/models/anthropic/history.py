"""What of a history may go back to Claude. Pure.

1. Newer models refuse a thought if anything before it has changed since: the system prompt, tools
   or an earlier message, as a summary or another agent's instructions change it. Such thoughts are
   left out. Models before Claude 5.5 check only the signature, and get all thoughts.
   https://platform.claude.com/docs/en/build-with-claude/preserved-thinking/prefix-checks
2. A result of a tool that the provider ran follows its call, and a call without a result is there
   only while the turn that it belongs to goes on.
   https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools
3. No two calls have one id: some servers repeat theirs.

All read 2026-11-27. The same log always gives the same history, so the cache holds.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from ...core.events import Block, Call, ProviderCall, Thinking
from ...core.model import Message, Request
from ...core.prompt_hash import hash_prefixes
from .opaque import provider_blocks, sent_id


def fit_history(request: Request, bound_thoughts: bool) -> tuple[Message, ...]:
    """The request's messages without what would be refused.

    `bound_thoughts`: the model refuses thoughts before which something has changed.
    """
    messages = request.messages
    if bound_thoughts:
        messages = _without_moved_thoughts(request)
    if any(_has_provider_calls(message) for message in messages):
        messages = _without_lone_provider_calls(messages)
    return _with_unique_ids(messages)


def _without_moved_thoughts(request: Request) -> tuple[Message, ...]:
    messages = request.messages
    if not any(message.prompt_hash for message in messages):
        return messages
    made: list[Message] = []
    hashes = hash_prefixes(messages, request.tools)
    for message, prompt_hash in zip(messages, hashes, strict=True):
        if message.prompt_hash and message.prompt_hash != prompt_hash:
            message = _keep_blocks(message, lambda block: not isinstance(block, Thinking))
        made.append(message)
    return tuple(made)


def _has_provider_calls(message: Message) -> bool:
    return any(isinstance(part, ProviderCall) for part in message.content)


def _without_lone_provider_calls(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages without calls that have no result any more, and results that have no call."""
    called: set[str] = set()
    answered: set[str] = set()
    for message in messages:
        for part in message.content:
            if isinstance(part, ProviderCall):
                for block in provider_blocks(part):
                    called.add(str(block.get("id")))
                    answered.add(str(block.get("tool_use_id")))
    open_index = find_open_reply(messages)
    made: list[Message] = []
    for index, message in enumerate(messages):

        def is_whole(block: Block, is_open: bool = index == open_index) -> bool:
            if not isinstance(block, ProviderCall):
                return True
            for each in provider_blocks(block):
                if each["type"] == "server_tool_use" and not is_open:
                    if each.get("id") not in answered:
                        return False
                elif "tool_use_id" in each and each["tool_use_id"] not in called:
                    return False
            return True

        if _has_provider_calls(message):
            message = _keep_blocks(message, is_whole)
        made.append(message)
    return tuple(made)


def find_open_reply(messages: Sequence[Message]) -> int | None:
    """The index of the reply that the next one continues: only results of its calls follow it."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "assistant":
            return index
        if messages[index].role != "tool":
            return None
    return None


def _with_unique_ids(messages: Sequence[Message]) -> tuple[Message, ...]:
    seen: set[str] = set()
    made: list[Message] = []
    for message in messages:
        ids = [sent_id(call) for call in message.calls]
        if len(set(ids)) < len(ids) or seen.intersection(ids):
            message = _with_own_ids(message)
            ids = [sent_id(call) for call in message.calls]
        seen.update(ids)
        made.append(message)
    return tuple(made)


def _with_own_ids(message: Message) -> Message:
    content = tuple(
        replace(part, provider_id="") if isinstance(part, Call) else part
        for part in message.content
    )
    return replace(message, content=content)


def _keep_blocks(message: Message, keep: Callable[[Block], bool]) -> Message:
    if isinstance(message.content, str):
        return message
    content = tuple(part for part in message.content if not isinstance(part, Block) or keep(part))
    if len(content) == len(message.content):
        return message
    return replace(message, content=content)

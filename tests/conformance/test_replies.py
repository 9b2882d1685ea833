"""What the servers of the suite send is what the official SDKs read: their own types judge it."""

import json
from functools import cache
from pkgutil import resolve_name
from typing import Any

import pytest
from pydantic import TypeAdapter

import chat_server
import messages_server
import responses_server
from conformance import chat, messages, responses
from conformance.conversation import Dialect, Reply
from conformance.suite import DIALECTS
from conformance.test_conversations import CONVERSATIONS

TYPES: dict[Dialect, str] = {
    "chat": "openai.types.chat.ChatCompletionChunk",
    "responses": "openai.types.responses.ResponseStreamEvent",
    "messages": "anthropic.types.RawMessageStreamEvent",
}
"""Imported when they are needed: that takes seconds."""
USAGE = {"input_tokens": 9, "output_tokens": 5}


@cache
def adapter(dialect: Dialect) -> TypeAdapter[Any]:
    return TypeAdapter(resolve_name(TYPES[dialect]))


def sent(dialect: Dialect, reply: Reply) -> list[Any]:
    """The events of a reply as they are sent."""
    if dialect == "chat":
        return list(chat_server.chunks(chat.write_reply(reply, 1)))
    if dialect == "responses":
        made = responses.write_reply(reply, 1)
        return list(responses_server.events(made.output, made.status, **made.fields))
    said = messages.write_reply(reply, 1)
    data = messages_server.stream_events(said, said.usage or USAGE)
    lines = [line.removeprefix(b"data: ") for line in data.split(b"\n") if line[:5] == b"data:"]
    return [json.loads(line) for line in lines if b'"ping"' not in line]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_event_is_of_the_types_of_the_sdk(dialect: Dialect):
    told = 0
    for conversation in CONVERSATIONS:
        for reply in conversation.replies:
            is_pause = isinstance(reply, Reply) and reply.end == "paused" and dialect != "messages"
            if isinstance(reply, Reply) and not is_pause:
                for event in sent(dialect, reply):
                    adapter(dialect).validate_python(event)
                    told += 1
    assert told > 500

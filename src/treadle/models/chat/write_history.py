"""Writes a thread as a history of chat completions, which other programs can read. Pure."""

from collections.abc import Iterable

import msgspec

from ...core import events as e
from ...core.legal import make_turns
from ...core.model import ToolSchema
from ...core.prompt import Prompt
from .encode import encode_message, encode_tool


def write_history(records: Iterable[e.Record]) -> bytes:
    """A JSON object with all messages of a thread, also those that its prompts left out.

    With the instructions, the tools and the model that the log describes last. What a provider
    refused, and fields that only one provider understands, aren't there.
    """
    prompt = Prompt()
    described: e.AgentDescribed | None = None
    for record in records:
        if isinstance(record.event, e.AgentDescribed):
            described = record.event
        if not isinstance(record.event, e.ContextCompacted):
            prompt.add(record)
    system = described.instructions if described else ""
    messages = make_turns(message.for_model("chat") for message in prompt.messages(system))
    history = {"messages": [msgspec.Raw(encode_message(message)) for message in messages]}
    if described is None:
        return msgspec.json.encode(history)
    tools = [
        msgspec.Raw(encode_tool(ToolSchema(name, tool.description, tool.parameters)))
        for name, tool in described.tools.items()
    ]
    return msgspec.json.encode({"model": described.model, **history, "tools": tools})

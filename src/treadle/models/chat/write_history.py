"""Writes a thread as a history of chat completions, which other programs can read. Pure."""

from collections.abc import Sequence

import msgspec

from ...core import events as e
from ...core.legal import fill_empty, make_turns
from ...core.model import ToolSchema
from ...core.prompt import Prompt
from .encode import encode_message, encode_tool
from .read_history import INSTRUCTIONS


def write_history(records: Sequence[e.Record]) -> bytes:
    """A JSON object with all messages of a thread, also those that its prompts left out.

    With the instructions, the tools and the model that the log describes last. What a provider
    refused, and fields that only one provider understands, aren't there.
    """
    events = [record.event for record in records]
    descriptions = [event for event in events if isinstance(event, e.AgentDescribed)]
    described = descriptions[-1] if descriptions else None
    system = described.instructions if described else ""
    brought = INSTRUCTIONS.format(text=system)
    prompt = Prompt()
    for record in records:
        event = record.event
        is_system = isinstance(event, e.UserSaid) and event.text == brought
        if not isinstance(event, e.ContextCompacted) and not is_system:
            prompt.add(record)
    turns = make_turns(message.for_model("chat") for message in prompt.messages(system))
    messages = fill_empty(turns)
    history = {"messages": [msgspec.Raw(encode_message(message)) for message in messages]}
    if described is None:
        return msgspec.json.encode(history)
    tools = [
        msgspec.Raw(encode_tool(ToolSchema(name, tool.description, tool.parameters)))
        for name, tool in described.tools.items()
    ]
    return msgspec.json.encode({"model": described.model, **history, "tools": tools})

"""The events about an agent as a whole: what it is made of, and what its prompt leaves out."""

from typing import Any

from . import values as v
from .description_values import Identity, PolicyDescription, ToolDescription
from .event_struct import EventStruct


class AgentDescribed(EventStruct, frozen=True):
    """What the agent in charge is made of. If that has changed, it comes before what it does."""

    agent: str
    model: str
    instructions: str
    """The system prompt."""
    tools: dict[str, ToolDescription] = {}
    """By name, in the order in which the model is told of them."""
    settings: dict[str, Any] = {}
    """The model's, such as a temperature."""
    output_schema: dict[str, Any] | None = None
    """JSON Schema that the answer must fit; None for prose."""
    policy: PolicyDescription | None = None
    """None in logs that were written before there was this field."""
    of_run: tuple[str, ...] = ()
    """The names of the settings that were asked for in one run, and aren't the agent's own."""


class ContextCompacted(EventStruct, frozen=True):
    """From here on the prompt leaves something out. The log keeps it."""

    upto_seq: v.Count = 0
    """Records up to this one are left out, except pinned messages; `summary` stands for them."""
    summary: str = ""
    results_upto_seq: v.Count = 0
    """Tool results up to this record are cut to `result_chars`."""
    result_chars: v.Count = 0


def describe_format_1(was: Identity) -> AgentDescribed:
    """What a log of format 1 says of an agent: the names of its tools, and hashes of the rest."""
    tools = {name: ToolDescription("", {}) for name in was.tools}
    return AgentDescribed(was.agent, was.model, "", tools)

"""The API's records of a thread, the picture of a run, and what a model call saw."""

import msgspec

from ..core import events as e
from ..graphs.picture import Picture, draw_flow
from ..models.chat.encode import encode_message, encode_tool
from ..observe.rebuilt_prompt import find_model_call, rebuild_prompt
from .routes import Asked
from .shown import Shown, ShownRecord


class RecordQuery(msgspec.Struct, forbid_unknown_fields=True):
    """From where on, and up to where."""

    after: int = 0
    """The seq of the last record that is known."""
    before: int | None = None
    """The seq of the first record that is known; None: up to the end."""
    last: int | None = None
    """At most so many, the last ones; None: all."""


class SeenPrompt(msgspec.Struct):
    """What a model call saw."""

    model: str
    purpose: str
    messages: list[msgspec.Raw]
    """In the form of chat completions."""
    tools: list[msgspec.Raw]
    exact: bool
    """Whether the log's hash of the prompt says that the model saw just this."""
    why: str
    """Which rule of `decide` led to the call."""


async def read_records(asked: Asked) -> list[ShownRecord]:
    """The thread's records after a seq, each with its line."""
    found = await asked.served.read(asked.thread)
    query: RecordQuery = asked.query
    end = found.state.seq
    if query.before is not None:
        end = max(0, min(end, query.before - 1))
    after = max(0, query.after)
    if query.last is not None:
        after = max(after, end - query.last)
    shown = Shown(found, after)
    return [shown.show(record) for record in found.records[after:end]]


async def read_picture(asked: Asked) -> Picture:
    """A graph, or the steps of a flow, with the way that its run took; of an agent's, no places."""
    log = await asked.served.read(asked.thread)
    if graph := asked.served.graphs.get(log.state.agent):
        return graph.draw(log.records)
    if any(isinstance(record.event, e.StepAsked) for record in log.records):
        return draw_flow(log.records)
    return Picture()


async def read_prompt(asked: Asked) -> SeenPrompt:
    """What the model call at a seq saw: its messages and tools, rebuilt from the log."""
    log = await asked.served.read(asked.thread)
    record = find_model_call(log.records, f"@{asked.request.path_params['seq']}")
    rebuilt = rebuild_prompt(log.records, record)
    assert isinstance(record.event, e.ModelCalled)
    return SeenPrompt(
        model=record.event.model,
        purpose=record.event.purpose,
        messages=[msgspec.Raw(encode_message(each)) for each in rebuilt.request.messages],
        tools=[msgspec.Raw(encode_tool(each)) for each in rebuilt.request.tools],
        exact=rebuilt.exact,
        why=rebuilt.why,
    )

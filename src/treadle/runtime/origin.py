"""Where a note comes from, read off the log: what people and the agent said, or what tools brought in from outside.

The model is never asked. It may have read, in a tool's result, that it should say "the user told me so".
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from ..core import events as e
from ..core.codec import decode_event
from ..stores.store import Store

TRUSTED_TOOLS = frozenset(
    ("calculator", "current_time", "ask_user", "remember", "recall", "forget")
)
"""Tools whose results hold no text from outside, but for the notes that they show under their origin."""
_OUTSIDE = ("raised", "result")
"""The failures whose message is the tool's own."""
_MARK = re.compile(r"\btool:([\w,-]+)")


def find_outside_results(
    records: Iterable[e.Record], inside: Collection[str] = TRUSTED_TOOLS
) -> Iterator[tuple[int, str]]:
    """The results that hold text from outside: the seq of each, and the name of the tool that it comes from.

    What a tool of notes shows of a note with a tool's origin comes from that tool.
    """
    names: dict[str, str] = {}
    for record in records:
        match record.event:
            case e.ModelReplied(calls=calls):
                names |= {call.id: call.name for call in calls}
            case e.StepAsked(call=call):
                names[call.id] = call.name
            case e.NotesRecalled(text=text):
                yield from ((record.seq, name) for name in find_marked_tools(text))
            case (
                e.ToolReturned(call_id=call_id, content=text)
                | e.OutcomeDecided(call_id=call_id, content=text)
            ) if text:
                yield from (
                    (record.seq, name) for name in _sources(names.get(call_id, ""), text, inside)
                )
            case e.ToolFailed(call_id=call_id, kind=kind, message=text) if kind in _OUTSIDE:
                yield from (
                    (record.seq, name) for name in _sources(names.get(call_id, ""), text, inside)
                )


def find_marked_tools(text: str) -> list[str]:
    """The tools that have a hand in the notes which a text shows, by the marks that `recalled.line` gives them."""
    return [name for mark in _MARK.findall(text) for name in mark.split(",") if name]


def make_origin(tools: Iterable[str]) -> str:
    """The origin of a note that was made when the results of these tools had been seen."""
    names = sorted({re.sub(r"[^\w-]", "_", name)[:64] or "_" for name in tools})
    return f"tool:{','.join(names)}" if names else "user"


def find_asking_seq(records: Iterable[e.Record], call_id: str) -> int:
    """The seq of the reply, or of the flow's step, that asked for a call; 0 where there is none."""
    for record in records:
        if isinstance(record.event, e.StepAsked) and record.event.call.id == call_id:
            return record.seq
        if isinstance(record.event, e.ModelReplied) and any(
            call.id == call_id for call in record.event.calls
        ):
            return record.seq
    return 0


async def read_records(store: Store, thread_id: str) -> list[e.Record]:
    """The records of a thread; none where it isn't there."""
    return [
        e.Record(thread_id, row.seq, row.at, decode_event(row.event))
        for row in await store.read(thread_id)
    ]


async def find_tools_seen(
    store: Store, records: Sequence[e.Record], call_id: str, inside: Collection[str] = TRUSTED_TOOLS
) -> tuple[str, ...]:
    """The tools whose text from outside the model had seen when it asked for this call ("": by now).

    What a thread was told by its parent counts too: whoever wrote that had seen what the parent had.
    """
    before = find_asking_seq(records, call_id) or len(records) + 1
    tools = {name for seq, name in find_outside_results(records, inside) if seq < before}
    return tuple(sorted(tools | set(await find_tools_inherited(store, records, inside))))


async def find_tools_inherited(
    store: Store, records: Sequence[e.Record], inside: Collection[str] = TRUSTED_TOOLS
) -> tuple[str, ...]:
    """The tools whose text the thread's parent had seen when it started this one, and the parent's parent."""
    tools: set[str] = set()
    known: set[str] = set()
    parent, call_id = _parent(records)
    while parent and parent not in known:
        known.add(parent)
        above = await read_records(store, parent)
        before = find_asking_seq(above, call_id) or len(above) + 1
        tools |= {name for seq, name in find_outside_results(above, inside) if seq < before}
        parent, call_id = _parent(above)
    return tuple(sorted(tools))


def is_child(records: Sequence[e.Record]) -> bool:
    """Whether an agent, and no person, speaks to the agent in this thread."""
    return bool(_parent(records)[0])


def _parent(records: Sequence[e.Record]) -> tuple[str, str]:
    first = records[0].event if records else None
    return (
        (first.parent_thread_id, first.parent_call_id)
        if isinstance(first, e.ThreadStarted)
        else ("", "")
    )


def _sources(tool: str, text: str, inside: Collection[str]) -> list[str]:
    if tool not in inside:
        return [tool]
    return find_marked_tools(text)

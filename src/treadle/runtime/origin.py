"""Where a note comes from, as the log tells: from people and the agent, or from outside, by a tool.

The model is never asked: it may have read in a tool's result that it should say "the user told me".
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec.structs import replace

from ..core import events as e
from ..core.call import asked_calls
from ..core.taint import join_labels, tools_of_provider
from ..stores.rows import from_rows
from ..stores.store import Store

TRUSTED_TOOLS = frozenset(
    (
        *("calculator", "current_time", "date_calculator", "ask_user"),
        *("remember", "recall", "forget"),
    )
)
"""Tools whose results hold no text from outside, except in notes, which show their origin."""
_TOOLS_OWN_WORDS = ("raised", "result")
"""The kinds of failure whose message comes from the tool."""
MESSAGE = "message"
"""The name under which a person's message with text of strangers stands among the tools."""
_MARK = re.compile(r"\btool:([\w,-]+)")


def find_outside_results(
    records: Iterable[e.Record], inside: Collection[str] = TRUSTED_TOOLS
) -> Iterator[tuple[int, str]]:
    """The tool results that hold text from outside: seq, and name of the tool that it comes from.

    A note that came from a tool still comes from that tool when a tool for notes shows it. What
    the model's provider has looked up counts as a tool's result, as does what a tool asks a person
    in mid-call, and a person's message that is labelled untrusted as one of MESSAGE. (A parent's
    task isn't a person's: `is_child`.)
    """
    names: dict[str, str] = {}
    started: set[str] = set()
    of_child = False
    for record in records:
        sources: list[str] = []
        names |= {call.id: call.name for call in asked_calls(record.event)}
        match record.event:
            case e.ThreadStarted(parent_thread_id=parent):
                of_child = bool(parent)
            case e.UserSaid(labels=labels) if "untrusted" in labels and not of_child:
                sources = [MESSAGE]
            case e.ModelReplied() as reply:
                sources = tools_of_provider(reply)
            case e.NotesRecalled(text=text):
                sources = find_marked_tools(text)
            case e.ToolStarted(call_id=call_id):
                started.add(call_id)
            case e.QuestionAsked() as event if event.call_id in started:  # its tool asks, no model
                sources = _sources(names.get(event.call_id, ""), event.text, inside)
            case e.ToolReturned() | e.OutcomeDecided() as event if event.content or event.parts:
                sources = _sources(names.get(event.call_id, ""), event.content, inside)
            case e.ToolFailed() as event if event.kind in _TOOLS_OWN_WORDS:
                sources = _sources(names.get(event.call_id, ""), event.message, inside)
        for name in sources:
            yield record.seq, name


def find_marked_tools(text: str) -> list[str]:
    """The tools that notes in a text come from, by the marks that `recalled.line` gives them."""
    return [name for mark in _MARK.findall(text) for name in mark.split(",") if name]


def make_origin(tools: Iterable[str]) -> str:
    """The origin of a note that is made after the results of these tools have been seen."""
    names = sorted({re.sub(r"[^\w-]", "_", name)[:64] or "_" for name in tools})
    if not names:
        return "user"
    return f"tool:{','.join(names)}"


def find_asking_seq(records: Iterable[e.Record], call_id: str) -> int:
    """The seq of the reply, or of the flow's step, that asked for a call; 0 where there is none."""
    for record in records:
        if any(call.id == call_id for call in asked_calls(record.event)):
            return record.seq
    return 0


async def read_labelled(store: Store, thread_id: str) -> list[e.Record]:
    """The records of a thread, with what others have said in it labelled so; none for an unknown
    thread."""
    return label_imported(from_rows(thread_id, await store.read(thread_id)))


def label_imported(records: Sequence[e.Record]) -> list[e.Record]:
    """The records; those that an import brought have no person's word: messages are untrusted, and
    decisions give no reason."""
    found = list(records)
    for index, record in enumerate(found[: count_imported(found)]):
        match record.event:
            case e.UserSaid(labels=labels) as said:
                event: e.Event = replace(said, labels=join_labels((labels, ("untrusted",))))
            case e.ApprovalGiven() as given:
                event = replace(given, reason="")
            case _:
                continue
        found[index] = replace(record, event=event)
    return found


def count_imported(records: Sequence[e.Record]) -> int:
    """How many records others have written: all up to the last import."""
    marks = [isinstance(each.event, e.TrustChanged) and not each.event.trusted for each in records]
    return max((number for number, is_import in enumerate(marks, 1) if is_import), default=0)


async def find_tools_seen(
    store: Store, records: Sequence[e.Record], call_id: str, inside: Collection[str] = TRUSTED_TOOLS
) -> tuple[str, ...]:
    """The tools whose text the model had seen when it asked for this call ("": by now).

    A task that a parent gave counts as all that the parent had seen when it gave the task.
    """
    tools = _tools_seen_before(records, call_id, inside)
    tools.update(await find_tools_inherited(store, records, inside))
    return tuple(sorted(tools))


async def find_tools_inherited(
    store: Store, records: Sequence[e.Record], inside: Collection[str] = TRUSTED_TOOLS
) -> tuple[str, ...]:
    """The tools whose text the parents, at all levels, had seen when they gave their tasks."""
    tools: set[str] = set()
    read: set[str] = set()
    thread_id, call_id = _parent_of(records)
    while thread_id and thread_id not in read:
        read.add(thread_id)
        parent = await read_labelled(store, thread_id)
        tools |= _tools_seen_before(parent, call_id, inside)
        thread_id, call_id = _parent_of(parent)
    return tuple(sorted(tools))


def is_child(records: Sequence[e.Record]) -> bool:
    """Whether another agent, and no person, speaks to the agent in this thread."""
    thread_id, _ = _parent_of(records)
    return bool(thread_id)


def _tools_seen_before(
    records: Sequence[e.Record], call_id: str, inside: Collection[str]
) -> set[str]:
    # A reply that asks for the call may hold what its provider has looked up before that.
    end = find_asking_seq(records, call_id) or len(records)
    return {name for seq, name in find_outside_results(records, inside) if seq <= end}


def _parent_of(records: Sequence[e.Record]) -> tuple[str, str]:
    """The parent's thread id, and the id of the call there; twice "" where there is none."""
    first = records[0].event if records else None
    if not isinstance(first, e.ThreadStarted):
        return "", ""
    return first.parent_thread_id, first.parent_call_id


def _sources(tool: str, text: str, inside: Collection[str]) -> list[str]:
    if tool in inside:
        return find_marked_tools(text)
    return [tool]

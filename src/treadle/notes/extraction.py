"""Notes out of a finished thread. Looking for them is an ordinary agent run, in a thread of its own.

Its thread's name comes from the thread that is looked through, so that a rerun after a crash goes on where it stopped,
and each note's key comes from both, so that none is written twice.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from ..core import events as e
from ..core.errors import TurnFailed, UnknownThread, UsageError
from ..core.state import fold
from ..runtime.agent import Agent
from ..runtime.log import opened
from ..runtime.origin import INSIDE, inherited, origin, outside, records_of
from ..stores.sqlite import SQLiteStore
from .find_notes import (
    INSTRUCTIONS,
    Fact,
    Piece,
    first_outside,
    fitting,
    noted,
    question,
    rest,
    said,
)
from .note import Note, Placed
from .notes import Notes
from .search import Query, by_words

NAME = "notes"
"""Of the agent that looks for notes."""
MOST_TOKENS = 30_000
"""Of a thread that are shown at once, however large the model's context is."""
MOST_KNOWN = 20
"""Known notes that are shown."""


class Extracted(msgspec.Struct, frozen=True):
    """What came of looking through a thread."""

    placed: tuple[Placed, ...]
    """What became of each note."""
    dropped: int = 0
    """Facts that named no part of the thread, or can't be notes."""
    left_out: int = 0
    """Parts of the thread that had no room; the oldest."""
    threads: tuple[str, ...] = ()
    """Where it was looked through: what the model saw and said."""


@dataclass(frozen=True)
class _Pass:
    """One look at a part of a thread, in a thread of its own."""

    thread_id: str
    pieces: Sequence[Piece]
    origin: str
    """Of its notes; "" for whoever said the piece."""


async def extract_notes(
    agent: Agent, thread: str, notes: Notes | None = None, inside: Collection[str] = INSIDE
) -> Extracted:
    """Note what a thread has that will matter in others, with this agent's model, under its limits.

    `notes` says where (None: the agent's own). `inside` names the tools whose results hold no text from outside. Raises
    UnknownThread, what `run` raises, and TurnFailed where the model gave no list of facts.
    """
    store = agent.store or SQLiteStore()
    own = notes or agent.notes or Notes()
    if not isinstance(own, Notes):
        raise UsageError(
            f"the agent's notes are a {type(own).__name__}; say notes=Notes(...), where to write"
        )
    notes = own.kept_with(store, agent.world)
    records = await records_of(store, thread)
    if not records:
        raise UnknownThread(f"there is no thread {thread!r} in this store")
    extractor = replace(
        agent,
        instructions=INSTRUCTIONS,
        tools=(),
        handoffs=(),
        notes=None,
        approvals=(),
        model=agent.job.model,
        name=NAME,
        output=list[Fact],
        plan=False,
        store=store,
    )
    whole = Extracted(())
    for each in _passes(records, await inherited(store, records, inside), inside):
        whole = _both(whole, await _looked_through(extractor, records, each, notes))
    return whole


def _passes(
    records: Sequence[e.Record], above: Collection[str], inside: Collection[str]
) -> Iterator[_Pass]:
    """What can be trusted first; `above` are the tools whose text had reached the thread's parent."""
    before = 0 if above else first_outside(records, inside)
    tools = {name for _, name in outside(records, inside)} | set(above)
    name = f"{records[0].thread_id}.notes{records[-1].seq}"
    passes = (
        _Pass(name, said(records, before), ""),
        _Pass(f"{name}.tools", rest(records, before, inside), origin(tools)),
    )
    yield from (each for each in passes if each.pieces)


async def _looked_through(
    extractor: Agent, records: Sequence[e.Record], part: _Pass, notes: Notes
) -> Extracted:
    shown = fitting(part.pieces, min(MOST_TOKENS, extractor.job.model.context_tokens // 3))
    known = await _known(notes, shown, trusted_only=not part.origin)
    facts = await _facts(extractor, part.thread_id, records[0].thread_id, question(shown, known))
    found = noted(
        facts, shown, Note("", "", notes.scope, thread_id=records[0].thread_id), part.origin
    )
    keyed = f"{fold(records).key}:{part.thread_id}"
    placed = [
        await notes.write(each.note, key=f"{keyed}:{each.index}", replaces=each.replaces)
        for each in found
    ]
    return Extracted(
        tuple(placed), len(facts) - len(found), len(part.pieces) - len(shown), (part.thread_id,)
    )


async def _facts(extractor: Agent, thread_id: str, source: str, asked: str) -> list[Fact]:
    """The facts that a run found, in its thread: begun, gone on with, or read where it is done."""
    assert extractor.store
    log = await opened(thread_id, extractor.store, extractor.world)
    if not log.records:
        await log.append(e.ThreadStarted(NAME, extractor.world.new_id(), parent_thread_id=source))
    turn = log.state.turn
    again = turn is None or (turn.ended is not None and turn.ended.status != "answered")
    result = await (
        extractor.run(asked, thread=thread_id) if again else extractor.resume(thread_id)
    )
    if result.status != "answered" or result.output is None:
        raise TurnFailed(
            f"no notes were made: thread {thread_id} ended as {result.status} {result.reason}".rstrip()
        )
    facts: list[Fact] = result.output
    return facts


async def _known(notes: Notes, pieces: Sequence[Piece], trusted_only: bool) -> list[Note]:
    """Live notes with words of the thread's. A tool's note is text from outside, and not for every pass."""
    found: dict[str, Note] = {}
    now = notes.world.now()
    for piece in pieces:
        for note in await by_words(notes.store, Query(piece.text[:500], [notes.scope], now, 3)):
            if note.trusted or not trusted_only:
                found[note.id] = note
    return list(found.values())[:MOST_KNOWN]


def _both(one: Extracted, other: Extracted) -> Extracted:
    return Extracted(
        one.placed + other.placed,
        one.dropped + other.dropped,
        one.left_out + other.left_out,
        one.threads + other.threads,
    )

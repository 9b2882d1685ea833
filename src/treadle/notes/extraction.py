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
from ..runtime.log import open_log
from ..runtime.origin import (
    TRUSTED_TOOLS,
    find_outside_results,
    find_tools_inherited,
    make_origin,
    read_records,
)
from ..stores.sqlite import SQLiteStore
from .find_notes import (
    INSTRUCTIONS,
    Fact,
    Piece,
    first_outside_seq,
    fit_budget,
    make_notes,
    render_prompt,
    trusted_pieces,
    untrusted_pieces,
)
from .note import Note, WriteResult
from .notes import Notes
from .search import Query, search_words

EXTRACTOR_NAME = "notes"
"""Of the agent that looks for notes."""
MAX_TOKENS = 30_000
"""Of a thread that are shown at once, however large the model's context is."""
MAX_KNOWN_NOTES = 20
"""Known notes that are shown."""


class Extraction(msgspec.Struct, frozen=True):
    """What came of looking through a thread."""

    written: tuple[WriteResult, ...]
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
    agent: Agent, thread: str, notes: Notes | None = None, inside: Collection[str] = TRUSTED_TOOLS
) -> Extraction:
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
    notes = own.bind(store, agent.world)
    records = await read_records(store, thread)
    if not records:
        raise UnknownThread(f"there is no thread {thread!r} in this store")
    extractor = replace(
        agent,
        instructions=INSTRUCTIONS,
        tools=(),
        handoffs=(),
        notes=None,
        approvals=(),
        model=agent.run_settings.model,
        name=EXTRACTOR_NAME,
        output=list[Fact],
        plan=False,
        store=store,
    )
    whole = Extraction(())
    for each in _passes(records, await find_tools_inherited(store, records, inside), inside):
        whole = _both(whole, await _looked_through(extractor, records, each, notes))
    return whole


def _passes(
    records: Sequence[e.Record], above: Collection[str], inside: Collection[str]
) -> Iterator[_Pass]:
    """What can be trusted first; `above` are the tools whose text had reached the thread's parent."""
    before = 0 if above else first_outside_seq(records, inside)
    tools = {name for _, name in find_outside_results(records, inside)} | set(above)
    name = f"{records[0].thread_id}.notes{records[-1].seq}"
    passes = (
        _Pass(name, trusted_pieces(records, before), ""),
        _Pass(f"{name}.tools", untrusted_pieces(records, before, inside), make_origin(tools)),
    )
    yield from (each for each in passes if each.pieces)


async def _looked_through(
    extractor: Agent, records: Sequence[e.Record], part: _Pass, notes: Notes
) -> Extraction:
    shown = fit_budget(
        part.pieces, min(MAX_TOKENS, extractor.run_settings.model.context_tokens // 3)
    )
    known = await _known(notes, shown, trusted_only=not part.origin)
    facts = await _facts(
        extractor, part.thread_id, records[0].thread_id, render_prompt(shown, known)
    )
    found = make_notes(
        facts, shown, Note("", "", notes.scope, thread_id=records[0].thread_id), part.origin
    )
    keyed = f"{fold(records).key}:{part.thread_id}"
    placed = [
        await notes.write(each.note, key=f"{keyed}:{each.index}", replaces=each.replaces)
        for each in found
    ]
    return Extraction(
        tuple(placed), len(facts) - len(found), len(part.pieces) - len(shown), (part.thread_id,)
    )


async def _facts(extractor: Agent, thread_id: str, source: str, asked: str) -> list[Fact]:
    """The facts that a run found, in its thread: begun, gone on with, or read where it is done."""
    assert extractor.store
    log = await open_log(thread_id, extractor.store, extractor.world)
    if not log.records:
        await log.append(
            e.ThreadStarted(EXTRACTOR_NAME, extractor.world.new_id(), parent_thread_id=source)
        )
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
        for note in await search_words(notes.store, Query(piece.text[:500], [notes.scope], now, 3)):
            if note.trusted or not trusted_only:
                found[note.id] = note
    return list(found.values())[:MAX_KNOWN_NOTES]


def _both(one: Extraction, other: Extraction) -> Extraction:
    return Extraction(
        one.written + other.written,
        one.dropped + other.dropped,
        one.left_out + other.left_out,
        one.threads + other.threads,
    )

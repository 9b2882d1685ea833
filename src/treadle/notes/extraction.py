"""Finds the notes in a finished thread with a model, and writes them.

The search is an ordinary agent run in a thread of its own. That thread's name is derived from the
thread being read, so a rerun after a crash continues it; each note's key is derived from both
names, so no note is written twice.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from ..core import events as e
from ..core.errors import TurnFailed, UnknownThread, UsageError
from ..core.state import fold
from ..core.taint import join_labels, labels_of
from ..runtime.agent import AnyAgent
from ..runtime.log import open_log
from ..runtime.origin import (
    TRUSTED_TOOLS,
    find_outside_results,
    find_tools_inherited,
    make_origin,
    read_labelled,
)
from ..runtime.thread_name import check_thread_name
from ..stores.open_store import open_store
from .extraction_prompt import (
    INSTRUCTIONS,
    FoundNote,
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
from .search import Query, search

EXTRACTOR_NAME = "notes"
"""The name of the agent that looks for notes."""
MAX_TOKENS = 30_000
"""How much of a thread the model is shown, however large its context is."""
MAX_KNOWN_NOTES = 20
"""How many existing notes the model is shown."""


class Extraction(msgspec.Struct, frozen=True):
    """The result of looking for notes in a thread."""

    written: tuple[WriteResult, ...]
    """How each note was written."""
    dropped: int = 0
    """Notes of the model's that named no part of the thread or weren't valid."""
    left_out: int = 0
    """The oldest parts of the thread, which had no room in the prompt."""
    threads: tuple[str, ...] = ()
    """The threads in which the model read it."""


@dataclass(frozen=True)
class _Pass:
    """One part of a thread, and the thread in which a model reads it."""

    thread_id: str
    pieces: Sequence[Piece]
    origin: str
    """The origin of the notes; "" means the speaker of each piece."""
    labels: tuple[e.Label, ...]
    """What had come into the thread by then: see core/taint.py."""


async def extract_notes(
    agent: AnyAgent,
    thread: str,
    notes: Notes | None = None,
    inside: Collection[str] = TRUSTED_TOOLS,
) -> Extraction:
    """Write notes of what will still matter in other threads, using this agent's model and limits.

    `notes` is where to write (None: the agent's own notes). `inside` names the tools whose results
    hold no text from outside. Raises UnknownThread, UsageError for an imported thread that nobody
    has adopted, whatever `run` raises, and TurnFailed if the model gave no list of notes.
    """
    store = open_store(agent.store)
    own = notes or agent.notes or Notes()
    if not isinstance(own, Notes):
        raise UsageError(
            f"the agent's notes are a {type(own).__name__}; say notes=Notes(...), where to write"
        )
    notes = own.bind(store, agent.world)
    check_thread_name(thread)
    records = await read_labelled(store, thread)
    if not records:
        raise UnknownThread(f"there is no thread {thread!r} in this store")
    if not fold(records).trusted:
        raise UsageError(
            f"thread {thread} was imported and nobody has adopted it: what it says counts for no"
            f" note. Look at it, then adopt it: treadle adopt {thread}"
        )
    extractor = replace(
        agent,
        instructions=INSTRUCTIONS,
        tools=(),
        handoffs=(),
        notes=None,
        rules=(),
        check_input=None,
        check_output=None,
        model=agent.run_settings.models,
        name=EXTRACTOR_NAME,
        output=list[FoundNote],
        plan=False,
        store=store,
    )
    inherited = await find_tools_inherited(store, records, inside)
    whole = Extraction(())
    for each in _split_by_trust(records, inherited, inside):
        whole = _add(whole, await _extract_pass(extractor, records, each, notes))
    return whole


def _split_by_trust(
    records: Sequence[e.Record], inherited: Collection[str], inside: Collection[str]
) -> Iterator[_Pass]:
    """The passes that have something to read, the trusted one first.

    `inherited` are the tools whose text the thread's parent had seen when it started the thread.
    """
    before = 0
    if not inherited:
        before = first_outside_seq(records, inside)
    name = f"{records[0].thread_id}.notes{records[-1].seq}"
    held = fold(records).held
    trusted = trusted_pieces(records, before)
    if trusted:
        by_then = tuple(each for each in held if each.seq < before)
        labels = join_labels([labels_of(by_then), *_labels_said(records, trusted)])
        yield _Pass(name, trusted, "", labels)
    untrusted = untrusted_pieces(records, before, inside)
    if untrusted:
        tools = {name for _, name in find_outside_results(records, inside)} | set(inherited)
        yield _Pass(f"{name}.tools", untrusted, make_origin(tools), labels_of(held))


def _labels_said(
    records: Sequence[e.Record], pieces: Sequence[Piece]
) -> Iterator[tuple[e.Label, ...]]:
    """What the messages among these pieces are labelled with, also those of after the pages."""
    for piece in pieces:
        event = records[piece.seq - 1].event
        if isinstance(event, e.UserSaid):
            yield event.labels


async def _extract_pass(
    extractor: AnyAgent, records: Sequence[e.Record], part: _Pass, notes: Notes
) -> Extraction:
    source = records[0].thread_id
    budget_tokens = min(MAX_TOKENS, extractor.run_settings.model.context_tokens // 3)
    shown = fit_budget(part.pieces, budget_tokens)
    known = await _find_known(notes, shown, part)
    thread_id = await _name_thread(extractor, part.thread_id, source)
    prompt = e.UserSaid(render_prompt(shown, known), labels=part.labels)
    found = await _ask_model(extractor, thread_id, source, prompt)
    shared = Note("", "", notes.scope, thread_id=source, labels=part.labels)
    drafts = make_notes(found, shown, shared, part.origin)
    key = f"{fold(records).key}:{thread_id}"
    written: list[WriteResult] = []
    for draft in drafts:
        result = await notes.write(draft.note, key=f"{key}:{draft.index}", replaces=draft.replaces)
        written.append(result)
    return Extraction(
        tuple(written),
        dropped=len(found) - len(drafts),
        left_out=len(part.pieces) - len(shown),
        threads=(thread_id,),
    )


async def _name_thread(extractor: AnyAgent, name: str, source: str) -> str:
    """This name, or another one if a thread of this name wasn't begun for these notes."""
    store = open_store(extractor.store)
    log = await open_log(name, store, extractor.world)
    if not log.records:
        return name
    first = log.records[0].event
    place = None
    if isinstance(first, e.ThreadStarted) and log.state.trusted:
        place = (first.agent, first.parent_thread_id)
    if place == (EXTRACTOR_NAME, source):
        return name
    return f"{name}.{extractor.world.new_id()}"


async def _ask_model(
    extractor: AnyAgent, thread_id: str, source: str, prompt: e.UserSaid
) -> list[FoundNote]:
    """The notes that the model found, from its thread: run it, resume it, or read its answer."""
    store = open_store(extractor.store)
    log = await open_log(thread_id, store, extractor.world)
    if not log.records:
        await log.append(
            e.ThreadStarted(EXTRACTOR_NAME, extractor.world.new_id(), parent_thread_id=source)
        )
    turn = log.state.turn
    if turn is None or (turn.ended is not None and turn.ended.status != "answered"):
        result = await extractor.run(prompt, thread=thread_id)
    else:
        result = await extractor.resume(thread_id)
    found: list[FoundNote] | None = result.find_output()
    if found is None:
        how = f"{result.status} {result.reason}".rstrip()
        raise TurnFailed(f"no notes were made: thread {thread_id} ended as {how}")
    return found


async def _find_known(notes: Notes, pieces: Sequence[Piece], part: _Pass) -> list[Note]:
    """Live notes that share words with the thread.

    None that would bring more into this pass than the thread did: a note made from tool results is
    text from outside, which the trusted pass must not see, and a private one may be told on.
    """
    found: dict[str, Note] = {}
    now = notes.world.now()
    for piece in pieces:
        query = Query(piece.text[:500], [notes.scope], now, 3)
        for hit in (await search(notes.store, None, query)).hits:
            is_trusted = hit.note.trusted or part.origin
            if is_trusted and set(hit.note.labels) <= set(part.labels):
                found[hit.note.id] = hit.note
    return list(found.values())[:MAX_KNOWN_NOTES]


def _add(one: Extraction, other: Extraction) -> Extraction:
    return Extraction(
        one.written + other.written,
        one.dropped + other.dropped,
        one.left_out + other.left_out,
        one.threads + other.threads,
    )

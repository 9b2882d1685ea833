"""A turn that a client of OpenAI's APIs begins, joins or goes on with: whose, and where."""

import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.responses import Response, StreamingResponse

from ..core import events as e
from ..core.errors import TreadleError, TurnFailed, UnknownThread
from ..core.result import Result
from ..core.values import text_of
from ..engines import Engine
from ..engines.open_engine import engine_here
from ..flows.flow import Flow
from ..runtime.agent import Agent
from ..runtime.log import Log
from ..runtime.message_key import thread_of_key
from ..runtime.require_log import require_log
from ..runtime.settle import Posted, Settled, settle
from ..runtime.submit import go_on, reopen
from ..runtime.world import World
from .chat_shapes import ChatTurn, ChunkWriter, Words, quote_name
from .client_tools import make_client_tools, make_handle, thread_of_client_id
from .conversations import SYSTEM, Conversations, History, Place, owner_of
from .responses_shapes import EventWriter
from .routes import Asked, BadRequest
from .said_turn import find_turn
from .served import NotServed
from .stream import STREAM_HEADERS, Item, with_pauses
from .turn_part import begin_saying, seq_before_steering, since

NO_MODEL = "model_not_found"
THREAD_HEADER = "x-treadle-thread"
"""In a request: the thread to go on with. In an answer: the one that it is of."""


def name_owner(asked: Asked, user: str | None) -> str:
    """Whose conversation it is: that of the key's person, or of one of their users."""
    return f"{asked.person}/{user}" if user else asked.person


def conversations_of(asked: Asked) -> Conversations:
    """Those of the server."""
    found: Conversations = asked.request.app.state.conversations
    return found


def choose_agent(asked: Asked) -> Agent:
    """The agent that the request names, with the tools beside its own that the client brings and
    lets it call. Raises BadRequest."""
    body = asked.body
    try:
        runner = asked.served.find(body.model or "")
    except NotServed as error:
        raise BadRequest(str(error), 404, NO_MODEL) from None
    if isinstance(runner, Flow):
        raise BadRequest(f"{runner.name} is a flow, which doesn't chat")
    if body.tool_choice not in (None, "auto", "none"):
        raise BadRequest("the agent itself chooses among tools; `tool_choice` is auto or none")
    if not body.tools or body.tool_choice == "none":
        return runner
    known = runner.run_settings.policy.tools
    return replace(runner, tools=[*runner.tools, *make_client_tools(body.tools, known)])


def find_engine(asked: Asked) -> Engine | None:
    """What leaves the turn of a request to a worker; None: this server drives it.

    Pieces of text come only from the process that drives, and a client's tools are known only to
    the request that brings them: a request that wants or has these is driven here.
    """
    if asked.body.stream or asked.body.tools:
        return None
    return asked.served.engine


async def begin_turn(asked: Asked, agent: Agent, history: History, place: Place) -> ChatTurn:
    """Say what the client sent last at this place, or go on with the calls that it has run."""
    if place.thread_id:
        await asked.served.refuse_others(agent, place.thread_id)
    said = history.said()
    engine = find_engine(asked)
    engine_here.set(asked.served.engine)  # where a turn that is driven here leaves its children
    after = place.after
    if said is None:
        thread_id = place.thread_id or ""
        await go_on(agent.runs, thread_id, engine)
        items = asked.served.follow(agent, await asked.served.open(thread_id), after)
    else:
        said = await _with_system(asked, said, history, place)
        await _reopen(asked, agent, place)
        begun = await begin_saying(agent, said, place.thread_id, place.key, engine)
        thread_id = begun.thread_id
        log = await require_log(thread_id, asked.served.store, World(), begun.opened_seq)
        if after is None:
            after = seq_before_steering(log.records, place.key)
        items = asked.served.follow(agent, log, after, begun)
    address = asked.name_page(thread_id)
    place = replace(place, after=after)
    part = since(items, after)
    return ChatTurn(place, thread_id, part, address, int(time.time()), agent.name)


async def _reopen(asked: Asked, agent: Agent, place: Place) -> None:
    """Open the turn of this message again where an outage has failed it: it goes on."""
    thread_id = place.thread_id or thread_of_key(agent.name, place.key)
    with contextlib.suppress(UnknownThread):
        turn = find_turn(await asked.served.open(thread_id), place.key)
        if turn and turn.is_last and turn.end is not None:
            await reopen(agent.runs, thread_id)


async def find_place(asked: Asked, agent: Agent, history: History) -> Place:
    """Where a history's last message goes: the thread of the calls that have results, the one that
    the header names, or the one whose history it is. Raises BadRequest."""
    if history.results:
        return await _settle(asked, history)
    if history.said() is None:
        raise BadRequest("the last message must be the person's, or the result of a call")
    return await _place(asked, agent, history)


async def _place(asked: Asked, agent: Agent, history: History) -> Place:
    """Where the message goes: the thread that the header names, else that of the history."""
    named = asked.request.headers.get(THREAD_HEADER)
    if named is None:
        return await conversations_of(asked).place(agent, history)
    thread_id = unquote(named)
    key = history.key(len(history.messages))
    with contextlib.suppress(UnknownThread):
        await refuse_other_owner(asked, thread_id, history.owner)
        log = await asked.served.open(thread_id)
        key = conversations_of(asked).key_within(agent, log, history)
    return Place(thread_id, key)


async def refuse_other_owner(asked: Asked, thread_id: str, owner: str) -> None:
    """Raise UnknownThread for the thread of a conversation of somebody else's."""
    found = owner_of(await asked.served.open(thread_id))
    if found not in ("", owner):
        raise BadRequest(f"there is no thread {thread_id!r} of yours", 404)


async def _settle(asked: Asked, history: History) -> Place:
    """Give the calls that the client has run their results. Raises BadRequest."""
    settled: list[Settled] = []
    for result in history.results:
        thread_id = thread_of_client_id(result.call_id)
        if not thread_id:
            raise BadRequest(f"no call here has the id {result.call_id!r}")
        await refuse_other_owner(asked, thread_id, history.owner)
        handle, text = make_handle(result.call_id), text_of(result.said)
        posted = Posted(handle, text, thread_id, history.owner)
        served = asked.served
        settled += await settle(served.store, World(), served.find_settings, posted)
    _, root = await asked.served.find_of_thread(settled[-1].thread_id)
    after = _seq_before_results(root, settled)
    if history.said():
        return Place(root.thread_id, history.key(len(history.messages)), after)
    keys = [each.event.key for each in root.records if isinstance(each.event, e.UserSaid)]
    return Place(root.thread_id, next(filter(None, reversed(keys)), ""), after)


def _seq_before_results(log: Log, settled: Sequence[Settled]) -> int:
    """The seq of the last record before the first of these results; sent again, it is the same."""
    left = {each.call_id for each in settled}
    seq = log.state.seq
    for record in reversed(log.records):
        match record.event:
            case e.ToolReturned() | e.ToolFailed() | e.OutcomeDecided() as outcome:
                if outcome.call_id in left:
                    left.remove(outcome.call_id)
                    seq = record.seq - 1
    return seq


async def _with_system(
    asked: Asked, said: e.UserSaid, history: History, place: Place
) -> e.UserSaid:
    """The message, with the client's words to the model before it where the thread hasn't them."""
    if not history.system:
        return said
    system = SYSTEM.format(text=history.system)
    if place.thread_id is not None:
        with contextlib.suppress(UnknownThread):
            log = await asked.served.open(place.thread_id)
            for record in reversed(log.records):
                event = record.event
                if isinstance(event, e.UserSaid) and event.key == place.key:
                    return msgspec.structs.replace(said, content=event.content)
            if any(
                isinstance(record.event, e.UserSaid) and record.event.text.startswith(system)
                for record in log.records
            ):
                return said
    if isinstance(said.content, str):
        return msgspec.structs.replace(said, content=system + said.content)
    return msgspec.structs.replace(said, content=(system, *said.content))


async def read_turn(asked: Asked, turn: ChatTurn, first: Item) -> Result:
    """The turn's result, once it has ended or waits, for a client that gets it whole. Raises as
    `run`."""
    async with aclosing(turn.items):
        item: Item | None = first
        while item is not None and not isinstance(item, Result):
            item = await anext(turn.items, None)
    if item is None:
        raise TurnFailed("the turn gave no result")
    conversations_of(asked).deliver(turn.place, item)
    return item


def give(turn: ChatTurn, answer: Any) -> Response:
    """An answer in JSON, with the thread that it is of."""
    headers = {THREAD_HEADER: quote_name(turn.thread_id)}
    return Response(msgspec.json.encode(answer), media_type="application/json", headers=headers)


Writer = ChunkWriter | EventWriter
"""Writes the events of one turn, as an API has them: begin, write_text, then end or fail."""


def stream_turn(asked: Asked, turn: ChatTurn, first: Item, writer: Writer) -> Response:
    """The answer as it is written, in events; what the model says between calls, too."""
    headers = STREAM_HEADERS | {THREAD_HEADER: quote_name(turn.thread_id)}
    events = _write_turn(asked, turn, first, writer)
    return StreamingResponse(with_pauses(events), media_type="text/event-stream", headers=headers)


async def _write_turn(
    asked: Asked, turn: ChatTurn, first: Item, writer: Writer
) -> AsyncGenerator[bytes, None]:
    words = await _hear_words(asked, turn, first)
    yield writer.begin()
    item: Item | None = first
    try:
        async with aclosing(turn.items):
            while item is not None and not isinstance(item, Result):
                if text := words.take(item):
                    yield writer.write_text(text)
                item = await anext(turn.items, None)
    except TreadleError as error:
        yield writer.fail(error)
        return
    if item is None:
        return
    if text := words.end(item):
        yield writer.write_text(text)
    yield writer.end(item, words)
    conversations_of(asked).deliver(turn.place, item)


async def _hear_words(asked: Asked, turn: ChatTurn, first: Item) -> Words:
    """What takes the words out of the turn's items, of which this is the first."""
    log = await asked.served.open(turn.thread_id)
    before = log.records
    if isinstance(first, e.Record) and first.thread_id == turn.thread_id:
        before = before[: first.seq - 1]
    return Words(turn.thread_id, before)

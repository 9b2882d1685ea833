"""`/v1/models` and `/v1/chat/completions`: any OpenAI client talks to the agents that are served.

The agent's instructions, tools, model and settings are its own: of a request count its messages and
the tools that the client brings. Which thread goes on is said in conversations.py, or by the header
`X-Treadle-Thread`.
"""

import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.responses import Response, StreamingResponse

from ..core import events as e
from ..core.errors import ModelError, TreadleError, TurnFailed, UnknownThread
from ..core.result import Result
from ..core.values import text_of
from ..flows.flow import Flow
from ..runtime.agent import Agent
from ..runtime.message_key import thread_of_key
from ..runtime.settle import settle
from ..runtime.world import World
from .chat_shapes import (
    ChatTurn,
    Words,
    describe_end,
    describe_usage,
    finish_reason_of,
    make_chunk,
    make_completion,
    quote_name,
    write_problem,
)
from .client_tools import make_client_tools, make_handle, thread_of_client_id
from .conversations import SYSTEM, Conversations, History, Place, owner_of, read_messages
from .routes import Asked, BadRequest
from .stream import STREAM_HEADERS, Item, with_pauses

THREAD_HEADER = "x-treadle-thread"
"""In a request: the thread to go on with. In an answer: the one that it is of."""


class ChatRequest(msgspec.Struct):
    """A request of chat completions. What isn't here is left to the agent."""

    messages: Any = None
    model: str = ""
    """The agent's name."""
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    user: str = ""
    """Whose conversation it is, among those of one key."""
    n: int | None = None
    response_format: dict[str, Any] | None = None


async def list_models(asked: Asked) -> Any:
    """The agents that are served, as models."""
    agents = [
        {"id": name, "object": "model", "created": 0, "owned_by": "treadle"}
        for name, runner in asked.served.runners.items()
        if isinstance(runner, Agent)
    ]
    return {"object": "list", "data": agents}


async def complete(asked: Asked) -> Response:
    """Answer a chat. A client that sends its whole history goes on with the thread it is of."""
    body: ChatRequest = asked.body
    _refuse_unknown(body)
    history = read_messages(body.messages, _owner(asked))
    turn = await _begin(asked, history)
    headers = {THREAD_HEADER: quote_name(turn.thread_id)}
    # What keeps the turn from beginning comes with the first item: it has a status of its own.
    first = await anext(turn.items)
    if body.stream:
        with_usage = bool((body.stream_options or {}).get("include_usage"))
        chunks = _stream(asked, turn, first, with_usage)
        return StreamingResponse(
            with_pauses(chunks), media_type="text/event-stream", headers=STREAM_HEADERS | headers
        )
    try:
        result = await _read_result(turn, first)
    except (ModelError, TurnFailed) as error:
        return _refuse(error)
    _conversations(asked).deliver(turn.thread_id, turn.place.key)
    completion = make_completion(turn, result, body.model)
    return Response(msgspec.json.encode(completion), media_type="application/json", headers=headers)


def _refuse_unknown(body: ChatRequest) -> None:
    if body.n not in (None, 1):
        raise BadRequest("one answer is given; leave out `n`")
    kind = (body.response_format or {}).get("type", "text")
    if kind != "text":
        raise BadRequest(
            f"the form of the answer is the agent's own; leave out `response_format` {kind!r}"
        )


def _owner(asked: Asked) -> str:
    user = asked.body.user
    return f"{asked.person}/{user}" if user else asked.person


def _conversations(asked: Asked) -> Conversations:
    found: Conversations = asked.request.app.state.conversations
    return found


async def _begin(asked: Asked, history: History) -> ChatTurn:
    """Say what the client sent last, or settle the calls that it has run."""
    runner = asked.served.find(asked.body.model)
    if isinstance(runner, Flow):
        raise BadRequest(f"{runner.name} is a flow, which doesn't chat")
    known = runner.run_settings.policy.tools
    agent = replace(
        runner, tools=[*runner.tools, *make_client_tools(asked.body.tools or (), known)]
    )
    said = history.said()
    if history.results:
        place = await _settle(asked, history)
    elif said is None:
        raise BadRequest("the last message must be the person's, or the result of a call")
    else:
        place = await _place(asked, agent, history)
    thread_id = place.thread_id or thread_of_key(agent.name, place.key)
    if said is None:
        agent.resume_in_background(thread_id)
        items = agent.follow(thread_id)
    else:
        said = await _with_system(asked, said, history, place)
        items = agent.stream(said, thread=place.thread_id, key=place.key, when_busy="steer")
    base = str(asked.request.base_url).rstrip("/")
    address = f"{base}/threads/{quote_name(thread_id)}"
    return ChatTurn(place, thread_id, items, address, int(time.time()))


async def _place(asked: Asked, agent: Agent, history: History) -> Place:
    """Where the message goes: the thread that the header names, else that of the history."""
    named = asked.request.headers.get(THREAD_HEADER)
    if named is None:
        return await _conversations(asked).place(agent, history)
    thread_id = unquote(named)
    key = history.key(len(history.messages))
    with contextlib.suppress(UnknownThread):
        await _refuse_other_owner(asked, thread_id, history.owner)
    return Place(thread_id, key)


async def _refuse_other_owner(asked: Asked, thread_id: str, owner: str) -> None:
    """Raise UnknownThread for the thread of a conversation of somebody else's."""
    found = owner_of(await asked.served.open(thread_id))
    if found not in ("", owner):
        raise BadRequest(f"there is no thread {thread_id!r} of yours", 404)


async def _settle(asked: Asked, history: History) -> Place:
    """Give the calls that the client has run their results. Raises BadRequest."""
    threads: list[str] = []
    for result in history.results:
        thread_id = thread_of_client_id(result.call_id)
        if not thread_id:
            raise BadRequest(f"no call here has the id {result.call_id!r}")
        await _refuse_other_owner(asked, thread_id, history.owner)
        await settle(
            asked.served.store,
            World(),
            make_handle(result.call_id),
            text_of(result.said),
            thread_id,
            history.owner,
        )
        threads.append(thread_id)
    log = await asked.served.open(threads[-1])
    return Place(log.state.root_id, history.key(len(history.messages)))


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


async def _read_result(turn: ChatTurn, first: Item) -> Result:
    async with aclosing(turn.items):
        if isinstance(first, Result):
            return first
        async for item in turn.items:
            if isinstance(item, Result):
                return item
    raise TurnFailed("the turn gave no result")


async def _stream(
    asked: Asked, turn: ChatTurn, first: Item, with_usage: bool
) -> AsyncGenerator[bytes, None]:
    """The answer in chunks, as it is written; what the model says between calls, too."""
    words = Words(turn.thread_id)
    yield make_chunk(turn, asked.body.model, {"role": "assistant", "content": ""})
    try:
        async with aclosing(turn.items):
            item: Item | None = first
            while item is not None and not isinstance(item, Result):
                if text := words.take(item):
                    yield make_chunk(turn, asked.body.model, {"content": text})
                item = await anext(turn.items, None)
    except TreadleError as error:
        yield b"data: " + write_problem(error) + b"\n\n"
        return
    if item is None:
        return
    calls, rest = describe_end(turn, item)
    if rest:
        yield make_chunk(turn, asked.body.model, {"content": words.separate(rest)})
    if calls:
        numbered = [{"index": number, **call} for number, call in enumerate(calls)]
        yield make_chunk(turn, asked.body.model, {"tool_calls": numbered})
    yield make_chunk(turn, asked.body.model, {}, finish_reason_of(item, calls))
    if with_usage:
        yield make_chunk(turn, asked.body.model, None, usage=describe_usage(item.usage))
    yield b"data: [DONE]\n\n"
    _conversations(asked).deliver(turn.thread_id, turn.place.key)


def _refuse(error: TreadleError) -> Response:
    return Response(write_problem(error), 502, media_type="application/json")

"""`/v1/models` and `/v1/chat/completions`: any OpenAI client talks to the agents that are served.

The agent's instructions, tools, model and settings are its own: of a request count its messages and
the tools that the client brings. Which thread goes on is said in conversations.py, or by the header
`X-Treadle-Thread`.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.responses import Response, StreamingResponse

from ..core.errors import ModelError, TreadleError, TurnFailed
from ..core.result import Result
from ..runtime.agent import Agent
from .chat_shapes import (
    ChatTurn,
    describe_end,
    describe_usage,
    finish_reason_of,
    make_chunk,
    make_completion,
    quote_name,
)
from .client_turns import (
    NO_MODEL,
    THREAD_HEADER,
    begin_turn,
    choose_agent,
    conversations_of,
    find_place,
    hear_words,
    name_owner,
    read_turn,
    tell_turn,
)
from .conversations import read_messages
from .routes import Asked, BadRequest, read_errors
from .stream import STREAM_HEADERS, Item, with_pauses


class ChatRequest(msgspec.Struct):
    """A request of chat completions. What isn't here is left to the agent; null says nothing."""

    messages: Any = None
    model: str | None = None
    """The agent's name."""
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    """Of the client's tools: "none" or "auto"."""
    user: str | None = None
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


async def read_model(asked: Asked) -> Any:
    """One of the agents, as a model."""
    name = unquote(asked.request.path_params["model"])
    for each in (await list_models(asked))["data"]:
        if each["id"] == name:
            return each
    raise BadRequest(f"no agent {name!r} is served here", 404, NO_MODEL)


async def complete(asked: Asked) -> Response:
    """Answer a chat. A client that sends its whole history goes on with the thread it is of."""
    body: ChatRequest = asked.body
    _refuse_unknown(body)
    history = read_messages(body.messages, name_owner(asked, body.user))
    agent = choose_agent(asked)
    turn = await begin_turn(asked, agent, history, await find_place(asked, agent, history))
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
        result = await read_turn(turn, first)
    except (ModelError, TurnFailed) as error:
        return _refuse(error)
    conversations_of(asked).deliver(turn.place, result)
    completion = make_completion(turn, result)
    return Response(msgspec.json.encode(completion), media_type="application/json", headers=headers)


def _refuse_unknown(body: ChatRequest) -> None:
    if body.n not in (None, 1):
        raise BadRequest("one answer is given; leave out `n`")
    kind = (body.response_format or {}).get("type", "text")
    if kind != "text":
        raise BadRequest(
            f"the form of the answer is the agent's own; leave out `response_format` {kind!r}"
        )


async def _stream(
    asked: Asked, turn: ChatTurn, first: Item, with_usage: bool
) -> AsyncGenerator[bytes, None]:
    """The answer in chunks, as it is written; what the model says between calls, too."""
    words = await hear_words(asked, turn, first)
    yield make_chunk(turn, {"role": "assistant", "content": ""})
    result: Result | None = None
    try:
        async with aclosing(tell_turn(turn, first, words)) as told:
            async for each in told:
                if isinstance(each, Result):
                    result = each
                else:
                    yield make_chunk(turn, {"content": each})
    except TreadleError as error:
        yield b"data: " + read_errors(error)[1] + b"\n\n"
        return
    if result is None:
        return
    calls, rest = describe_end(result, turn.thread_id, turn.address)
    if rest:
        yield make_chunk(turn, {"content": words.separate(rest)})
    if calls:
        numbered = [{"index": number, **call} for number, call in enumerate(calls)]
        yield make_chunk(turn, {"tool_calls": numbered})
    yield make_chunk(turn, {}, finish_reason_of(result, calls))
    if with_usage:
        yield make_chunk(turn, None, usage=describe_usage(result.usage))
    yield b"data: [DONE]\n\n"
    conversations_of(asked).deliver(turn.place, result)


def _refuse(error: TreadleError) -> Response:
    """That the turn has failed: it was tried as often as its settings say, so that OpenAI's clients
    are told not to send it again by themselves."""
    headers = {"x-should-retry": "false"}
    return Response(read_errors(error)[1], 502, headers, media_type="application/json")

"""`/v1/models` and `/v1/chat/completions`: any OpenAI client talks to the agents that are served.

The agent's instructions, tools, model and settings are its own: of a request count its messages and
the tools that the client brings. Which thread goes on is said in conversations.py, or by the header
`X-Treadle-Thread`.
"""

from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.responses import Response

from ..core.errors import ModelError, TreadleError, TurnFailed
from ..runtime.agent import Agent
from .chat_shapes import ChunkWriter, make_completion
from .client_turns import (
    NO_MODEL,
    begin_turn,
    choose_agent,
    find_place,
    give,
    name_owner,
    read_turn,
    stream_turn,
)
from .conversations import read_messages
from .routes import Asked, BadRequest, read_errors


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
    # What keeps the turn from beginning comes with the first item: it has a status of its own.
    first = await anext(turn.items)
    if body.stream:
        with_usage = bool((body.stream_options or {}).get("include_usage"))
        return stream_turn(asked, turn, first, ChunkWriter(turn, with_usage))
    try:
        result = await read_turn(asked, turn, first)
    except (ModelError, TurnFailed) as error:
        return _refuse(error)
    return give(turn, make_completion(turn, result))


def _refuse_unknown(body: ChatRequest) -> None:
    if body.n not in (None, 1):
        raise BadRequest("one answer is given; leave out `n`")
    kind = (body.response_format or {}).get("type", "text")
    if kind != "text":
        raise BadRequest(
            f"the form of the answer is the agent's own; leave out `response_format` {kind!r}"
        )


def _refuse(error: TreadleError) -> Response:
    """That the turn has failed: it was tried as often as its settings say, so that OpenAI's clients
    are told not to send it again by themselves."""
    headers = {"x-should-retry": "false"}
    return Response(read_errors(error)[1], 502, headers, media_type="application/json")

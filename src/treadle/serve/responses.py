"""`/v1/responses`: the Responses API over the agents that are served.

A response is a turn: its id says which. `previous_response_id` goes on after that turn, in a fork
where the thread has gone on since; without it, a history is found as in conversations.py.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.responses import Response

from ..core import events as e
from ..core.errors import ModelError, TurnFailed
from ..core.result import Result, read_result
from ..core.state import fold
from ..runtime.agent import Agent
from .client_turns import (
    begin_turn,
    choose_agent,
    conversations_of,
    find_place,
    give,
    name_owner,
    read_turn,
    refuse_other_owner,
    stream_turn,
)
from .conversations import History, Place, read_messages
from .responses_shapes import (
    Begun,
    EventWriter,
    make_response,
    make_response_id,
    read_input,
    read_response_id,
)
from .routes import Asked, BadRequest
from .said_turn import find_turn
from .turn_part import result_since


class ResponseRequest(msgspec.Struct):
    """A request for a response. What isn't here is left to the agent; null says nothing."""

    input: Any = None
    model: str | None = None
    """The agent's name."""
    previous_response_id: str | None = None
    instructions: str | None = None
    stream: bool | None = None
    background: bool | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    """Of the client's tools: "none" or "auto"."""
    user: str | None = None
    text: dict[str, Any] | None = None


async def respond(asked: Asked) -> Response:
    """Answer an input, in the thread of the response before it, or in a new one."""
    body: ResponseRequest = asked.body
    form = (body.text or {}).get("format") or {}
    if not isinstance(form, Mapping):
        raise BadRequest("`text.format` must be an object")
    kind = form.get("type", "text")
    if kind != "text":
        raise BadRequest(f"the form of the answer is the agent's own; leave out {kind!r}")
    messages = read_input(body.input)
    if body.instructions:
        messages = [{"role": "system", "content": body.instructions}, *messages]
    history = read_messages(messages, name_owner(asked, body.user))
    agent = choose_agent(asked)
    place = await _place(asked, agent, history)
    turn = await begin_turn(asked, agent, history, place)
    first = await anext(turn.items)
    begun = Begun(
        make_response_id(turn.place, turn.thread_id),
        turn.model,
        turn.made_at,
        turn.address,
        turn.thread_id,
        body.previous_response_id,
        bool(body.background),
    )
    if body.stream:
        return stream_turn(asked, turn, first, EventWriter(begun))
    if body.background:
        await turn.items.aclose()
        return give(turn, make_response(begun, None))
    try:
        result = await read_turn(asked, turn, first)
    except (ModelError, TurnFailed) as error:
        return give(turn, make_response(begun, None, str(error)))
    return give(turn, make_response(begun, result))


async def read_response(asked: Asked) -> dict[str, Any]:
    """A response as it is now."""
    begun, result, _ = await _find(asked)
    return make_response(begun, None if result.status == "unfinished" else result)


async def cancel_response(asked: Asked) -> dict[str, Any]:
    """End the turn of a response."""
    begun, result, is_open = await _find(asked)
    if is_open:
        runner, _ = await asked.served.find_of_thread(begun.thread_id)
        ended = e.TurnEnded("cancelled", f"by {asked.person}")
        await runner.post(begun.thread_id, ended)
        _, result, _ = await _find(asked)
    return make_response(begun, result)


async def _place(asked: Asked, agent: Agent, history: History) -> Place:
    """Where the input goes. Raises BadRequest, UnknownThread."""
    previous = asked.body.previous_response_id
    if previous is None:
        return await find_place(asked, agent, history)
    before = read_response_id(previous)
    said = f"{before.key}\0{history.key(len(history.messages))}"
    key = f"chat:{blake2b(said.encode(), digest_size=20).hexdigest()}"
    if history.results:
        place = await find_place(asked, agent, history)
        return replace(place, key=key) if history.said() else place
    if history.said() is None:
        raise BadRequest("the input must end with what the person says")
    return await conversations_of(asked).place_after(agent, history.owner, before, key)


async def _find(asked: Asked) -> tuple[Begun, Result, bool]:
    """What the path's response is, and what came of it so far; whether its turn is open."""
    id = unquote(asked.request.path_params["id"])
    place = read_response_id(id)
    thread_id = place.thread_id or ""
    await refuse_other_owner(asked, thread_id, name_owner(asked, asked.query.user))
    log = await asked.served.open(thread_id)
    turn = find_turn(log, place.key)
    if turn is None:
        raise BadRequest(f"no response here has the id {id!r}", 404)
    records = [each for each in log.records if turn.end is None or each.seq <= turn.end]
    address = asked.name_page(thread_id)
    begun = Begun(id, log.state.agent, int(time.time()), address, thread_id)
    result = read_result(records, fold(records))
    if place.after is not None:
        result = result_since(result, place.after)
    return begun, result, turn.end is None


class OwnerQuery(msgspec.Struct):
    """Whose response it is, where the request that made it named a user."""

    user: str = ""

"""Whole turns against servers that answer as some do: what ends in the log and what goes back."""

import asyncio
import json
from typing import Any

import pytest

from server import Answer, Server, calls, delta, failing, http, says, serving, stream, streamed
from treadle import Agent, Limits, MemoryStore, ModelRejected, Result, tool
from treadle.core import events as e
from treadle.models.remote_model import RemoteModel
from treadle.models.scripted import ScriptedModel
from treadle.runtime.replay import replay
from treadle.runtime.require_log import require_log


@tool(read_only=True)
def stock(item: str) -> int:
    """How many."""
    return 17


def model_at(server: Server, **settings: Any) -> RemoteModel:
    return RemoteModel("m", base_url=server.url, api_key="sk-test-1234", **settings)


def run(*answers: Answer, store: MemoryStore | None = None, **settings: Any) -> tuple[Result, Any]:
    """One turn with the tool `stock`, and the bodies that the server got."""

    async def main() -> tuple[Result, Any]:
        async with serving(*answers) as server:
            agent = Agent(
                "Help.",
                tools=[stock],
                model=model_at(server),
                store=store or MemoryStore(),
                limits=Limits(model_tries=2),
                **settings,
            )
            result = await agent.run("How many lamps?", thread="t")
            return result, [each.body for each in server.asked]

    return asyncio.run(main())


def test_a_malformed_call_is_told_to_the_model():
    unread = {
        "message": "Failed to call a function.",
        "code": "tool_use_failed",
        "failed_generation": '<function=stock={"item": "lamp"}',
    }
    result, bodies = run(
        failing(400, {"error": unread}), calls(("stock", {"item": "lamp"})), says("17.")
    )
    assert result.answer == "17."
    reply, notice = bodies[1]["messages"][-2:]
    assert reply == {"role": "assistant", "content": unread["failed_generation"]}
    assert "could not be read: Failed to call a function." in notice["content"]


def test_a_page_of_an_outage_is_tried_again_and_never_an_answer():
    page = http(200, b"<html>Down</html>")
    result, bodies = run(calls(("stock", {"item": "lamp"})), page, says("17."))
    assert (result.answer, len(bodies)) == ("17.", 3)
    [failed] = [each.event for each in result.records if isinstance(each.event, e.ModelFailed)]
    assert failed.kind == "unavailable"


def test_a_failure_says_in_the_log_what_the_provider_said_without_secrets():
    body = {"error": {"message": "bad field", "echo": "sk-test-1234"}}
    with pytest.raises(ModelRejected) as caught:
        run(failing(400, body, {"x-request-id": "req-7"}))
    error = caught.value
    assert (error.status, error.request_id) == (400, "req-7")
    assert json.loads(error.body)["error"]["message"] == "bad field"
    assert error.result is not None
    [failed] = [r.event for r in error.result.records if isinstance(r.event, e.ModelFailed)]
    assert (failed.status, failed.request_id) == (400, "req-7")
    assert failed.message == "bad field (HTTP 400, request req-7)"
    assert "sk-test-1234" not in str(error.result.records) + error.body


SIGNED = [
    {"type": "reasoning.text", "text": "Let", "index": 0},
    {"type": "reasoning.text", "text": " me see.", "index": 0},
    {"type": "reasoning.text", "signature": "SIG", "index": 0},
]


def thinks_and_calls(call_id: str) -> bytes:
    function = {"name": "stock", "arguments": '{"item": "lamp"}'}
    call = {"index": 0, "id": call_id, "type": "function", "function": function}
    thoughts = [delta(reasoning_details=[each]) for each in SIGNED]
    return streamed([stream(*thoughts, delta(tool_calls=[call]), delta("tool_calls"))])


def test_a_signed_thought_and_the_provider_s_id_go_back_whole_to_the_same_model():
    _, bodies = run(thinks_and_calls("functions.stock:0"), says("17."))
    _, _, reply, result = bodies[1]["messages"]
    assert reply["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Let me see.", "signature": "SIG", "index": 0}
    ]
    assert reply["tool_calls"][0]["id"] == result["tool_call_id"] == "functions.stock:0"


def test_fields_of_a_reply_go_to_no_model_of_that_name_at_another_address():
    store = MemoryStore()
    run(thinks_and_calls("functions.stock:0"), says("17."), store=store)
    result, [body] = run(says("17."), store=store)
    reply = body["messages"][2]
    assert "reasoning_details" not in reply
    assert reply["tool_calls"][0]["id"].startswith("c0")
    places = {r.event.place for r in result.records if isinstance(r.event, e.ModelReplied)}
    assert len(places) == 1


@pytest.mark.parametrize("by_agent", [True, False])
def test_a_thread_of_two_addresses_replays(by_agent: bool):
    store = MemoryStore()
    run(thinks_and_calls("functions.stock:0"), says("17."), store=store)
    run(says("17."), store=store)
    agent = Agent(
        "Help.",
        tools=[stock],
        model=ScriptedModel([], name="openai:m", max_output_tokens=8192),
        store=store,
        limits=Limits(model_tries=2),
    )
    log = asyncio.run(require_log("t", store, agent.world))
    settings = agent.run_settings if by_agent else None
    assert asyncio.run(replay(log.records, settings)) is None

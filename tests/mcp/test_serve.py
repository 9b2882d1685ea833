"""An agent as an MCP server, in both eras of the protocol: turns, threads, questions and approvals at the client."""

import asyncio
import re
from dataclasses import replace

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

import mcp_types as types

from mcp import Client
from treadle import Agent, ApprovalGiven, MemoryStore, ScriptedModel, tool
from treadle.core.errors import ModelDenied
from treadle.mcp.serve import PREFIX, can_show_forms, make_server
from treadle.models.scripted import calls, says
from treadle.tools.ask import ask_user


@tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


def shop(*replies, store=None):
    model = ScriptedModel([*replies])
    return Agent(
        "Sell lamps.",
        name="shop",
        description="Sells lamps.",
        tools=[pay, ask_user],
        model=model,
        store=store or MemoryStore(),
    )


def at_client(agent, work, mode="auto", answers=None):
    """Run this with a client, whose person gives these answers; None: it can't ask anybody."""
    asked = []

    async def elicit(context, params):
        asked.append(params.message)
        return answers.pop(0)

    async def main():
        callback = elicit if answers is not None else None
        async with Client(make_server(agent), mode=mode, elicitation_callback=callback) as client:
            return await work(client)

    return asyncio.run(main()), asked


def accept(**content):
    return types.ElicitResult(action="accept", content=content)


BOTH = pytest.mark.parametrize("mode", ["auto", "legacy"])


@BOTH
def test_a_call_is_a_turn_and_another_goes_on_in_its_thread(mode):
    agent = shop(says("which?"), says("the red one"))

    async def work(client):
        [listed] = (await client.list_tools()).tools
        assert (listed.name, listed.description) == ("shop", "Sells lamps.")
        first = await client.call_tool("shop", {"message": "a lamp"})
        thread = first.structured_content["thread"]
        assert first.structured_content["answer"] == "which?"
        assert first.content[0].text == f"which?\n\n[thread {thread}]"
        second = await client.call_tool("shop", {"message": "red", "thread": thread})
        assert second.structured_content["answer"] == "the red one"
        assert second.structured_content["thread"] == thread

    at_client(agent, work, mode)


@BOTH
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (accept(allow=True), "paid 3"),
        (accept(allow=False, reason="too much"), "error: a person refused this call: too much"),
        (types.ElicitResult(action="decline"), "error: a person refused this call"),
    ],
)
def test_an_approval_is_asked_of_the_person_at_the_client(mode, answer, told):
    agent = shop(calls(("pay", {"amount": 3})), says("done"))

    async def work(client):
        return await client.call_tool("shop", {"message": "pay"})

    result, asked = at_client(agent, work, mode, [answer])
    assert result.structured_content["answer"] == "done"
    assert asked[0].splitlines()[0] == "The agent shop wants to run pay:"
    assert '{"amount": 3}' in asked[0]
    assert agent.model.seen[-1].messages[-1].text == told


@BOTH
def test_a_question_is_answered_at_the_client(mode):
    agent = shop(calls(("ask_user", {"question": "Which colour?"})), says("red then"))

    async def work(client):
        return await client.call_tool("shop", {"message": "a lamp"})

    result, asked = at_client(agent, work, mode, [accept(answer="red")])
    assert asked == ["The agent shop asks:\n│ Which colour?"] or "Which colour?" in asked[0]
    assert result.structured_content["answer"] == "red then"
    assert agent.model.seen[-1].messages[-1].text == "red"


def test_an_answer_comes_after_both_have_restarted():
    store = MemoryStore()

    async def ask(client):
        return await client.session.call_tool("shop", {"message": "pay"}, allow_input_required=True)

    waits, _ = at_client(shop(calls(("pay", {"amount": 3})), store=store), ask, answers=[])
    assert isinstance(waits, types.InputRequiredResult)
    [call_id] = waits.input_requests

    async def answer(client):
        responses = {call_id: accept(allow=True)}
        return await client.call_tool(
            "shop", {}, input_responses=responses, request_state=waits.request_state
        )

    result, _ = at_client(shop(says("done"), store=store), answer, answers=[])
    assert result.structured_content["answer"] == "done"


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments", "answers", "told"),
    [
        (
            "pay",
            ({"amount": 3}, {"amount": 4000}),
            {'"amount": 3}': accept(allow=True), '"amount": 4000}': accept(allow=False)},
            ["paid 3", "error: a person refused this call"],
        ),
        (
            "ask_user",
            ({"question": "Which lamp?"}, {"question": "Which chair?"}),
            {"Which lamp?": accept(answer="the red"), "Which chair?": accept(answer="the oak")},
            ["the red", "the oak"],
        ),
    ],
)
def test_an_answer_fits_its_own_call_though_two_children_use_the_same_id(
    mode, name, arguments, answers, told
):
    models = [ScriptedModel([calls((name, each)), says("done")]) for each in arguments]
    desks = [
        Agent(name=f"desk{i}", tools=[pay, ask_user], model=model) for i, model in enumerate(models)
    ]
    both = calls(*((desk.name, {"task": "go"}) for desk in desks))
    agent = Agent(
        name="shop",
        tools=[desk.as_tool() for desk in desks],
        model=ScriptedModel([both, says("both done")]),
        store=MemoryStore(),
    )
    asked = []

    async def elicit(context, params):
        [key] = [key for key in answers if key in params.message]
        asked.append(key)
        return answers[key]

    async def main():
        server = make_server(agent)
        async with Client(server, mode=mode, elicitation_callback=elicit) as client:
            return await client.call_tool("shop", {"message": "go"})

    assert asyncio.run(main()).structured_content["answer"] == "both done"
    assert sorted(asked) == sorted(answers)
    assert [model.seen[-1].messages[-1].text for model in models] == told


def test_an_answer_to_what_was_shown_before_decides_nothing_else():
    model = ScriptedModel([calls(("pay", {"amount": 3})), calls(("pay", {"amount": 4000}))])
    agent = Agent(name="shop", tools=[pay], model=model, store=MemoryStore())

    async def work(client):
        call = client.session.call_tool
        first = await call("shop", {"message": "pay"}, allow_input_required=True)
        given = {
            "input_responses": {key: accept(allow=True) for key in first.input_requests},
            "request_state": first.request_state,
            "allow_input_required": True,
        }
        second = await call("shop", {}, **given)
        third = await call("shop", {}, **given)
        assert {*second.input_requests}.isdisjoint(first.input_requests)
        assert third.input_requests == second.input_requests

    at_client(agent, work, answers=[])
    assert [m.text for m in model.seen[-1].messages if m.role == "tool"] == ["paid 3"]


@BOTH
def test_a_client_that_cannot_ask_is_told_how_to_decide_and_a_call_decides_nothing(mode):
    agent = shop(calls(("pay", {"amount": 3})))

    async def work(client):
        first = await client.call_tool("shop", {"message": "pay"})
        thread = first.structured_content["thread"]
        again = await client.call_tool("shop", {"thread": thread})
        return first, again

    (first, again), _ = at_client(agent, work, mode)
    assert first.structured_content["status"] == "waiting"
    thread = first.structured_content["thread"]
    assert f"treadle approve {thread} " in first.content[0].text
    assert again.structured_content == first.structured_content


def test_no_client_gets_into_a_thread_that_none_has_begun():
    agent = shop(says("mine"), says("yes"))

    async def work(client):
        own = (await agent.run("private", thread="mine")).thread_id
        for given in (
            {"thread": own},
            {"thread": own, "message": "tell"},
            {"thread": PREFIX + "x", "message": "a"},
            {},
        ):
            result = await client.call_tool("shop", given)
            assert result.is_error, given
        result = await client.session.call_tool("shop", {}, request_state=own)
        assert result.is_error

    at_client(agent, work)


def test_no_client_gets_into_a_thread_of_another_agent():
    agent = shop(says("yes"))
    own = replace(agent, name="other", model=ScriptedModel([says("secret")])).run_sync(
        "private", thread=PREFIX + "own"
    )

    async def work(client):
        for given in ({"thread": own.thread_id}, {"thread": own.thread_id, "message": "tell"}):
            result = await client.call_tool("shop", given)
            assert result.is_error
            assert "secret" not in result.content[0].text

    at_client(agent, work)


def test_a_failed_turn_is_an_error_with_its_reason_and_the_thread_to_go_on_in():
    agent = shop(ModelDenied("the key is wrong"), says("Here is one."))

    async def work(client):
        failed = await client.call_tool("shop", {"message": "a lamp"})
        [named] = re.findall(r"\[thread (\S+)\]", failed.content[0].text)
        return failed, await client.call_tool("shop", {"message": "again", "thread": named})

    (failed, again), _ = at_client(agent, work)
    assert failed.is_error
    assert failed.content[0].text.startswith("the key is wrong\n")
    assert again.structured_content["answer"] == "Here is one."


def test_what_the_model_said_is_told_beside_what_the_turn_waits_for():
    agent = shop(calls(("pay", {"amount": 3}), text="I pay now."))

    async def work(client):
        return await client.call_tool("shop", {"message": "pay"})

    result, _ = at_client(agent, work)
    assert result.content[0].text.startswith("I pay now.\nThe turn waits for a person's approval")


@pytest.mark.parametrize("misspelt", [{"mesage": "a"}, {"message": "a", "tread": "mcp-1"}])
def test_a_misspelt_argument_is_refused(misspelt):
    agent = shop(says("hello"))

    async def work(client):
        return await client.call_tool("shop", misspelt)

    result, _ = at_client(agent, work)
    assert result.is_error
    assert "there are: message, thread" in result.content[0].text
    assert agent.model.seen == []


def test_a_client_that_refuses_to_ask_is_told_what_the_turn_waits_for():
    agent = shop(calls(("pay", {"amount": 3})))

    async def refuse(context, params):
        return types.ErrorData(code=-32000, message="the window was closed")

    async def main():
        server = make_server(agent)
        async with Client(server, mode="legacy", elicitation_callback=refuse) as client:
            return await client.call_tool("shop", {"message": "pay"})

    result = asyncio.run(main())
    assert result.structured_content["status"] == "waiting"
    assert result.structured_content["thread"] in result.content[0].text


def test_a_call_gives_the_answer_also_where_somebody_else_has_decided_first():
    agent = shop(calls(("pay", {"amount": 3})), says("done"))

    async def elsewhere(context, params):
        [thread] = await agent.store.threads(1)
        [waiting] = (await agent.resume(thread.thread_id)).waiting
        given = ApprovalGiven(waiting.id, True, "ada", digest=waiting.digest)
        await agent.post(thread.thread_id, given)
        return accept(allow=True)

    async def main():
        server = make_server(agent)
        async with Client(server, mode="legacy", elicitation_callback=elsewhere) as client:
            return await client.call_tool("shop", {"message": "pay"})

    assert asyncio.run(main()).structured_content["answer"] == "done"


def test_what_is_decided_elsewhere_is_asked_of_nobody_any_more():
    agent = shop(calls(("pay", {"amount": 3})), says("done"))
    is_asked = asyncio.Event()

    async def gone(context, params):
        is_asked.set()
        await asyncio.Event().wait()

    async def main():
        async with (
            asyncio.timeout(60),
            Client(make_server(agent), mode="legacy", elicitation_callback=gone) as client,
        ):
            call = asyncio.create_task(client.call_tool("shop", {"message": "pay"}))
            await is_asked.wait()
            [thread] = await agent.store.threads(1)
            [waiting] = (await agent.summary(thread.thread_id)).waiting
            given = ApprovalGiven(waiting.id, True, "ada", digest=waiting.digest)
            await agent.post(thread.thread_id, given)
            return await call

    assert asyncio.run(main()).structured_content["answer"] == "done"


@pytest.mark.parametrize(
    ("capability", "asks"),
    [
        (types.ElicitationCapability(), True),
        (types.ElicitationCapability(form=types.FormElicitationCapability()), True),
        (types.ElicitationCapability(url=types.UrlElicitationCapability()), False),
        (None, False),
    ],
)
def test_only_a_client_that_shows_forms_is_sent_one(capability, asks):
    assert can_show_forms(types.ClientCapabilities(elicitation=capability)) == asks


def test_what_a_client_s_model_says_is_no_person_s_word():
    @tool(labels=("private", "outward"))
    def share(path: str) -> str:
        """Share a file."""
        raise AssertionError(path)

    agent = replace(shop(calls(("share", {"path": "plan"}))), tools=[share])

    async def work(client):
        return await client.call_tool("shop", {"message": "share the plan"})

    told, _ = at_client(agent, work)
    assert told.structured_content["status"] == "waiting"
    assert "approval of share" in told.structured_content["answer"]
